"""What encoding and dialect a file of separated values has, and its records with the line each begins on.

A record that goes wrong costs itself alone: a quote that is never closed is one bad line, and reading goes on with the
line after it.
"""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

RECORD_CHARACTERS = 256 * 1024
DELIMITERS = (",", ";", "\t", "|")

# The module's own limit of 128 KB would stop the whole file where one cell is too long; ours stops the record.
csv.field_size_limit(2 * RECORD_CHARACTERS)


class UnusableFile(Exception):
    """Nothing of the file can be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec and what it does with bytes it cannot read: kept as lone surrogates, they reject their own row only."""

    name: str
    errors: str


@dataclass(frozen=True, slots=True)
class Record:
    """The cells that begin on ``line`` (1 is the first), or what is wrong with that line."""

    line: int
    cells: tuple[str, ...]
    problem: str | None = None


def encoding_of(file: BinaryIO) -> Encoding:
    """By byte order mark; else UTF-8 if more lines are proper UTF-8 beyond ASCII than are not; else Windows-1252.

    Reads the whole file, a block at a time, and leaves it at its start.
    """
    head = file.read(4096)
    file.seek(0)
    if not head:
        raise UnusableFile("is empty; upload a CSV file with a header line")
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UnusableFile("is UTF-32; save it as UTF-8")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _sound_utf16(file)
    # One NUL is a bad row; UTF-16 without its mark has one in every other place.
    mostly_not_text = 10 * head.count(b"\x00") > len(head)
    if mostly_not_text or head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"%PDF", b"\xd0\xcf\x11\xe0")):
        raise UnusableFile(
            "is not text (a spreadsheet, an archive or UTF-16 without its mark); save it as CSV in UTF-8"
        )
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8-sig", "surrogateescape")
    sound = broken = 0
    for line in iter(lambda: file.readline(1 << 20), b""):
        if not line.isascii():
            try:
                line.decode("utf-8")
                sound += 1
            except UnicodeDecodeError:
                broken += 1
    file.seek(0)
    return Encoding("utf-8" if sound >= broken else "cp1252", "surrogateescape")


def _sound_utf16(file: BinaryIO) -> Encoding:
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        for block in iter(lambda: file.read(1 << 20), b""):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise UnusableFile(f"begins as UTF-16 and does not go on as such ({error.reason}); save it as UTF-8") from None
    finally:
        file.seek(0)
    return Encoding("utf-16", "strict")


def as_text(file: BinaryIO, encoding: Encoding) -> io.TextIOWrapper:
    """The file from its start as text, line ends untouched. ``detach()`` it, or closing it closes the file."""
    file.seek(0)
    return io.TextIOWrapper(file, encoding=encoding.name, errors=encoding.errors, newline="")


def delimiter_of(first_lines: str, wanted: frozenset[str]) -> tuple[str, int]:
    """The delimiter under which the header has most of the ``wanted`` names, and how many lines come before the header.

    ``sep=;`` on the first line, which spreadsheets write, settles it.
    """
    lines = first_lines.splitlines()
    if lines and lines[0].lower().startswith("sep=") and len(lines[0]) == 5:
        return lines[0][4], 1

    def known_names(delimiter: str) -> int:
        # A header broken beyond reading has no names under this delimiter.
        header: list[str] = next((row for row in csv.reader(lines, delimiter=delimiter) if any(row)), [])
        return len({name.strip().lower() for name in header} & wanted)

    return max(DELIMITERS, key=known_names), 0


class _Lines(Iterator[str]):
    """Physical lines of bounded length, remembering those of the record under way so that they can be read again."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._ahead: deque[str] = deque()
        self._characters = 0
        self.taken: list[str] = []
        self.number = 0
        self.ended = False

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else self._text.readline(RECORD_CHARACTERS)
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
        self.taken = []
        self._characters = 0
        self.ended = False
        return self.number + 1

    def only_first(self) -> None:
        """Count the record as its first line and read the others again."""
        first, *others = self.taken
        self._ahead.extendleft(reversed(others))
        while not first.endswith(("\n", "\r")) and (rest := self._rest_of_line()):
            first = rest
        self.taken = self.taken[:1]

    def _rest_of_line(self) -> str:
        return self._ahead.popleft() if self._ahead else self._text.readline(RECORD_CHARACTERS)


class _TooLong(Exception):
    """The record under way is longer than a record may be."""


def records_of(text: io.TextIOBase, delimiter: str, *, columns: int | None = None) -> Iterator[Record]:
    """Every record that is not blank, in order.

    With ``columns``, a record over several lines that has another number of cells is taken for a quote left open which
    a quote further down closed by chance: its first line is bad, the lines that it swallowed are read again.
    """
    lines = _Lines(text)
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
        if not problem and lines.ended:
            problem = "opens a quote that is never closed"
        if not problem and len(lines.taken) > 1 and columns not in (None, len(cells)):
            problem = f"opens a quote whose end leaves {len(cells)} cells under {columns} columns"
        if problem:
            lines.only_first()
            reader = csv.reader(lines, delimiter=delimiter)
            yield Record(line, (), problem)
        elif any(cell.strip() for cell in cells):
            yield Record(line, tuple(cells))
