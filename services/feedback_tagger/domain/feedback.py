"""One piece of feedback: its columns, what makes a row unusable, and what makes two rows the same."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table, the header names it answers to, and the most characters the table takes."""

    name: str
    headers: tuple[str, ...]
    limit: int


# Limits of the reference table; its feedback column has none. Ours keeps a chunk of rows well inside one SQS message
# and one prompt.
COLUMNS = (
    Column("product_name", ("product_name",), 255),
    Column("store", ("store",), 20),
    Column("ref_id", ("id", "ref_id"), 100),
    Column("stars", ("stars",), 5),
    Column("title", ("title",), 255),
    Column("feedback", ("feedback",), 20_000),
    Column("create_date", ("date", "create_date"), 64),
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
COLUMN_OF_HEADER: Mapping[str, str] = {header: column.name for column in COLUMNS for header in column.headers}
EXTRA_CHARACTERS = 20_000
_LIMITS = {column.name: column.limit for column in COLUMNS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The reference's columns, checked; None where nothing was given. ``extra`` holds columns the table lacks."""

    feedback: str = field(repr=False)
    product_name: str | None = None
    store: str | None = None
    ref_id: str | None = None
    stars: str | None = None
    title: str | None = field(default=None, repr=False)
    create_date: datetime | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Feedback with its place: ``line`` is where it begins in its file (0: it came alone)."""

    line: int
    identity: str
    feedback: Feedback


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be taken; ``column`` is the header as the sender wrote it, empty if the row as a whole."""

    column: str
    reason: str


class ImpossibleDate(ValueError):
    """A text that is no date under the rule in force; its message says why and what to write."""


ReadDate: TypeAlias = Callable[[str], datetime]
"""A date of a row, by the rule its file was found to follow; raises ImpossibleDate."""


def checked(values: Mapping[str, str], *, headers: Mapping[str, str], read_date: ReadDate) -> Feedback | Fault:
    """The row as feedback, or its first fault.

    ``values`` maps column names (and names of columns the table lacks) to raw text; ``headers`` maps a column name to
    what the sender called it. A column in ``headers`` was announced: a date that was announced may not be blank.
    """
    known: dict[str, str] = {}
    extra: dict[str, str] = {}
    for name, raw in values.items():
        text = _tidy(raw)
        if not text:
            continue
        if (not text.isascii() or "\x00" in text) and (reason := unstorable(text)) is not None:
            return Fault(headers.get(name, name), reason)
        limit = _LIMITS.get(name)
        if limit is None:
            extra[name] = text
        elif len(text) > limit:
            return Fault(headers.get(name, name), f"has {len(text)} characters; shorten it to {limit}")
        else:
            known[name] = text
    if extra and sum(len(name) + len(text) for name, text in extra.items()) > EXTRA_CHARACTERS:
        return Fault(
            next(iter(extra)), f"is one of the extra columns that exceed {EXTRA_CHARACTERS} characters together"
        )
    if "feedback" not in known:
        return Fault(headers.get("feedback", "feedback"), "is blank; write the feedback or leave the row out")
    create_date: datetime | None = None
    if "create_date" in headers:
        try:
            create_date = read_date(known.get("create_date", ""))
        except ImpossibleDate as problem:
            return Fault(headers["create_date"], str(problem))
    return Feedback(
        feedback=known["feedback"],
        product_name=known.get("product_name"),
        store=known.get("store"),
        ref_id=known.get("ref_id"),
        stars=known.get("stars"),
        title=known.get("title"),
        create_date=create_date,
        extra=extra,
    )


def content_digest(feedback: Feedback) -> str:
    """40 hexadecimal digits of the reference's columns as stored.

    Extra columns stay out: an export that gains a column would otherwise add every row a second time.
    """
    date = feedback.create_date.isoformat() if feedback.create_date else None
    content = (
        feedback.product_name,
        feedback.store,
        feedback.ref_id,
        feedback.stars,
        feedback.title,
        feedback.feedback,
        date,
    )
    # NUL is in no text that is stored, so no two rows join to the same; nothing and a blank are one.
    joined = "\x00".join([text or "" for text in content])
    return hashlib.blake2b(joined.encode(), digest_size=20).hexdigest()


def row_identity(digest: str, occurrence: int) -> str:
    """The same for the n-th row of this content in any file: twins in one file stay two, a repeated file adds none."""
    return f"{digest}:{occurrence}"


def single_identity(feedback: Feedback, message_id: str) -> str:
    """A row sent alone is known by its content if it names its ``id``, so that it and the same row of a file are one.

    Without an id only the message tells it apart: two people may write "Great!" about one product on one day.
    """
    if feedback.ref_id is not None:
        return row_identity(content_digest(feedback), 1)
    return f"message:{message_id}"


def _tidy(text: str) -> str:
    # A file saved again on another system has other line ends inside quotes; its rows are still the same rows.
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.strip()


def unstorable(text: str) -> str | None:
    """Why no database of ours takes this text, or None."""
    if "\x00" in text:
        return "holds a NUL character; remove it"
    if _LONE_SURROGATE.search(text) is not None:
        return "holds bytes that are not text in the file's encoding; save the file as UTF-8"
    return None
