"""Rows made of documents: what tells two of them apart, and what a quote is counted by."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, BinaryIO

from services.feedback_tagger.domain.feedback import Feedback, Row, content_digest, row_identity
from services.feedback_tagger.domain.json_lines import NOT_LINES, JsonRecord, json_records_of, whole_document
from services.feedback_tagger.domain.text_file import Encoding, UnusableFile, as_text
from services.feedback_tagger.domain.upload import CountOccurrence

REF_ID_CHARACTERS = 100
"""Of the column: a longer one would have to be cut, and two that begin alike would be taken for one."""
MESSAGE = "message:"


def document_digest(feedback: Feedback, more: Sequence[str]) -> str:
    """40 hexadecimal digits of the row's columns and of ``more``: what else makes it another document."""
    joined = "\x00".join((content_digest(feedback), *more))
    return hashlib.blake2b(joined.encode(), digest_size=20).hexdigest()


def row_of(line: int, feedback: Feedback, digest: str, occurrence: CountOccurrence) -> Row:
    return Row(line=line, identity=row_identity(digest, occurrence(digest)), feedback=feedback)


def single_row(feedback: Feedback, digest: str, message_id: str) -> Row:
    """A document sent alone: known by its content if it has an address or an id, else by its message."""
    identity = f"{MESSAGE}{message_id}" if feedback.ref_id is None else row_identity(digest, 1)
    return Row(line=0, identity=identity, feedback=feedback)


def as_reference(text: str) -> str | None:
    return text if 0 < len(text) <= REF_ID_CHARACTERS else None


def as_values(feedback: Feedback) -> Mapping[str, str]:
    """The row by column, as the count for a quote wants it."""
    return {"feedback": feedback.feedback, "title": feedback.title or "", **feedback.extra}


def fields_of(record: JsonRecord) -> dict[str, Any] | str:
    """A line's values by name in small letters, or what is wrong with it."""
    if record.problem is not None:
        return record.problem
    values: dict[str, Any] = {}
    for name, value in record.pairs:
        if value is None:
            continue
        plain = name.strip().lower()
        if plain in values:
            return f"names {plain[:40]!r} twice; keep one"
        values[plain] = value
    return values


@contextmanager
def json_lines(file: BinaryIO, encoding: Encoding, *, at_most: int, breaks_off: bool) -> Iterator[Iterator[JsonRecord]]:
    """The lines of a file, each of ``at_most`` characters; close it before the file."""
    text: TextIOWrapper = as_text(file, encoding)
    try:
        yield json_records_of(text, breaks_off=breaks_off, at_most=at_most)
    finally:
        text.detach()


def refuse_whole_document(beginning: str) -> None:
    """Raises UnusableFile for an array, or one value over many lines."""
    if whole_document(beginning):
        raise UnusableFile(NOT_LINES)
