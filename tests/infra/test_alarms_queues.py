"""Nobody takes messages, then somebody cannot handle them: the queues' alarms, and those of services that do not run.

On the embedded cloud's queues, with the services' own handlers. Minutes pass when told to.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, cast

import pytest

from cli.cloud import Cloud
from cli.letters import Pace
from cli.names import Names
from cli.redrive import move_back
from local.emulator import Emulator
from local.provisioning import QUEUES, Provisioned, Queue, provision
from services.feedback_tagger.entrances import Entrances
from services.feedback_tagger.outcomes import Outcomes
from services.feedback_tagger.pool import Pool
from services.feedback_tagger.singles import Singles
from services.ticket_agent.decisions import Decisions
from services.ticket_agent.intake import Intake
from services.ticket_agent.notifier import Notifier
from services.ticket_agent.worker import Worker
from shared.aws.clients import aws_session, open_client
from shared.queue.consumer import Consumer, ConsumerSettings, Handler
from shared.queue.failures import MemoryFailureCounts
from shared.queue.message import Ack, Message, Settlement
from shared.queue.sqs import SqsQueue
from tests.support.alarm_proofs import NAME, NOBODY_RUNS, alarms_named, watching
from tests.support.alarms import Watch
from tests.support.documented import ROOT
from tests.support.terraform import Whole
from tests.support.waiting import wait_until

ACCOUNT = "000000000321"
NOT_REACHED: Final = cast(Any, None)
"""A message that nobody can read comes to no store and no model."""
POISON = "{"
MOVED_BACK = ("feedback-files", "feedback-chunks", "feedback-items", "ticket-outcomes")
"""As the runbook's table of dead letters has it; the others are deleted."""


