"""The bridge on the emulator: put to queue, hand-over on SIGTERM and take-over after SIGKILL, with default settings."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.emulator import running_emulator
from local.provisioning import Provisioned, provision
from tests.chaos import stores
from tests.chaos.fleet import Fleet, Task, fleet_of
from tests.support.waiting import eventually

LATENCY_PER_SECOND = 5.0
LATENCY_SECONDS = 24.0
CHANGE_PER_SECOND = 20.0
HANDOVERS = 5
TAKEOVERS = 3
SETTLE_SECONDS = 2.0
WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message in the queue: who sent it, and the queue's own time of its arrival."""

    ticket: str
    sequence_number: int
    by: str
    put_at: float
    arrived_at: float


@dataclass(slots=True)
class Bridge:
    """A Ticket table that is written to at a steady rate, and the queue behind it."""

    resources: Provisioned
    deliveries: list[Delivery] = field(default_factory=list)
    put: int = 0

    def environment(self) -> dict[str, str]:
        table = self.resources.client("dynamodb").describe_table(TableName=self.resources.tables["Ticket"])
        return {
            **self.resources.environment,
            "STREAM_ARN": table["Table"]["LatestStreamArn"],
            "QUEUE_URL": self.resources.queues["ticket-updates"],
            "LEASE_TABLE": self.resources.tables["Lease"],
            "DRAIN_SECONDS": "10",
            # Otherwise the queue would hide that a record was sent twice.
            "SHOW_REPEATS": "true",
        }

    async def write(self, *, per_second: float, until: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        began, first = clock(), self.put
        while not until.is_set():
            await asyncio.sleep(max(0.0, began + (self.put - first) / per_second - clock()))
            await asyncio.to_thread(self._put)

    def _put(self) -> None:
        self.put += 1
        item = {
            "ticketId": {"S": f"ticket-{self.put}"},
            "employeeId": {"S": "111"},
            "statusVersion": {"N": "1"},
            "putAt": {"S": repr(time.time())},
        }
        self.resources.client("dynamodb").put_item(TableName=self.resources.tables["Ticket"], Item=item)

    async def collect(self, until: asyncio.Event) -> None:
        """Keep the queue empty, and note what came."""
        while not until.is_set():
            await asyncio.to_thread(self._collect)
            await asyncio.sleep(0.2)
        await eventually(self._all_there, within=WITHIN, what="the last messages")

    async def _all_there(self) -> bool:
        await asyncio.to_thread(self._collect)
        return len({delivery.ticket for delivery in self.deliveries}) >= self.put

    def _collect(self) -> None:
        for message in stores.drain(self.resources.client("sqs"), self.resources.queues["ticket-updates"]):
            self.deliveries.append(_as_delivery(message))

    def holder(self) -> str | None:
        items = stores.scan(self.resources.client("dynamodb"), self.resources.tables["Lease"])
        owners = [item["leaseOwner"]["S"] for item in items if "leaseOwner" in item]
        return owners[0].rpartition("-")[0] if owners else None

    def repeats(self) -> int:
        return len(self.deliveries) - len({delivery.sequence_number for delivery in self.deliveries})


def _as_delivery(message: Mapping[str, Any]) -> Delivery:
    body = json.loads(message["Body"])
    return Delivery(
        ticket=body["ticketId"],
        sequence_number=int(body["sequenceNumber"]),
        by=body["by"],
        put_at=float(body["putAt"]),
        arrived_at=int(message["Attributes"]["SentTimestamp"]) / 1000,
    )


async def measure_bridge() -> dict[str, float]:
    """All four figures, on an emulator of its own."""
    with (
        tempfile.TemporaryDirectory() as for_latency,
        tempfile.TemporaryDirectory() as for_changes,
        running_emulator() as emulator,
    ):
        latency = Bridge(provision(emulator.environment(), "bench-latency"))
        p50, p99 = await _latency(latency, Path(for_latency))
        changes = Bridge(provision(emulator.environment(), "bench-changes"))
        handovers, takeovers, repeats = await _changes(changes, Path(for_changes))
    return {
        "p50_ms": p50,
        "p99_ms": p99,
        "handover_s": round(statistics.median(handovers), 3),
        "handover_worst_s": round(max(handovers), 3),
        "handover_repeats": repeats,
        "takeover_s": round(statistics.median(takeovers), 3),
        "takeover_worst_s": round(max(takeovers), 3),
    }


async def _latency(bridge: Bridge, folder: Path) -> tuple[float, float]:
    """Milliseconds from before the put to the queue's own time of arrival."""
    over = asyncio.Event()
    async with fleet_of("tests.chaos.bridge_task", bridge.environment(), folder, drain_seconds=10) as fleet:
        await fleet.start()
        collecting = asyncio.create_task(bridge.collect(over))
        writing = asyncio.create_task(bridge.write(per_second=LATENCY_PER_SECOND, until=over))
        await asyncio.sleep(LATENCY_SECONDS)
        over.set()
        await asyncio.gather(writing, collecting)
        await fleet.stop_all()
    # The first two seconds are the task's own start.
    kept = bridge.deliveries[int(LATENCY_PER_SECOND * 2) :]
    cuts = statistics.quantiles([(each.arrived_at - each.put_at) * 1000 for each in kept], n=100, method="inclusive")
    return round(cuts[49], 1), round(cuts[98], 1)


async def _changes(bridge: Bridge, folder: Path) -> tuple[list[float], list[float], int]:
    """Seconds from the signal to the first message by another task; and how many records went out twice on SIGTERM."""
    over = asyncio.Event()
    async with fleet_of("tests.chaos.bridge_task", bridge.environment(), folder, drain_seconds=10) as fleet:
        await fleet.start(how_many=2)
        collecting = asyncio.create_task(bridge.collect(over))
        writing = asyncio.create_task(bridge.write(per_second=CHANGE_PER_SECOND, until=over))
        handovers = [await _change(bridge, fleet, kill=False) for _ in range(HANDOVERS)]
        repeats = bridge.repeats()
        takeovers = [await _change(bridge, fleet, kill=True) for _ in range(TAKEOVERS)]
        over.set()
        await asyncio.gather(writing, collecting)
        await fleet.stop_all()
        assert not fleet.problems, fleet.problems
    return handovers, takeovers, repeats


async def _change(bridge: Bridge, fleet: Fleet, *, kill: bool) -> float:
    """End the holder while another task runs, and have two running again afterwards."""

    async def held() -> Task | None:
        holder = await asyncio.to_thread(bridge.holder)
        return next((task for task in fleet.tasks if task.name == holder), None)

    victim = await eventually(held, within=WITHIN, what="a holder")
    assert victim is not None
    await asyncio.sleep(SETTLE_SECONDS)
    signalled_at = time.time()

    async def taken_over() -> Delivery | None:
        return next(
            (each for each in bridge.deliveries if each.by != victim.name and each.arrived_at > signalled_at), None
        )

    await (fleet.kill(victim) if kill else fleet.stop(victim))
    first = await eventually(taken_over, within=WITHIN, what="a message by the other task")
    assert first is not None
    await fleet.start()
    seconds = first.arrived_at - signalled_at
    print(f"  {'take-over' if kill else 'hand-over'} {seconds:.3f} s", flush=True)
    return seconds
