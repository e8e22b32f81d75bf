"""How a file of any kind is read: found out once as a whole, then row by row, each accepted or rejected alone."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.headers import Headers
from services.feedback_tagger.domain.upload import CountOccurrence, EachRow, Rejected, rows_of, surveyed


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An uploaded object as a reader gets it: unpacked, seekable, at its start; ``key`` is its name in the bucket.

    One that ``breaks_off`` is the sound beginning of a damaged one. ``each`` wants the values by column of every row
    that can be told apart, unchecked, while the file is looked through: what a run will cost is counted by it.
    """

    file: BinaryIO = field(repr=False)
    key: str
    headers: Headers = field(default_factory=Headers)
    breaks_off: bool = False
    each: EachRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """``rows`` begins at the file's start whenever it is called, and gives the same rows each time; close what it
    returns before the file. ``encoding`` and ``date_order`` are words for the run's document."""

    encoding: str
    date_order: str
    rows: Callable[[CountOccurrence], Generator[Row | Rejected, None, None]] = field(repr=False)


Reader: TypeAlias = Callable[[Source], Contents]
"""Looks through the file. Called in a thread, and so are the steps of what ``rows`` returns. Raises UnusableFile for a
file of which no row can be had; what is wrong with one row is that row's Rejected."""


def read_table(source: Source) -> Contents:
    """Separated values with a header line, or JSON Lines."""
    survey = surveyed(source.file, source.headers, breaks_off=source.breaks_off, each=source.each)
    return Contents(
        encoding=survey.encoding.name,
        date_order=f"{survey.dates.order.value}: {survey.dates.because}",
        rows=lambda occurrence: rows_of(source.file, survey, occurrence),
    )
