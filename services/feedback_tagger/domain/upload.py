"""What an uploaded file holds: surveyed once as a whole, then read row by row, each accepted or rejected alone.

The file is read three times (encoding, survey, rows) and never held: memory does not grow with it.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from io import TextIOWrapper
from itertools import islice
from typing import BinaryIO, TypeAlias

from services.feedback_tagger.domain.dates import DateRule, Evidence, decided, moment
from services.feedback_tagger.domain.feedback import (
    COLUMNS,
    Fault,
    ReadDate,
    Row,
    checked,
    content_digest,
    row_identity,
    unstorable,
)
from services.feedback_tagger.domain.headers import KNOWN_HEADERS, Headers
from services.feedback_tagger.domain.json_lines import (
    NOT_LINES,
    Pairs,
    as_cell,
    as_json,
    json_records_of,
    looks_like_json,
    whole_document,
)
from services.feedback_tagger.domain.separated import Record, delimiter_of, records_of
from services.feedback_tagger.domain.text_file import EMPTY, Encoding, UnusableFile, as_text, encoding_of

CountOccurrence: TypeAlias = Callable[[str], int]
"""How many rows with this digest the file has had, this one included."""

EachRow: TypeAlias = Callable[[Mapping[str, str]], None]

OURS = frozenset(column.name for column in COLUMNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Separated:
    """``names`` has one column name a cell of the header: ours where we know it, else the sender's.

    ``written`` has what the sender calls the columns that are ours.
    """

    delimiter: str
    lines_before_header: int
    names: tuple[str, ...]
    written: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JsonLines:
    """Every line names its own columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """How the file is to be read. One that ``breaks_off`` is the sound beginning of a damaged one."""

    encoding: Encoding
    form: Separated | JsonLines
    dates: DateRule
    headers: Headers = field(default_factory=Headers)
    breaks_off: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be taken, by the line it begins on."""

    line: int
    fault: Fault


def surveyed(
    file: BinaryIO, headers: Headers | None = None, *, breaks_off: bool = False, each: EachRow | None = None
) -> Survey:
    """Encoding, form, columns and date order of the file as a whole. Raises UnusableFile.

    ``each`` is given every row that can be told apart, unchecked: its texts by column.
    """
    headers = headers or Headers()
    encoding = encoding_of(file)
    with _text(file, encoding) as text:
        beginning = text.read(64 * 1024)
    if not beginning.strip():
        raise UnusableFile(EMPTY)
    if looks_like_json(beginning):
        if whole_document(beginning):
            raise UnusableFile(NOT_LINES)
        form: Separated | JsonLines = JsonLines()
        evidence = _json_evidence(file, encoding, headers, each)
    else:
        form, evidence = _separated(file, encoding, headers, beginning, each)
    return Survey(encoding=encoding, form=form, dates=decided(evidence), headers=headers, breaks_off=breaks_off)


def rows_of(file: BinaryIO, survey: Survey, occurrence: CountOccurrence) -> Generator[Row | Rejected, None, None]:
    """Every row after the header, in order: the same file gives the same rows each time it is read.

    Close the generator before the file.
    """
    form, order = survey.form, survey.dates.order

    def read_date(text: str) -> datetime:
        return moment(text, order)

    if isinstance(form, JsonLines):
        column = _remembered(survey.headers)
        with _text(file, survey.encoding) as text:
            for line, pairs, problem in json_records_of(text, breaks_off=survey.breaks_off):
                values = Fault("", problem) if problem is not None else _values(pairs, column)
                yield _json_row(line, values, read_date, occurrence)
        return
    names, written = form.names, form.written
    with _records(file, survey.encoding, form, columns=len(names), breaks_off=survey.breaks_off) as records:
        for record in islice(records, 1, None):
            line, cells, problem = record
            if problem is not None:
                yield Rejected(line, Fault("", problem))
            elif len(cells) > len(names) and (filled := _filled(cells, len(names))) > len(names):
                reason = f"has {filled} cells under {len(names)} columns; put quotes round text that holds a delimiter"
                yield Rejected(line, Fault("", reason))
            else:
                yield _row(line, dict(zip(names, cells, strict=False)), written, read_date, occurrence)


def _row(
    line: int,
    values: Mapping[str, str],
    written: Mapping[str, str],
    read_date: ReadDate,
    occurrence: CountOccurrence,
) -> Row | Rejected:
    feedback = checked(values, headers=written, read_date=read_date)
    if isinstance(feedback, Fault):
        return Rejected(line, feedback)
    digest = content_digest(feedback)
    return Row(line=line, identity=row_identity(digest, occurrence(digest)), feedback=feedback)


# Separated values


def _separated(
    file: BinaryIO, encoding: Encoding, headers: Headers, beginning: str, each: EachRow | None
) -> tuple[Separated, Evidence]:
    delimiter, lines_before = delimiter_of(beginning, headers.column)
    unread = Separated(delimiter=delimiter, lines_before_header=lines_before, names=(), written={})
    evidence = Evidence()
    with _records(file, encoding, unread) as records:
        names, written = _columns(next(records, None), headers)
        position = names.index("create_date") if "create_date" in names else None
        if position is not None or each is not None:
            for _, cells, _ in records:
                if position is not None and len(cells) > position:
                    evidence.add(cells[position])
                if each is not None:
                    each(dict(zip(names, cells, strict=False)))
    return Separated(delimiter=delimiter, lines_before_header=lines_before, names=names, written=written), evidence


def _columns(header: Record | None, headers: Headers) -> tuple[tuple[str, ...], Mapping[str, str]]:
    if header is None:
        raise UnusableFile(EMPTY)
    if header.problem is not None:
        raise UnusableFile(f"has a header line that {header.problem}")
    wrote = [name.strip() for name in header.cells]
    while wrote and not wrote[-1]:
        wrote.pop()
    if any(unstorable(name) for name in wrote):
        raise UnusableFile("has a column name that is not text in the file's encoding; save the file as UTF-8")
    names: list[str] = []
    written: dict[str, str] = {}
    for place, name in enumerate(wrote, start=1):
        column = headers.column(name) if name else None
        if column is None:
            names.append(_unused(name or f"column {place}", names))
        elif column in written:
            both = f"{written[column]!r} twice" if written[column] == name else f"both {written[column]!r} and {name!r}"
            raise UnusableFile(f"has the column {both}; keep one")
        else:
            names.append(column)
            written[column] = name
    if "feedback" not in written:
        has = "no column named 'feedback'" if written else "no header line that we know"
        raise UnusableFile(f"has {has}; name the columns in the first line ({KNOWN_HEADERS})")
    return tuple(names), written


def _unused(name: str, names: Iterable[str]) -> str:
    """``name``, or with a number if another column has it or it is the name of one of ours."""
    number, free = 1, name
    taken = {*names, *OURS}
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _filled(cells: list[str], columns: int) -> int:
    """How many cells there are up to the last one that says something; spreadsheets end rows with empty ones."""
    filled = len(cells)
    while filled > columns and not cells[filled - 1].strip():
        filled -= 1
    return filled


# JSON Lines


def _json_evidence(file: BinaryIO, encoding: Encoding, headers: Headers, each: EachRow | None) -> Evidence:
    evidence = Evidence()
    column = _remembered(headers)
    with _text(file, encoding) as text:
        for record in json_records_of(text):
            for name, value in record.pairs:
                if isinstance(value, str) and column(name) == "create_date":
                    evidence.add(value)
            if each is not None and not isinstance(values := _values(record.pairs, column), Fault):
                each(values[0])
    return evidence


def _remembered(headers: Headers) -> Callable[[str], str | None]:
    """``headers.column``, for the same few names a million times; bounded, as a file may name others on every line."""
    return lru_cache(maxsize=1024)(headers.column)


def _values(pairs: Pairs, column: Callable[[str], str | None]) -> tuple[dict[str, str], dict[str, str]] | Fault:
    values: dict[str, str] = {}
    written: dict[str, str] = {}
    for name, value in pairs:
        if value is None:
            continue  # Nothing was given, which in a table only an empty cell can say.
        ours = column(name)
        text = as_cell(value)
        if ours is None:
            if unstorable(name):
                return Fault("", "has a name that is not text")
            try:
                values[_unused(name.strip() or "column", values)] = as_json(value) if text is None else text
            except RecursionError:
                return Fault("", "is nested too deep")
        elif text is None:
            return Fault(name, "is a list or an object; write text")
        elif ours in written:
            return Fault(name, f"comes after {written[ours]!r}, which is the same column; keep one")
        else:
            values[ours] = text
            written[ours] = name
    return values, written


def _json_row(
    line: int,
    values: tuple[dict[str, str], dict[str, str]] | Fault,
    read_date: ReadDate,
    occurrence: CountOccurrence,
) -> Row | Rejected:
    if isinstance(values, Fault):
        return Rejected(line, values)
    return _row(line, *values, read_date, occurrence)


# Both


@contextmanager
def _text(file: BinaryIO, encoding: Encoding) -> Iterator[TextIOWrapper]:
    text = as_text(file, encoding)
    try:
        yield text
    finally:
        text.detach()


@contextmanager
def _records(
    file: BinaryIO, encoding: Encoding, form: Separated, *, columns: int | None = None, breaks_off: bool = False
) -> Iterator[Iterator[Record]]:
    with _text(file, encoding) as text:
        for _ in range(form.lines_before_header):
            text.readline()
        before = form.lines_before_header
        records = records_of(text, form.delimiter, columns=columns, breaks_off=breaks_off)
        if before:
            records = (Record(record.line + before, record.cells, record.problem) for record in records)
        yield records
