"""Reading one shard for as long as its lease is held: get records, deliver them, move the checkpoint, again."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeAlias

from shared.backoff import Uniform
from shared.clock import Now
from shared.errors import DeskhandError, TransientError
from shared.logs import logger
from shared.stream.delivery import Delivery, Ended
from shared.stream.holding import Holding
from shared.stream.lineage import Start
from shared.stream.port import IteratorExpired, LeaseLost, RecordsTrimmed, ShardGone, StreamSource
from shared.stream.record import Record
from shared.stream.settings import StreamSettings
from shared.waiting import is_set_within

log = logger("stream.reader")

OnGap: TypeAlias = Callable[[str, str | None], Awaitable[None]]
"""Told (shard id, last sequence number delivered or None) when records were trimmed before they were read. Reading goes
on only after it returned, so it can make up for them from the table; it may be told the same gap more than once."""


class ShardReader:
    """Reads the shard of ``holding`` from its checkpoint."""

    def __init__(
        self,
        holding: Holding,
        delivery: Delivery,
        *,
        source: StreamSource,
        start: Start,
        on_gap: OnGap | None,
        settings: StreamSettings,
        now: Now,
        uniform: Uniform,
    ) -> None:
        self._holding = holding
        self._delivery = delivery
        self._source = source
        self._start = start
        self._on_gap = on_gap
        self._settings = settings
        self._now = now
        self._uniform = uniform
        self._shard_id = holding.lease.shard_id
        self._after = holding.lease.after
        self._iterator: str | None = None
        self._last_created_at: float | None = None
        self._turned_at = now()

    @property
    def iterator_age(self) -> float:
        """Seconds since the last record that was read was written; 0 once a read found nothing."""
        return 0.0 if self._last_created_at is None else max(0.0, self._now() - self._last_created_at)

    @property
    def late(self) -> float:
        """Seconds that this shard is behind, as far as can be seen: it also grows while reads or deliveries fail."""
        return max(self.iterator_age, self._now() - self._turned_at)

    async def run(self) -> None:
        """Until the shard ends or the lease is to be given back; then give it back. Raises LeaseLost."""
        ended = False
        failures = 0
        clock = asyncio.get_running_loop().time
        while not (ended or self._holding.ending.is_set()):
            began = clock()
            try:
                wait = await self._turn()
                self._turned_at = self._now()
                ended = self._iterator is None
                failures = 0
            except LeaseLost:
                raise
            except DeskhandError as error:
                ended = await self._recovered(error)
                wait = self._settings.backoff.delay(failures, self._uniform)
                failures += 1
            if not ended:
                await is_set_within(self._holding.ending, max(0.0, began + wait - clock()))
        await self._holding.release(ended=ended)
        log.info("shard_given_back", shard=self._shard_id, ended=ended, checkpoint=self._holding.lease.after)

    async def _turn(self) -> float:
        """One read and what follows from it; the least seconds from its beginning to the next."""
        if self._iterator is None:
            self._iterator = await self._source.iterator(self._shard_id, after=self._after)
        batch = await self._source.read(self._shard_id, self._iterator, at_most=self._settings.read_at_most)
        self._last_created_at = batch.records[-1].created_at if batch.records else None
        for part in self._parts(batch.records):
            if self._holding.ending.is_set() or await self._delivery.deliver(part) is Ended.GIVEN_UP:
                return 0.0
            self._after = part[-1].sequence_number
            log.info("delivered", shard=self._shard_id, records=len(part), age=round(self.iterator_age, 3))
        if batch.records:
            self._after = batch.records[-1].sequence_number
        self._iterator = batch.next_iterator
        return self._settings.busy_seconds if batch.records else self._settings.idle_seconds

    def _parts(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        since = self._start.since
        wanted = [record for record in records if since is None or record.created_at >= since]
        for first in range(0, len(wanted), self._settings.deliver_at_most):
            yield wanted[first : first + self._settings.deliver_at_most]

    async def _recovered(self, error: DeskhandError) -> bool:
        """Make the next turn possible; whether the shard has ended instead."""
        log.warning("read_failed", shard=self._shard_id, after=self._after, error=repr(error))
        try:
            match error:
                case IteratorExpired():
                    self._iterator = None
                case RecordsTrimmed():
                    self._iterator = None
                    await self._report_gap()
                    self._after = None
                case ShardGone():
                    self._iterator = None
                    # A shard that was only just listed may not be found yet: believe the listing.
                    if self._shard_id not in {shard.shard_id for shard in await self._source.shards()}:
                        await self._report_gap()
                        return True
        except DeskhandError as another:
            log.warning("recovery_failed", shard=self._shard_id, error=repr(another))
        return False

    async def _report_gap(self) -> None:
        self._holding.check()
        log.error("records_trimmed", shard=self._shard_id, after=self._after)
        if self._on_gap is None:
            return
        try:
            await self._on_gap(self._shard_id, self._after)
        except DeskhandError:
            raise
        except Exception as error:
            # Going on would lose the gap for good, and ending would take the task's other loops down with it.
            raise TransientError(f"the gap could not be reported: {type(error).__name__}") from error
