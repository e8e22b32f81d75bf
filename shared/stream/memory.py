"""The stream and lease ports in memory: shards split, roll over and are trimmed when told to, on any clock.

For tests of what reads a stream. Every call lets other tasks run once, as a call over the network would.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from zlib import crc32

from shared.clock import Now
from shared.stream.leases import Lease
from shared.stream.lineage import Shard, Start
from shared.stream.port import Batch, IteratorExpired, LeaseLost, RecordsTrimmed, ShardGone
from shared.stream.record import Change, Record

ITERATOR_SECONDS = 900.0
ALL_KEYS = (0, 2**32)


@dataclass(slots=True)
class _MemoryShard:
    """``trimmed`` counts the records at the front that are kept no more; ``keys`` is its range of key hashes."""

    parents: tuple[str, ...]
    keys: tuple[int, int]
    records: list[Record] = field(default_factory=list)
    trimmed: int = 0
    closed: bool = False


@dataclass(frozen=True, slots=True)
class _Iterator:
    shard_id: str
    position: int
    issued_at: float


class MemoryStream:
    """One table's stream, with a single shard to begin with. ``now`` dates records and ages iterators."""

    def __init__(self, *, now: Now, iterator_seconds: float = ITERATOR_SECONDS) -> None:
        self.iterator_seconds = iterator_seconds
        self._now = now
        self._shards: dict[str, _MemoryShard] = {}
        self._iterators: dict[str, _Iterator] = {}
        self._numbers = count(1)
        self._open_shard((), ALL_KEYS)

    # What a table and its service do.

    def put(
        self, keys: Mapping[str, Any], *, new: Mapping[str, Any] | None = None, change: Change = "INSERT"
    ) -> Record:
        """A change of the item with these keys, in the open shard that has them."""
        shard_id = self.shard_of(keys)
        number = next(self._numbers)
        record = Record(
            event_id=f"event-{number}",
            change=change,
            shard_id=shard_id,
            # 21 digits, the least that the service uses; beyond what a float holds apart.
            sequence_number=str(10**20 + number),
            created_at=float(int(self._now())),
            keys=dict(keys),
            new=None if change == "REMOVE" else {**keys, **(new or {})},
        )
        self._shards[shard_id].records.append(record)
        return record

    def shard_of(self, keys: Mapping[str, Any]) -> str:
        hashed = crc32(repr(sorted(keys.items())).encode())
        return next(
            shard_id
            for shard_id, shard in self._shards.items()
            if not shard.closed and shard.keys[0] <= hashed < shard.keys[1]
        )

    def open_shards(self) -> list[str]:
        return [shard_id for shard_id, shard in self._shards.items() if not shard.closed]

    def roll_over(self, shard_id: str) -> str:
        """Close a shard; its one child takes over its keys."""
        shard = self._close(shard_id)
        return self._open_shard((shard_id,), shard.keys)

    def split(self, shard_id: str) -> tuple[str, str]:
        """Close a shard; two children share its keys."""
        first, end = self._close(shard_id).keys
        middle = (first + end) // 2
        return self._open_shard((shard_id,), (first, middle)), self._open_shard((shard_id,), (middle, end))

    def close(self, shard_id: str) -> None:
        """Close a shard without a child, as when the stream is disabled, or its child is not listed yet."""
        self._close(shard_id)

    def add_child(self, shard_id: str) -> str:
        """The child of a closed shard, late."""
        return self._open_shard((shard_id,), self._shards[shard_id].keys)

    def trim(self, shard_id: str, records: int) -> None:
        """Let the ``records`` oldest of a shard go."""
        shard = self._shards[shard_id]
        shard.trimmed = min(shard.trimmed + records, len(shard.records))

    def drop(self, shard_id: str) -> None:
        """Let a closed shard go as a whole."""
        if not self._shards[shard_id].closed:
            raise ValueError(f"{shard_id} is open")
        del self._shards[shard_id]

    # The port.

    async def shards(self) -> list[Shard]:
        await asyncio.sleep(0)
        return [Shard(shard_id, shard.parents, shard.closed) for shard_id, shard in self._shards.items()]

    async def iterator(self, shard_id: str, *, after: str | None) -> str:
        await asyncio.sleep(0)
        shard = self._found(shard_id)
        if after is None:
            return self._issue(shard_id, shard.trimmed)
        position = sum(int(record.sequence_number) <= int(after) for record in shard.records)
        oldest_kept = shard.records[shard.trimmed] if shard.trimmed < len(shard.records) else None
        if shard.trimmed and (oldest_kept is None or int(after) < int(oldest_kept.sequence_number)):
            raise RecordsTrimmed(f"{after} in {shard_id} is older than what is kept")
        return self._issue(shard_id, position)

    async def read(self, shard_id: str, iterator: str, *, at_most: int) -> Batch:
        await asyncio.sleep(0)
        shard = self._found(shard_id)
        position = self._iterators[iterator]
        if self._now() - position.issued_at > self.iterator_seconds:
            raise IteratorExpired(f"the iterator of {shard_id} has expired")
        if position.position < shard.trimmed:
            raise RecordsTrimmed(f"records of {shard_id} were trimmed before they were read")
        end = min(position.position + at_most, len(shard.records))
        is_over = shard.closed and end == len(shard.records)
        return Batch(shard.records[position.position : end], None if is_over else self._issue(shard_id, end))

    def _issue(self, shard_id: str, position: int) -> str:
        iterator = f"iterator-{next(self._numbers)}"
        self._iterators[iterator] = _Iterator(shard_id, position, self._now())
        return iterator

    def _found(self, shard_id: str) -> _MemoryShard:
        if shard_id not in self._shards:
            raise ShardGone(f"{shard_id} is no longer there")
        return self._shards[shard_id]

    def _open_shard(self, parents: tuple[str, ...], keys: tuple[int, int]) -> str:
        shard_id = f"shardId-{next(self._numbers):020}-memory"
        self._shards[shard_id] = _MemoryShard(parents, keys)
        return shard_id

    def _close(self, shard_id: str) -> _MemoryShard:
        shard = self._shards[shard_id]
        if shard.closed:
            raise ValueError(f"{shard_id} is closed already")
        shard.closed = True
        return shard


