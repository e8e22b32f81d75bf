"""What encoding a file of text has, and the file as text.

Bytes that are no text in the file's encoding become lone surrogates, which no database takes: they reject their own
row and no other.
"""

import codecs
import io
from dataclasses import dataclass
from typing import BinaryIO

from services.feedback_tagger.domain.file_kind import HEAD_BYTES, mostly_not_text, not_text

BLOCK_BYTES = 1 << 20
EMPTY = "is empty; upload CSV with a header line, or JSON Lines"


class UnusableFile(Exception):
    """Nothing of the file can be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec and what it does with bytes it cannot read."""

    name: str
    errors: str


def _as_lone_surrogate(error: UnicodeError) -> tuple[str, int]:
    """surrogateescape for UTF-16, whose codec has no such thing of its own."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


LONE = "deskhand-lone-surrogate"
codecs.register_error(LONE, _as_lone_surrogate)


def encoding_of(file: BinaryIO) -> Encoding:
    """By byte order mark, or by where UTF-16 without one has its zeros; else UTF-8 if more lines are proper UTF-8
    beyond ASCII than are not; else Windows-1252. Raises UnusableFile for what is no text.

    Reads the whole file, a block at a time, and leaves it at its start.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if not head:
        raise UnusableFile(EMPTY)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise UnusableFile("is UTF-32; save it as UTF-8")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16", LONE)
    if (other := not_text(head)) is not None:
        raise UnusableFile(other)
    if (unmarked := _utf16_without_mark(head)) is not None:
        return Encoding(unmarked, LONE)
    if mostly_not_text(head):
        raise UnusableFile("is not text; save it as CSV in UTF-8")
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8-sig", "surrogateescape")
    return Encoding("utf-8" if _mostly_utf8(file) else "cp1252", "surrogateescape")


def as_text(file: BinaryIO, encoding: Encoding) -> io.TextIOWrapper:
    """The file from its start as text, line ends untouched. ``detach()`` it, or closing it closes the file."""
    file.seek(0)
    return io.TextIOWrapper(file, encoding=encoding.name, errors=encoding.errors, newline="")


def _utf16_without_mark(head: bytes) -> str | None:
    """Latin letters, delimiters and line ends have a zero byte each, always on the same side."""
    pairs = len(head) // 2
    first, second = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs >= 4 and 2 * second > pairs and 10 * first < pairs:
        return "utf-16-le"
    if pairs >= 4 and 2 * first > pairs and 10 * second < pairs:
        return "utf-16-be"
    return None


def _mostly_utf8(file: BinaryIO) -> bool:
    sound = broken = 0
    while block := file.read(BLOCK_BYTES):
        block += file.readline(BLOCK_BYTES)
        if block.isascii():
            continue
        whole = _is_utf8(block)
        for line in block.split(b"\n"):
            if not line.isascii():
                if whole or _is_utf8(line):
                    sound += 1
                else:
                    broken += 1
    file.seek(0)
    return sound >= broken


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
