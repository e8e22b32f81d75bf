"""Which rows of a file share a message, and so a prompt: consecutive ones, as many as rows, bytes and tokens allow."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

R = TypeVar("R")


class Sized(NamedTuple, Generic[R]):
    """A row, its ``place`` among all rows of its file (1 is the first), and what it takes of a message and a prompt."""

    row: R
    place: int
    bytes: int
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLimits:
    """What a chunk holds at most; 0 tokens: as many as come. A row beyond a limit by itself travels alone."""

    rows: int
    bytes: int
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Cut(Generic[R]):
    """Rows that travel together, and the place of the last one."""

    rows: Sequence[R]
    end: int


def chunked(rows: Iterable[Sized[R]], limits: ChunkLimits, *, cuts: Sequence[int] = ()) -> Iterator[Cut[R]]:
    """Consecutive rows within all limits. The same rows and limits give the same chunks.

    With ``cuts`` (how many rows come before, then where each of some chunks ends) those chunks come first, cut there
    whatever the limits; a chunk that has no row left is empty, so that those behind it keep their numbers.
    """
    begin, *ends = cuts or (0,)
    left = iter(rows)
    ahead: Sized[R] | None = next((row for row in left if row.place > begin), None)
    for end in ends:
        told: list[R] = []
        while ahead is not None and ahead.place <= end:
            told.append(ahead.row)
            ahead = next(left, None)
        yield Cut(told, end)
    if ahead is not None:
        yield from _packed(chain((ahead,), left), limits)


def _packed(rows: Iterable[Sized[R]], limits: ChunkLimits) -> Iterator[Cut[R]]:
    at_most_rows, at_most_bytes, at_most_tokens = limits.rows, limits.bytes, limits.tokens or float("inf")
    chunk: list[R] = []
    end = used_bytes = used_tokens = 0
    for row, place, size, tokens in rows:
        if chunk and (
            len(chunk) == at_most_rows or used_bytes + size > at_most_bytes or used_tokens + tokens > at_most_tokens
        ):
            yield Cut(chunk, end)
            chunk, used_bytes, used_tokens = [], 0, 0
        chunk.append(row)
        end = place
        used_bytes += size
        used_tokens += tokens
    if chunk:
        yield Cut(chunk, end)
