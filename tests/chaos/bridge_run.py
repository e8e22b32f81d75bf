"""One run of the bridge under chaos: tickets in, strikes on its tasks, and what the FIFO queue holds in the end."""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from local.provisioning import Provisioned
from tests.chaos import stores
from tests.chaos.broken import SOUND
from tests.chaos.findings import Arrival, BridgeRun, Finding, Freeze, bridge_findings
from tests.chaos.fleet import Fleet, fleet_of
from tests.chaos.scale import Blows, Scale
from tests.chaos.schedule import schedule
from tests.chaos.strikes import Striker
from tests.support.fault_proxy import Faults, fault_proxy
from tests.support.waiting import eventually

DRAIN_SECONDS = 10.0
LEASE_SECONDS = 1.8
TICKETS_AT_ONCE = 5
FIRST_TICKET = 1_000_000

FAULTS = {"cut_before": 0.01, "cut_after": 0.015, "server_error": 0.015, "throttle": 0.015, "partial": 0.03}


@dataclass(slots=True)
class BridgeStores:
    """The Ticket table, its stream, the FIFO queue behind the bridge and the lease table."""

    resources: Provisioned
    arrivals: list[Arrival] = field(default_factory=list)

    def environment(self, endpoint: str, **more: str) -> dict[str, str]:
        return {
            **self.resources.environment,
            "AWS_ENDPOINT_URL": endpoint,
            "STREAM_ARN": self.stream_arn,
            "QUEUE_URL": self.resources.queues["ticket-updates"],
            "LEASE_TABLE": self.resources.tables["Lease"],
            "DRAIN_SECONDS": str(DRAIN_SECONDS),
            **more,
        }

    @property
    def stream_arn(self) -> str:
        table = self.resources.client("dynamodb").describe_table(TableName=self.resources.tables["Ticket"])
        return str(table["Table"]["LatestStreamArn"])

    def put(self, ticket: int, version: int) -> None:
        item = {
            "ticketId": f"ticket-{ticket}",
            "employeeId": "111",
            "assignStatus": "unassigned",
            "statusVersion": version,
            "putAt": repr(time.time()),
        }
        typed = {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in item.items()}
        self.resources.client("dynamodb").put_item(TableName=self.resources.tables["Ticket"], Item=typed)

    def collect(self) -> int:
        """Take what has arrived out of the queue, so that it stays shallow; returns how many in all."""
        for message in stores.drain(self.resources.client("sqs"), self.resources.queues["ticket-updates"]):
            body = json.loads(message["Body"])
            self.arrivals.append(Arrival(body["ticketId"], int(body["version"]), int(body["sequenceNumber"])))
        return len(self.arrivals)

    def written(self) -> Mapping[int, tuple[str, int]]:
        records = stores.stream_records(self.resources.client("dynamodbstreams"), self.stream_arn)
        return {
            int(record["dynamodb"]["SequenceNumber"]): (
                record["dynamodb"]["Keys"]["ticketId"]["S"],
                int(record["dynamodb"]["NewImage"]["statusVersion"]["N"]),
            )
            for record in records
        }

    def freeze(self) -> Freeze:
        """Call while no task runs."""
        return Freeze(self.checkpoint(), self.collect())

    def checkpoint(self) -> int:
        """The sequence number in the lease table, -1 if there is none yet."""
        items = stores.scan(self.resources.client("dynamodb"), self.resources.tables["Lease"])
        found = [item["checkpoint"]["S"] for item in items if "checkpoint" in item]
        return max((int(each) for each in found if each.isdigit()), default=-1)

    def all_arrived(self) -> bool:
        self.collect()
        return {arrival.sequence_number for arrival in self.arrivals} >= set(self.written())


async def run_bridge(
    resources: Provisioned, folder: Path, *, scale: Scale, seed: int, build: str = SOUND
) -> tuple[list[Finding], str]:
    """The findings of one seed, and a line about what was done."""
    die = random.Random(seed)
    faults = Faults(**FAULTS)
    stored = BridgeStores(resources)
    freezes: list[Freeze] = []
    async with AsyncExitStack() as stack:
        target = resources.environment["AWS_ENDPOINT_URL"]
        proxy = await stack.enter_async_context(fault_proxy(target, faults, random.Random(die.random())))
        environment = stored.environment(proxy.url, BUILD=build, LEASE_SECONDS=str(LEASE_SECONDS))
        fleet = await stack.enter_async_context(
            fleet_of("tests.chaos.bridge_task", environment, folder, drain_seconds=DRAIN_SECONDS)
        )
        striker = Striker(fleet=fleet, proxy=proxy, die=die, pause_seconds=LEASE_SECONDS * 1.5)
        await fleet.start(how_many=2)
        await _one_arrived(stored)
        strikes = schedule(scale.bridge_blows, die)
        await asyncio.gather(_feed(stored, scale.tickets, scale.bridge_blows, die), striker.run(strikes))
        freezes.append(await _freeze(stored, fleet))
        faults.calm()
        await fleet.start(how_many=2)
        await _collected(stored, scale.drained_within)
        await fleet.stop_all()
        freezes.append(await asyncio.to_thread(stored.freeze))
    run = BridgeRun(await asyncio.to_thread(stored.written), stored.arrivals, freezes)
    found = bridge_findings(run) + [Finding("bad exit", problem) for problem in fleet.problems]
    return found, f"{len(run.written)} changes, strikes {dict(striker.dealt)}, requests {dict(proxy.met)}"


async def _one_arrived(stored: BridgeStores) -> None:
    """Until somebody holds the lease and delivers: a strike at tasks that only start would hit nothing."""
    await asyncio.to_thread(stored.put, FIRST_TICKET, 1)
    await eventually(lambda: asyncio.to_thread(stored.collect), within=60, what="the first arrival")


async def _feed(stored: BridgeStores, tickets: int, blows: Blows, die: random.Random) -> None:
    """Put ``tickets`` over the time of the blows, most of them changed again once or twice, and collect meanwhile."""
    clock = asyncio.get_running_loop().time
    began = clock()
    for start in range(0, tickets, TICKETS_AT_ONCE):
        await asyncio.sleep(max(0.0, began + blows.seconds * start / tickets - clock()))
        batch = range(start, min(start + TICKETS_AT_ONCE, tickets))
        for version in (1, 2, 3):
            await asyncio.to_thread(_put_all, stored, [n for n in batch if version == 1 or die.random() < 0.6], version)
        await asyncio.to_thread(stored.collect)


def _put_all(stored: BridgeStores, tickets: list[int], version: int) -> None:
    for ticket in tickets:
        stored.put(ticket, version)


async def _freeze(stored: BridgeStores, fleet: Fleet) -> Freeze:
    """Kill everything that runs and look: what the checkpoint says must be in the queue now, not soon."""
    fleet.look_for_crashes()
    await asyncio.gather(*(fleet.kill(task) for task in list(fleet.tasks)))
    return await asyncio.to_thread(stored.freeze)


async def _collected(stored: BridgeStores, within: float) -> None:
    """Until everything arrived; what did not is for the findings to say, not for a timeout."""
    try:
        await eventually(lambda: asyncio.to_thread(stored.all_arrived), within=within, what="all changes' arrival")
    except AssertionError:
        return
