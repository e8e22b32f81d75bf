"""Consumers of a stream in memory, on virtual time: a fleet whose tasks come, go, are killed and are paused."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.errors import PermanentError
from shared.stream.consumer import StreamConsumer
from shared.stream.leases import Lease
from shared.stream.memory import MemoryLeases, MemoryStream
from shared.stream.port import Leases, StreamSource
from shared.stream.record import Record
from shared.stream.settings import StreamSettings

EPOCH = 1_700_000_000.0


def virtual_now() -> float:
    """The time of day that goes with the virtual loop's clock."""
    return EPOCH + asyncio.get_running_loop().time()


def half_way(low: float, high: float) -> float:
    """``random.uniform`` without chance."""
    return (low + high) / 2


def a_lease(shard_id: str = "s1", **more: Any) -> Lease:
    return Lease(**{"shard_id": shard_id, "counter": 1, **more})


def a_record(number: int = 1, *, shard_id: str = "s1", created_at: float = EPOCH) -> Record:
    return Record(
        event_id=f"event-{number}",
        change="INSERT",
        shard_id=shard_id,
        sequence_number=str(number),
        created_at=created_at,
        keys={"ticketId": f"t{number}"},
    )


async def until(check: Callable[[], object], *, within: float = 600.0, step: float = 0.01) -> float:
    """Let virtual time pass until ``check`` is true; the seconds that took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not check():
        assert clock() - began < within, "it did not come true"
        # Finely while it may matter, then coarsely: each step of virtual time costs real time.
        await asyncio.sleep(step if clock() - began < 20 else 1.0)
    return clock() - began


@dataclass(frozen=True, slots=True)
class Delivered:
    """One record that one task handed on."""

    owner: str
    record: Record
    at: float


@dataclass(slots=True)
class Running:
    """One task of the fleet."""

    consumer: StreamConsumer
    stop: asyncio.Event
    task: asyncio.Task[None]
    beats: list[float] = field(default_factory=list)

    async def drain(self) -> None:
        self.stop.set()
        await self.task

    async def kill(self) -> None:
        """As SIGKILL: nothing is given back."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Fleet:
    """Tasks that share a stream and its leases, and what they delivered.

    ``failing`` maps an item's id to the errors that its delivery raises, in turn, before it goes through.
    """

    def __init__(self, *, source: StreamSource | None = None, leases: Leases | None = None, **settings: Any) -> None:
        self.stream = MemoryStream(now=virtual_now)
        self.leases = MemoryLeases()
        self.source: StreamSource = source or self.stream
        self.lease_store: Leases = leases or self.leases
        self.settings = StreamSettings(**settings)
        self.delivered: list[Delivered] = []
        self.quarantined: list[tuple[str, str]] = []
        self.gaps: list[tuple[str, str | None]] = []
        self.failing: dict[str, list[BaseException]] = defaultdict(list)
        self.poison: set[str] = set()
        self.calls: list[list[str]] = []
        self.delivery_seconds = 0.0
        self.running: list[Running] = []

    def start(
        self,
        owner: str,
        *,
        source: StreamSource | None = None,
        leases: Leases | None = None,
        deliver: Callable[[Sequence[Record]], Awaitable[None]] | None = None,
    ) -> Running:
        stop = asyncio.Event()
        beats: list[float] = []
        consumer = StreamConsumer(
            source=source or self.source,
            leases=leases or self.lease_store,
            deliver=deliver or self._deliver_as(owner),
            owner=owner,
            settings=self.settings,
            quarantine=self._quarantine,
            on_gap=self._on_gap,
            now=virtual_now,
            uniform=half_way,
            beat=lambda: beats.append(virtual_now()),
        )
        running = Running(consumer, stop, asyncio.create_task(consumer.run(stop)), beats)
        self.running.append(running)
        return running

    async def drain_all(self) -> None:
        for running in self.running:
            if not running.task.done():
                await running.drain()

    def put(self, *items: str) -> None:
        for item in items:
            self.stream.put({"ticketId": item})

    @property
    def items(self) -> list[str]:
        """The delivered items, in the order of delivery."""
        return [delivered.record.keys["ticketId"] for delivered in self.delivered]

    def by(self, owner: str) -> list[str]:
        return [delivered.record.keys["ticketId"] for delivered in self.delivered if delivered.owner == owner]

    async def until_delivered(self, *items: str) -> float:
        return await until(lambda: set(items) <= set(self.items))

    def checkpoints(self) -> dict[str, list[int | None]]:
        """Every checkpoint written, by shard, in order; None: the shard's end."""
        found: dict[str, list[int | None]] = defaultdict(list)
        for lease in self.leases.written:
            if lease.ended:
                found[lease.shard_id].append(None)
            elif lease.after is not None:
                found[lease.shard_id].append(int(lease.after))
        return found

    def _deliver_as(self, owner: str) -> Callable[[Sequence[Record]], Awaitable[None]]:
        async def deliver(records: Sequence[Record]) -> None:
            names = [record.keys["ticketId"] for record in records]
            self.calls.append(names)
            await asyncio.sleep(self.delivery_seconds)
            for name in names:
                if self.failing[name]:
                    raise self.failing[name].pop(0)
                if name in self.poison:
                    raise PermanentError(f"{name} is poison")
            at = asyncio.get_running_loop().time()
            self.delivered += [Delivered(owner, record, at) for record in records]

        return deliver

    async def _quarantine(self, record: Record, reason: str) -> None:
        await asyncio.sleep(0)
        name = record.keys["ticketId"]
        if self.failing["quarantine"]:
            raise self.failing["quarantine"].pop(0)
        self.quarantined.append((name, reason))

    async def _on_gap(self, shard_id: str, after: str | None) -> None:
        await asyncio.sleep(0)
        if self.failing["gap"]:
            raise self.failing["gap"].pop(0)
        self.gaps.append((shard_id, after))
