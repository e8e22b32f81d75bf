"""What an uploaded file holds: surveyed once as a whole, then read row by row, each accepted or rejected alone.

The file is read three times (encoding, survey, rows) and never held: memory does not grow with it.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from typing import BinaryIO, TypeAlias

from services.feedback_tagger.domain.dates import DateRule, Evidence, decided, moment
from services.feedback_tagger.domain.feedback import (
    COLUMN_OF_HEADER,
    COLUMNS,
    Fault,
    Row,
    checked,
    content_digest,
    row_identity,
    unstorable,
)
from services.feedback_tagger.domain.text_file import (
    Encoding,
    Record,
    UnusableFile,
    as_text,
    delimiter_of,
    encoding_of,
    records_of,
)

CountOccurrence: TypeAlias = Callable[[str], int]
"""How many rows with this digest the file has had, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """``names`` has one column name a cell of the header: ours where we know it, else the sender's."""

    encoding: Encoding
    delimiter: str
    lines_before_header: int
    names: tuple[str, ...]
    headers: Mapping[str, str]
    dates: DateRule


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be taken, by the line it begins on."""

    line: int
    fault: Fault


def surveyed(file: BinaryIO) -> Survey:
    """Encoding, dialect, columns and date order of the file as a whole. Raises UnusableFile."""
    encoding = encoding_of(file)
    with _text(file, encoding) as text:
        beginning = text.read(64 * 1024)
    if not beginning.strip():
        raise UnusableFile("is empty; upload a CSV file with a header line")
    delimiter, lines_before = delimiter_of(beginning, frozenset(COLUMN_OF_HEADER))
    with _records(file, encoding, delimiter, lines_before) as records:
        header = next(records, None)
        names, headers = _columns(header)
        evidence = Evidence()
        if "create_date" in names:
            position = names.index("create_date")
            for record in records:
                if len(record.cells) > position:
                    evidence.add(record.cells[position])
    return Survey(
        encoding=encoding,
        delimiter=delimiter,
        lines_before_header=lines_before,
        names=names,
        headers=headers,
        dates=decided(evidence),
    )


def rows_of(file: BinaryIO, survey: Survey, occurrence: CountOccurrence) -> Generator[Row | Rejected, None, None]:
    """Every row after the header, in order: the same file gives the same rows each time it is read.

    Close the generator before the file.
    """
    place = (survey.encoding, survey.delimiter, survey.lines_before_header)
    with _records(file, *place, columns=len(survey.names)) as records:
        for record in islice(records, 1, None):
            yield _row(record, survey, occurrence)


def _row(record: Record, survey: Survey, occurrence: CountOccurrence) -> Row | Rejected:
    if record.problem is not None:
        return Rejected(record.line, Fault("", record.problem))
    filled = len(record.cells)
    while filled > len(survey.names) and not record.cells[filled - 1].strip():
        filled -= 1  # Spreadsheets end rows with delimiters for columns that hold nothing.
    if filled > len(survey.names):
        reason = f"has {filled} cells under {len(survey.names)} columns; put quotes round text that holds a delimiter"
        return Rejected(record.line, Fault("", reason))
    values = dict(zip(survey.names, record.cells, strict=False))
    feedback = checked(values, headers=survey.headers, read_date=lambda text: moment(text, survey.dates.order))
    if isinstance(feedback, Fault):
        return Rejected(record.line, feedback)
    digest = content_digest(feedback)
    return Row(line=record.line, identity=row_identity(digest, occurrence(digest)), feedback=feedback)


def _columns(header: Record | None) -> tuple[tuple[str, ...], Mapping[str, str]]:
    if header is None:
        raise UnusableFile("is empty; upload a CSV file with a header line")
    if header.problem is not None:
        raise UnusableFile(f"has a header line that {header.problem}")
    written = [name.strip() for name in header.cells]
    while written and not written[-1]:
        written.pop()
    if any(unstorable(name) for name in written):
        raise UnusableFile("has a column name that is not text in the file's encoding; save the file as UTF-8")
    names = tuple(
        COLUMN_OF_HEADER.get(name.lower(), name or f"column {place}") for place, name in enumerate(written, start=1)
    )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UnusableFile(f"has the column {twice!r} twice; keep one")
    if "feedback" not in names:
        known = ", ".join(column.headers[0] for column in COLUMNS)
        raise UnusableFile(f"has no column named 'feedback'; name the columns in the first line ({known})")
    ours = {column.name for column in COLUMNS}
    return names, {name: wrote for name, wrote in zip(names, written, strict=True) if name in ours}


@contextmanager
def _text(file: BinaryIO, encoding: Encoding) -> Iterator[TextIOWrapper]:
    text = as_text(file, encoding)
    try:
        yield text
    finally:
        text.detach()


@contextmanager
def _records(
    file: BinaryIO, encoding: Encoding, delimiter: str, lines_before: int, *, columns: int | None = None
) -> Iterator[Iterator[Record]]:
    with _text(file, encoding) as text:
        for _ in range(lines_before):
            text.readline()
        records = records_of(text, delimiter, columns=columns)
        yield (Record(record.line + lines_before, record.cells, record.problem) for record in records)
