"""Separated values: the delimiter a file has, and its records with the line each begins on.

A record that goes wrong costs itself alone: a quote that is never closed is one bad line, and reading goes on with the
line after it.
"""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

RECORD_CHARACTERS = 256 * 1024
DELIMITERS = (",", ";", "\t", "|")
CUT_OFF = "is where the file breaks off"
# So much may be read a second time for quotes that are never closed; a file made of them would otherwise take days.
READ_AGAIN_CHARACTERS = 64 * 1024 * 1024

# The module's own limit of 128 KB would stop the whole file where one cell is too long; ours stops the record.
csv.field_size_limit(2 * RECORD_CHARACTERS)


class Record(NamedTuple):
    """The cells that begin on ``line`` (1 is the first), or what is wrong with that line."""

    line: int
    cells: list[str]
    problem: str | None = None


def delimiter_of(first_lines: str, is_known: Callable[[str], str | None]) -> tuple[str, int]:
    """The delimiter under which the header has most columns that are known, and how many lines come before the header.

    ``sep=;`` on the first line, which spreadsheets write, settles it.
    """
    lines = first_lines.splitlines()
    if lines and (said := lines[0].strip('"').lower()).startswith("sep=") and len(said) == 5:
        return said[4], 1

    def known_names(delimiter: str) -> int:
        # A header broken beyond reading has no names under this delimiter.
        try:
            header: list[str] = next((row for row in csv.reader(lines, delimiter=delimiter) if any(row)), [])
        except csv.Error:
            return 0
        return len({column for name in header if (column := is_known(name)) is not None})

    return max(DELIMITERS, key=known_names), 0


class _Lines(Iterator[str]):
    """Physical lines of bounded length, remembering those of the record under way so that they can be read again."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._readline = text.readline
        self._ahead: deque[str] = deque()
        self._characters = 0
        self._read_again = 0
        self.taken: list[str] = []
        self.number = 0
        self.ended = False

    def __next__(self) -> str:
        if self._read_again > READ_AGAIN_CHARACTERS and self.taken:
            raise _TooLong  # From here on every line is a record.
        line = self._ahead.popleft() if self._ahead else self._readline(RECORD_CHARACTERS)
        if not line:
            self.ended = True
            raise StopIteration
        self.taken.append(line)
        self._characters += len(line)
        if self._characters >= RECORD_CHARACTERS:
            raise _TooLong
        return line

    def next_record(self) -> int:
        """Forget the record before; the number of the line the next one begins on."""
        self.number += len(self.taken)
        self.taken.clear()
        self._characters = 0
        return self.number + 1

    def only_first(self) -> None:
        """Count the record as its first line and read the others again."""
        first, *others = self.taken
        self._read_again += self._characters - len(first)
        self._ahead.extendleft(reversed(others))
        while not first.endswith(("\n", "\r")) and (rest := self._rest_of_line()):
            first = rest
        self.taken = self.taken[:1]
        self.ended = False

    def _rest_of_line(self) -> str:
        return self._ahead.popleft() if self._ahead else self._readline(RECORD_CHARACTERS)


class _TooLong(Exception):
    """The record under way is longer than a record may be."""


def records_of(
    text: io.TextIOBase, delimiter: str, *, columns: int | None = None, breaks_off: bool = False
) -> Iterator[Record]:
    """Every record that is not blank, in order.

    With ``columns``, a record over several lines that has another number of cells is taken for a quote left open which
    a quote further down closed by chance: its first line is bad, the lines that it swallowed are read again. Of a text
    that ``breaks_off`` a last record without a line end is none: it may be half of what was written.
    """
    lines = _Lines(text)
    taken = lines.taken
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        line = lines.next_record()
        problem = ""
        cells: list[str] = []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            problem = f"is longer than {RECORD_CHARACTERS} characters or opens a quote that is never closed"
        except csv.Error as error:
            problem = f"cannot be read as separated values ({error})"
        if not problem and breaks_off and (lines.ended or not taken[-1].endswith(("\n", "\r"))):
            yield Record(line, [], CUT_OFF)
            return
        if not problem and lines.ended:
            problem = "opens a quote that is never closed"
        if not problem and len(taken) > 1 and columns is not None and columns != len(cells):
            problem = f"opens a quote whose end leaves {len(cells)} cells under {columns} columns"
        if problem:
            lines.only_first()
            taken = lines.taken
            reader = csv.reader(lines, delimiter=delimiter)
            yield Record(line, [], problem)
        elif any(cells) and not _blank(cells):
            yield Record(line, cells)


def _blank(cells: list[str]) -> bool:
    return not any(cell and not cell.isspace() for cell in cells)