@pytest.fixture
def cloud(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Provisioned:
    """Queues named as Terraform names them, in an account of their own."""
    environment = emulator.environment(ACCOUNT)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = provision(environment, NAME)
    # What S3 says of itself when it gets to know a queue.
    made.client("sqs").purge_queue(QueueUrl=made.queues["feedback-files"])
    return made


def handlers() -> Mapping[str, Handler]:
    worker = Worker(
        tickets=NOT_REACHED,
        ledger=NOT_REACHED,
        desk=NOT_REACHED,
        loop=NOT_REACHED,
        deciding=NOT_REACHED,
        resolver_group="service-desk",
        monotonic=time.monotonic,
    )
    intake = Intake(directory=NOT_REACHED, tickets=NOT_REACHED, trusted_relays=(), now=time.time)
    decisions = Decisions(
        directory=NOT_REACHED,
        tickets=NOT_REACHED,
        rulings=NOT_REACHED,
        work=NOT_REACHED,
        trusted_relays=(),
        now=time.time,
    )
    notifier = Notifier(
        ledger=NOT_REACHED,
        directory=NOT_REACHED,
        notifications=NOT_REACHED,
        decisions_queue="q",
        service_desk="service-desk",
        now=time.time,
    )
    singles = Singles(
        store=NOT_REACHED,
        asker=NOT_REACHED,
        taxonomy=NOT_REACHED,
        rows_per_prompt=1,
        wait_seconds=0.0,
        now=time.time,
        uniform=random.uniform,
    )
    pool = Pool(
        store=NOT_REACHED,
        upkeep=NOT_REACHED,
        asker=NOT_REACHED,
        taxonomy=NOT_REACHED,
        outlook=NOT_REACHED,
        uniform=random.uniform,
        chunks=NOT_REACHED,
    )
    files = Entrances(bucket="b", entrances=(), feedback=NOT_REACHED, bury_feedback=NOT_REACHED)
    return {
        "ticket-intake": intake.handle,
        "ticket-decisions": decisions.handle,
        "ticket-work": worker.handle,
        "ticket-updates": notifier.handle,
        "feedback-files": files.handle,
        "feedback-chunks": pool.handle,
        "feedback-items": singles.handle,
        "ticket-outcomes": Outcomes(store=NOT_REACHED).handle,
    }


async def mended(_: Message) -> Settlement:
    """What the next build makes of the message that this one cannot read."""
    return Ack()


@asynccontextmanager
async def running(cloud: Provisioned, handlers: Mapping[str, Handler]) -> AsyncIterator[None]:
    """Both services' consumers."""
    stop = asyncio.Event()
    settings = ConsumerSettings(workers=1, deadline_seconds=30.0, wait_seconds=1)
    async with AsyncExitStack() as stack:
        sqs = await stack.enter_async_context(open_client(aws_session(), "sqs", connections=64))
        consumers = [
            Consumer(
                queue=SqsQueue(sqs, cloud.queues[queue.name]),
                dead_letters=SqsQueue(sqs, cloud.queues[queue.dead_letter.name]),
                handle=handlers[queue.name],
                failures=MemoryFailureCounts(),
                settings=settings,
            )
            for queue in QUEUES
        ]
        async with asyncio.TaskGroup() as group:
            for consumer in consumers:
                group.create_task(consumer.run(stop))
            try:
                yield
            finally:
                stop.set()


class Gauges:
    """What SQS and ECS would report each minute: read from the queues, and from whether tasks run."""

    def __init__(self, cloud: Provisioned, watch: Watch) -> None:
        self._sqs, self._cloud, self._watch = cloud.client("sqs"), cloud, watch
        self._sent_in: dict[str, int] = {}
        self.running = False

    def send_poison(self) -> None:
        for queue in QUEUES:
            fifo = {"MessageGroupId": "T-1", "MessageDeduplicationId": "1"} if queue.fifo else {}
            self._sqs.send_message(QueueUrl=self._cloud.queues[queue.name], MessageBody=POISON, **fifo)
            self._sent_in[queue.name] = self._watch.minute

    def minutes_pass(self, count: int) -> set[str]:
        """So many in which nothing changes: the queues are read once."""
        counts = self.counts()
        for _ in range(count):
            for name, (waiting, in_flight) in counts.items():
                dimensions = {"QueueName": name}
                self._watch.measure("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimensions, waiting)
                self._watch.measure("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", dimensions, in_flight)
            for queue in QUEUES:
                full = queue.full_name(NAME)
                if counts[full][0]:
                    age = 60.0 * (self._watch.minute - self._sent_in[queue.name])
                    self._watch.measure("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": full}, age)
            if self.running:
                for service in ("ticket-agent", "feedback-tagger"):
                    of = {"ClusterName": NAME, "ServiceName": f"{NAME}-{service}"}
                    self._watch.measure("AWS/ECS", "CPUUtilization", of, 1.0)
            self._watch.minute_passes()
        return self._watch.ringing

    def counts(self) -> dict[str, tuple[int, int]]:
        """Messages waiting and in flight, by the queue's full name."""
        return {
            each.full_name(NAME): self._counts(self._cloud.queues[each.name])
            for queue in QUEUES
            for each in (queue, queue.dead_letter)
        }

    def _counts(self, url: str) -> tuple[int, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def letters(self) -> int:
        counts = self.counts()
        return sum(counts[queue.dead_letter.full_name(NAME)][0] for queue in QUEUES)

    def messages(self) -> int:
        counts = self.counts()
        return sum(sum(counts[queue.full_name(NAME)]) for queue in QUEUES)


def delete_letters(cloud: Provisioned, queue: Queue) -> None:
    sqs, url = cloud.client("sqs"), cloud.queues[queue.dead_letter.name]
    [letter] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert letter["MessageAttributes"]["reason"]["StringValue"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])


async def test_queues_ring_while_nobody_takes_their_messages_and_until_their_dead_letters_are_seen_to(
    whole: Whole, cloud: Provisioned
) -> None:
    """Lets no task run, for hours, with a message in each queue that this build cannot read; starts tasks; then mends
    the build, and moves back or deletes the dead letters as the runbook's table says."""
    with watching(whole, *NOBODY_RUNS) as watch:
        gauges = Gauges(cloud, watch)
        assert gauges.minutes_pass(15) == alarms_named("ticket-agent-gone", "ticket-agent-idle", "feedback-tagger-idle")

        gauges.send_poison()
        oldest = alarms_named(*(f"oldest-message-{queue.name}" for queue in QUEUES))
        backlog = alarms_named("ticket-agent-backlog", "feedback-tagger-backlog")
        gone = alarms_named("ticket-agent-gone", "feedback-tagger-asleep")
        assert gauges.minutes_pass(246) == oldest | backlog | gone

        gauges.running = True
        async with running(cloud, handlers()):
            await asyncio.to_thread(wait_until, lambda: gauges.letters() == len(QUEUES), what="every dead letter")
            await asyncio.to_thread(wait_until, lambda: gauges.messages() == 0, what="empty queues")
        dead = alarms_named(*(f"dead-letters-{queue.name}" for queue in QUEUES))
        assert gauges.minutes_pass(1) == dead

        names = Names(name=NAME, account=cloud.account, region=cloud.environment["AWS_REGION"])
        deskhand = Cloud(names=names, session=None, environment=cloud.environment)
        for queue in QUEUES:
            if queue.name in MOVED_BACK:
                pace = Pace(300.0, time.monotonic, time.sleep)
                done = move_back(deskhand, queue, reason="", limit=10, pace=pace)
                assert (len(done.moved), done.kept) == (1, [])
            else:
                delete_letters(cloud, queue)
        async with running(cloud, dict.fromkeys(handlers(), mended)):
            await asyncio.to_thread(wait_until, partial(is_empty, gauges), what="empty queues")
        assert gauges.minutes_pass(1) == set()


def is_empty(gauges: Gauges) -> bool:
    return gauges.letters() == 0 and gauges.messages() == 0


def test_the_runbook_moves_back_the_letters_of_the_same_queues() -> None:
    table = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").split("### Dead letters")[1].split("\n### ")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines() if line.startswith("| ")]
    moved = [row[1] for row in rows if row[3].startswith("move it back")]
    assert moved == list(MOVED_BACK)