class MemoryLeases:
    """The leases of one consumer; ``written`` keeps every lease in the order of the writes."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        self._start: Start | None = None
        self.written: list[Lease] = []

    async def begin(self, start: Start) -> Start:
        await asyncio.sleep(0)
        self._start = self._start or start
        return self._start

    async def listing(self) -> list[Lease]:
        await asyncio.sleep(0)
        return list(self._leases.values())

    async def swap(self, old: Lease, new: Lease) -> Lease:
        await asyncio.sleep(0)
        current = self._leases.get(old.shard_id)
        is_repeat = current is not None and replace(current, wanted_by=new.wanted_by) == new
        if current is not None and is_repeat:
            return current
        never_leased = current is None and old.counter == 0
        as_last_seen = current is not None and (current.owner, current.counter) == (old.owner, old.counter)
        if not (never_leased or as_last_seen):
            raise LeaseLost(old.shard_id, current)
        is_taken = new.owner is not None and new.owner != old.owner
        wanted_by = None if is_taken or current is None else current.wanted_by
        written = replace(new, wanted_by=wanted_by)
        self._leases[old.shard_id] = written
        self.written.append(written)
        return written

    async def ask(self, lease: Lease, wanted_by: str) -> None:
        await asyncio.sleep(0)
        current = self._leases.get(lease.shard_id)
        if current is not None and current.owner == lease.owner and current.wanted_by is None:
            self._leases[lease.shard_id] = replace(current, wanted_by=wanted_by)

    async def forget(self, lease: Lease) -> None:
        await asyncio.sleep(0)
        current = self._leases.get(lease.shard_id)
        if current is not None and current.ended and current.counter == lease.counter:
            del self._leases[lease.shard_id]
