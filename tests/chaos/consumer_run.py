"""One run of the queue consumer under chaos: messages in, strikes on its tasks, and what the stores hold in the end."""

import asyncio
import json
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.provisioning import Provisioned
from tests.chaos import stores
from tests.chaos.broken import SOUND
from tests.chaos.effects import LANE
from tests.chaos.findings import Finding, Letter, QueueRun, queue_findings
from tests.chaos.fleet import fleet_of
from tests.chaos.scale import Blows, Scale
from tests.chaos.schedule import schedule
from tests.chaos.strikes import Striker
from tests.chaos.traffic import Traffic
from tests.support.fault_proxy import Faults, fault_proxy
from tests.support.waiting import eventually

FIFO = "ticket-work"
STANDARD = "feedback-items"
DRAIN_SECONDS = 10.0
VISIBILITY_SECONDS = 3
DEEPEST = 400
"""The emulator slows down as a queue grows."""

FAULTS = {"cut_before": 0.01, "cut_after": 0.01, "server_error": 0.015, "throttle": 0.015, "partial": 0.03}


@dataclass(slots=True)
class ConsumerStores:
    """A FIFO and a standard queue with their dead-letter queues, the claims, and a table of effects of its own."""

    resources: Provisioned
    redriven: list[str] = field(default_factory=list)
    effect_table: str = ""

    def __post_init__(self) -> None:
        self.effect_table = f"{self.resources.name}-Effect"
        self.resources.client("dynamodb").create_table(
            TableName=self.effect_table,
            KeySchema=[{"AttributeName": "entry", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "entry", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    @property
    def sqs(self) -> Any:
        return self.resources.client("sqs")

    def environment(self, endpoint: str, **more: str) -> dict[str, str]:
        queues = self.resources.queues
        return {
            **self.resources.environment,
            "AWS_ENDPOINT_URL": endpoint,
            "FIFO_QUEUE_URL": queues[FIFO],
            "FIFO_DEAD_QUEUE_URL": queues[f"{FIFO}-dead"],
            "STANDARD_QUEUE_URL": queues[STANDARD],
            "STANDARD_DEAD_QUEUE_URL": queues[f"{STANDARD}-dead"],
            "IDEMPOTENCY_TABLE": self.resources.tables["Idempotency"],
            "EFFECT_TABLE": self.effect_table,
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            "VISIBILITY_SECONDS": str(VISIBILITY_SECONDS),
            **more,
        }

    def send(self, queue: str, bodies: list[dict[str, Any]]) -> None:
        stores.send(self.sqs, self.resources.queues[queue], bodies)

    def waiting(self) -> int:
        return sum(sum(stores.counts(self.sqs, self.resources.queues[queue])) for queue in (FIFO, STANDARD))

    def redrive(self, queue: str, at_most: int) -> None:
        """Send dead letters back as new messages, as a person would after what they believe is a repair."""
        dead_url = self.resources.queues[f"{queue}-dead"]
        found = self.sqs.receive_message(
            QueueUrl=dead_url, MaxNumberOfMessages=at_most, WaitTimeSeconds=0, VisibilityTimeout=stores.RECEIVE_SECONDS
        ).get("Messages", [])
        for message in found:
            body = json.loads(message["Body"])
            self.send(queue, [body])
            self.sqs.delete_message(QueueUrl=dead_url, ReceiptHandle=message["ReceiptHandle"])
            self.redriven.append(body["id"])

    def applied(self) -> dict[str, list[str]]:
        items = stores.scan(self.resources.client("dynamodb"), self.effect_table)
        return {
            item["entry"]["S"].removeprefix(LANE): [each["S"] for each in item["applied"]["L"]]
            for item in items
            if item["entry"]["S"].startswith(LANE)
        }

    def letters(self, queue: str) -> list[Letter]:
        return [stores.as_letter(each) for each in stores.drain(self.sqs, self.resources.queues[f"{queue}-dead"])]

    def findings(self, queue: str, traffic: Traffic) -> list[Finding]:
        """Once no task runs any more."""
        applied = {lane: ids for lane, ids in self.applied().items() if lane.startswith(traffic.name)}
        run = QueueRun(
            fifo=queue == FIFO,
            sent=traffic.ids(),
            poison=traffic.poison(),
            applied=applied,
            letters=self.letters(queue),
            left=sum(stores.counts(self.sqs, self.resources.queues[queue])),
        )
        return queue_findings(run)


async def run_consumer(
    resources: Provisioned, folder: Path, *, scale: Scale, seed: int, build: str = SOUND
) -> tuple[list[Finding], str]:
    """The findings of one seed, and a line about what was done."""
    die = random.Random(seed)
    faults = Faults(**FAULTS)
    stored = await asyncio.to_thread(ConsumerStores, resources)
    traffic = {FIFO: Traffic("g", scale.groups, die), STANDARD: Traffic("s", scale.groups, die)}
    async with AsyncExitStack() as stack:
        target = resources.environment["AWS_ENDPOINT_URL"]
        proxy = await stack.enter_async_context(fault_proxy(target, faults, random.Random(die.random())))
        environment = stored.environment(proxy.url, BUILD=build)
        fleet = await stack.enter_async_context(
            fleet_of("tests.chaos.consumer_task", environment, folder, drain_seconds=DRAIN_SECONDS)
        )
        striker = Striker(fleet=fleet, proxy=proxy, die=random.Random(seed), pause_seconds=VISIBILITY_SECONDS * 1.5)
        strikes = schedule(scale.consumer_blows, die)
        await fleet.start(how_many=2)
        await asyncio.gather(_feed(stored, traffic, scale.messages, scale.consumer_blows), striker.run(strikes))
        faults.calm()
        fleet.look_for_crashes()
        if not fleet.awake():
            await fleet.start(how_many=2)
        await _emptied(stored, scale.drained_within)
        await fleet.stop_all()
    found = [Finding("bad exit", problem) for problem in fleet.problems]
    for queue, its_traffic in traffic.items():
        found += await asyncio.to_thread(stored.findings, queue, its_traffic)
    sent = sum(len(each.sent) for each in traffic.values())
    strikes_dealt, requests = dict(striker.dealt), dict(proxy.met)
    return found, f"{sent} messages, {len(stored.redriven)} redriven, strikes {strikes_dealt}, requests {requests}"


async def _feed(stored: ConsumerStores, traffic: dict[str, Traffic], messages: int, blows: Blows) -> None:
    """Send both queues' messages over the time of the blows, ten at a time; redrive a few letters at three quarters."""
    clock = asyncio.get_running_loop().time
    began = clock()
    turns = messages // 20
    for turn in range(turns):
        await asyncio.sleep(max(0.0, began + blows.seconds * turn / turns - clock()))
        await eventually(lambda: _is_shallow(stored), within=120, what="room in the queues")
        for queue, its_traffic in traffic.items():
            await asyncio.to_thread(stored.send, queue, its_traffic.more(10))
        if turn >= turns * 3 // 4 and len(stored.redriven) < 4:
            for queue in traffic:
                await asyncio.to_thread(stored.redrive, queue, 2)


async def _is_shallow(stored: ConsumerStores) -> bool:
    return await asyncio.to_thread(stored.waiting) < DEEPEST


async def _emptied(stored: ConsumerStores, within: float) -> None:
    """Until nothing is left; what stays is for the findings to say, not for a timeout."""

    async def empty() -> bool:
        return await asyncio.to_thread(stored.waiting) == 0

    try:
        await eventually(empty, within=within, what="empty queues")
    except AssertionError:
        return
