"""Counting how often each content came in one file, in a table on disk: memory does not grow with the file.

The table holds the first eight bytes of each digest, 16 bytes a row. That two contents of one file share them has a
chance of one in thirty million for a million rows; the second one would then be taken for a twin, and still be stored.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import BinaryIO

from services.feedback_tagger.domain.upload import CountOccurrence

FIRST_SLOTS = 1 << 16
SLOT_BYTES = 8


@contextmanager
def counted_occurrences() -> Iterator[CountOccurrence]:
    """A counter that starts at nothing and leaves nothing. One thread at a time may call it."""
    table = _Table(FIRST_SLOTS)
    again: dict[int, int] = {}

    def count(digest: str) -> int:
        # Zero marks a slot that is free.
        key = int(digest[:16], 16) or 1
        if table.add(key):
            return 1
        again[key] = again.get(key, 1) + 1
        return again[key]

    try:
        yield count
    finally:
        table.close()


class _Table:
    """A set of numbers from 1 to 2**64 - 1 by open addressing, doubled whenever it is half full."""

    def __init__(self, slots: int) -> None:
        self._open(slots)

    def add(self, key: int) -> bool:
        """Whether ``key`` is new."""
        slots, mask = self._slots, self._mask
        slot = key & mask
        while there := slots[slot]:
            if there == key:
                return False
            slot = (slot + 1) & mask
        slots[slot] = key
        self._used += 1
        if 2 * self._used > mask:
            self._double()
        return True

    def close(self) -> None:
        self._slots.release()
        self._map.close()
        self._file.close()

    def _open(self, slots: int) -> None:
        # On disk and not in memory; nothing of it outlives the reading of one file, so nothing is ever flushed.
        self._file: BinaryIO = TemporaryFile(prefix="deskhand-rows-")  # noqa: SIM115
        self._file.truncate(slots * SLOT_BYTES)
        self._map = mmap.mmap(self._file.fileno(), slots * SLOT_BYTES)
        self._slots = memoryview(self._map).cast("Q")
        self._mask = slots - 1
        self._used = 0

    def _double(self) -> None:
        old, map_, file = self._slots, self._map, self._file
        self._open(2 * (self._mask + 1))
        slots, mask = self._slots, self._mask
        for key in old:
            if key:
                slot = key & mask
                while slots[slot]:
                    slot = (slot + 1) & mask
                slots[slot] = key
                self._used += 1
        old.release()
        map_.close()
        file.close()
