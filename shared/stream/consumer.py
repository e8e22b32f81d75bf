"""Reading a whole stream with any number of tasks: each takes a share of the shards, follows them, hands them over.

Every task runs one consumer. They meet only in the lease store: no task knows the others' addresses, and none leads.
At least once, and in order per shard: records of a batch that was delivered and not yet checkpointed when its task was
killed are delivered again by the next holder.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.backoff import Uniform
from shared.clock import Now, wall_clock
from shared.errors import DeskhandError
from shared.logs import logger
from shared.stream.delivery import Deliver, Delivery, Quarantine
from shared.stream.holding import Holding
from shared.stream.leases import Lease, Sighting, moves, sighted, taken
from shared.stream.lineage import Shard, Start, childless_ends, first_start, readable
from shared.stream.port import LeaseLost, Leases, StreamSource
from shared.stream.reader import OnGap, ShardReader
from shared.stream.settings import StreamSettings
from shared.waiting import cancel_all, is_set_within

log = logger("stream.consumer")

TELL_SECONDS = 60.0
"""A line a minute says how far behind the task is. Without it, a stream that nobody can read would just be silent."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A shard in hand."""

    holding: Holding
    reader: ShardReader
    task: asyncio.Task[None]


@dataclass(kw_only=True)
class StreamConsumer:
    """``owner`` names this task's life in the leases: unique to the process, also after a restart.

    ``deliver`` gets records of one shard in order, never two calls for one shard at a time; calls for different shards
    overlap. Without ``quarantine`` a record that cannot be delivered holds its shard until it can. ``on_gap`` hears of
    records that were trimmed unread. ``beat`` is called at least every ``backoff.cap`` seconds and a listing's time.
    """

    source: StreamSource
    leases: Leases
    deliver: Deliver
    owner: str
    settings: StreamSettings = field(default_factory=StreamSettings)
    quarantine: Quarantine | None = None
    on_gap: OnGap | None = None
    now: Now = wall_clock
    uniform: Uniform = random.uniform
    beat: Callable[[], None] = lambda: None
    _readings: dict[str, _Reading] = field(default_factory=dict, init=False)
    _sightings: dict[str, Sighting] = field(default_factory=dict, init=False)
    _shards: list[Shard] = field(default_factory=list, init=False)
    _start: Start | None = field(default=None, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _synced_at: float | None = field(default=None, init=False)
    _fruitless_syncs: int = field(default=0, init=False)
    _turned_at: float | None = field(default=None, init=False)

    @property
    def held(self) -> list[str]:
        """The shards that this task is reading."""
        return sorted(shard_id for shard_id, reading in self._readings.items() if not reading.task.done())

    @property
    def iterator_age(self) -> float:
        """How far this task is behind, in seconds: the age of the last record read, over its shards; 0 at the tip."""
        return max((reading.reader.iterator_age for reading in self._readings.values()), default=0.0)

    @property
    def late(self) -> float:
        """How far this task is behind, in seconds: likewise, and at least as long as it has not seen its leases."""
        unseen = 0.0 if self._turned_at is None else self.now() - self._turned_at
        return max([unseen, *(reading.reader.late for reading in self._readings.values())])

    async def run(self, stop: asyncio.Event) -> None:
        """Read until ``stop`` is set, then hand over every shard at its checkpoint and return.

        Cancelling it stops at once and hands nothing over: the leases run out, as after a kill. Raises only what is
        a bug; what the services refuse is logged and tried again.
        """
        turns = asyncio.create_task(self._take_turns(stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({turns, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # Also when the turns crashed: the others need not wait for leases of a task that is about to exit.
            self._end_all()
            # A listing that hangs must not hold the drain up; what a cut-off taking took runs out by itself.
            await asyncio.wait({turns}, timeout=self.settings.lease_seconds)
            await cancel_all([turns])
            await self._drained()
            if not turns.cancelled():
                turns.result()
        finally:
            await cancel_all([turns, stopping, *(reading.task for reading in self._readings.values())])
            self._readings.clear()

    async def _take_turns(self, stop: asyncio.Event) -> None:
        failures = 0
        self._turned_at = self.now()
        clock = asyncio.get_running_loop().time
        told_at = clock()
        while not stop.is_set():
            self.beat()
            self._woken.clear()
            wait = self.settings.take_seconds
            try:
                await self._turn(stop)
                self._turned_at = self.now()
                failures = 0
            except DeskhandError as error:
                log.warning("leases_not_seen_to", attempt=failures, error=repr(error))
                wait += self.settings.backoff.delay(failures, self.uniform)
                failures += 1
            self._reap()
            if clock() >= told_at + TELL_SECONDS:
                told_at = clock()
                log.info("stream_age", age=round(self.late, 3), shards=len(self.held))
            await is_set_within(self._woken, wait)

    async def _turn(self, stop: asyncio.Event) -> None:
        leases = {lease.shard_id: lease for lease in await self.leases.listing()}
        seen_at = asyncio.get_running_loop().time()
        self._sightings = sighted(self._sightings, leases.values(), seen_at)
        for shard_id, reading in self._readings.items():
            if shard_id in leases:
                reading.holding.saw(leases[shard_id])
        start = await self._synced(leases)
        if start is None:
            return
        plan = moves(
            leases,
            readable(self._shards, leases, start),
            self._sightings,
            me=self.owner,
            now=seen_at,
            lease_seconds=self.settings.lease_seconds,
        )
        for lease in plan.take:
            await self._take(lease, start, stop)
        if plan.ask is not None:
            await self.leases.ask(plan.ask, self.owner)
        await self._forget(leases, seen_at)

    async def _synced(self, leases: Mapping[str, Lease]) -> Start | None:
        """List the shards if that is due; None as long as they have never been listed."""
        clock = asyncio.get_running_loop().time
        ends = childless_ends(self._shards, leases)
        if not ends:
            self._fruitless_syncs = 0
        if clock() < self._next_sync(urgent=bool(ends)):
            return self._start
        self._synced_at = clock()
        self._fruitless_syncs += 1
        try:
            self._shards = await self.source.shards()
            if self._start is None:
                # What is recorded wins: this consumer may have begun long before this task.
                self._start = await self.leases.begin(first_start(self.settings.start, self._shards, self.now()))
        except DeskhandError as error:
            log.warning("shards_not_listed", error=repr(error))
        return self._start

    def _next_sync(self, *, urgent: bool) -> float:
        """When to list the shards again: soon, but ever less so, while a listing is needed and has not come."""
        if self._synced_at is None:
            return 0.0
        soon = self.settings.take_seconds * (2.0 ** min(self._fruitless_syncs, 32) - 1)
        wanting = urgent or self._start is None
        return self._synced_at + (min(soon, self.settings.sync_seconds) if wanting else self.settings.sync_seconds)

    async def _take(self, lease: Lease, start: Start, stop: asyncio.Event) -> None:
        still_reading = lease.shard_id in self._readings
        if still_reading or stop.is_set():
            return
        began = asyncio.get_running_loop().time()
        try:
            held = await self.leases.swap(lease, taken(lease, self.owner))
        except LeaseLost:
            return  # Somebody was quicker.
        log.info("shard_taken", shard=held.shard_id, previous_owner=lease.owner, checkpoint=held.after)
        holding = Holding(held, taken_at=began, leases=self.leases, settings=self.settings, uniform=self.uniform)
        if stop.is_set():
            holding.ending.set()
        delivery = Delivery(
            holding, deliver=self.deliver, quarantine=self.quarantine, settings=self.settings, uniform=self.uniform
        )
        reader = ShardReader(
            holding,
            delivery,
            source=self.source,
            start=start,
            on_gap=self.on_gap,
            settings=self.settings,
            now=self.now,
            uniform=self.uniform,
        )
        task = asyncio.create_task(_hold(holding, reader), name=f"stream {held.shard_id}")
        # A shard that ended has children to read, at once.
        task.add_done_callback(lambda _: self._woken.set())
        self._readings[held.shard_id] = _Reading(holding, reader, task)

    async def _forget(self, leases: Mapping[str, Lease], now: float) -> None:
        """Remove leases that can no longer matter.

        Not as soon as the shard is unlisted: a task with an older listing would take it for a shard never read.
        """
        listed = {shard.shard_id for shard in self._shards}
        for lease in leases.values():
            unlisted = lease.shard_id not in listed
            long_ended = lease.ended and now - self._sightings[lease.shard_id].since >= self.settings.forget_seconds
            if unlisted and long_ended:
                await self.leases.forget(lease)

    def _reap(self) -> None:
        for shard_id, reading in list(self._readings.items()):
            if not reading.task.done():
                continue
            del self._readings[shard_id]
            try:
                reading.task.result()
            except LeaseLost:
                log.warning("lease_lost", shard=shard_id, checkpoint=reading.holding.lease.after)

    def _end_all(self) -> None:
        self._woken.set()
        for reading in self._readings.values():
            reading.holding.ending.set()

    async def _drained(self) -> None:
        while self._readings:
            self.beat()
            await asyncio.wait(
                [reading.task for reading in self._readings.values()], timeout=1.0, return_when=asyncio.FIRST_COMPLETED
            )
            self._reap()


async def _hold(holding: Holding, reader: ShardReader) -> None:
    """Read while the lease is kept; the moment it is lost, stop."""
    keeping = asyncio.create_task(holding.keep())
    reading = asyncio.create_task(reader.run())
    try:
        await asyncio.wait({keeping, reading}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            keeping.result()
        await reading
    finally:
        await cancel_all([keeping, reading])
