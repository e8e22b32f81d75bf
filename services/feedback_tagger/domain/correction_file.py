"""A file of corrections: which row each line is about, and what its label should be.

Separated values with a header line, or JSON Lines. ``id`` is the table's own number of a row, as an export of the
table has it; ``ref_id`` is what the sender of the feedback calls it. Lines are read one by one and never held.
"""

import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from typing import BinaryIO

from services.feedback_tagger.domain.feedback import Fault, unstorable
from services.feedback_tagger.domain.headers import plain
from services.feedback_tagger.domain.json_lines import NOT_LINES, as_cell, json_records_of, looks_like_json
from services.feedback_tagger.domain.json_lines import whole_document as is_one_value
from services.feedback_tagger.domain.separated import Record, delimiter_of, records_of
from services.feedback_tagger.domain.text_file import EMPTY, Encoding, UnusableFile, as_text, encoding_of
from services.feedback_tagger.domain.upload import Rejected

CLEAR = "[clear]"
"""As a label: take the correction back. A blank does not: an empty cell is too easily an accident."""
ID, REF_ID, LABEL = "id", "ref_id", "label_correction"
_HEADERS = {
    ID: ("id", "row id"),
    REF_ID: ("ref_id", "reference", "reference id"),
    LABEL: ("label_correction", "correction", "corrected label", "correct label"),
}
_COLUMN = {plain(header): column for column, headers in _HEADERS.items() for header in headers}
WANTED = "name the columns id (or ref_id) and label_correction in the first line"
# A spreadsheet with one empty cell in the column writes whole numbers as 12.0.
_NUMBER = re.compile(r"(\d{1,18})(\.0*)?")
LONGEST_REF_ID, LONGEST_LABEL = 100, 255
LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Correction:
    """What one line asks for: ``label`` as it was written; None takes the correction back. At least one of ``row_id``
    and ``ref_id`` is given; if both are, the row must have both."""

    line: int
    row_id: int | None
    ref_id: str | None
    label: str | None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file of corrections is to be read. ``columns`` are places of ours; None: JSON Lines."""

    encoding: Encoding
    delimiter: str = ","
    lines_before_header: int = 0
    columns: Mapping[str, int] | None = None


def layout_of(file: BinaryIO) -> Layout:
    """Raises UnusableFile."""
    encoding = encoding_of(file)
    with _text(file, encoding) as text:
        beginning = text.read(64 * 1024)
    if not beginning.strip():
        raise UnusableFile(EMPTY)
    if looks_like_json(beginning):
        if is_one_value(beginning):
            raise UnusableFile(NOT_LINES)
        return Layout(encoding)
    delimiter, before = delimiter_of(beginning, lambda name: _COLUMN.get(plain(name)))
    with _text(file, encoding) as text:
        header = next(_records(text, delimiter, before), None)
    if header is None or header.problem is not None:
        raise UnusableFile(EMPTY if header is None else f"has a header line that {header.problem}")
    columns: dict[str, int] = {}
    for place, name in enumerate(header.cells):
        column = _COLUMN.get(plain(name))
        if column is not None and columns.setdefault(column, place) != place:
            raise UnusableFile(f"has two columns for {column}; keep one")
    if LABEL not in columns or not {ID, REF_ID} & set(columns):
        lacks = LABEL if LABEL not in columns else "id or ref_id"
        raise UnusableFile(f"has no column {lacks}; {WANTED}")
    return Layout(encoding, delimiter, before, columns)


def corrections_of(
    file: BinaryIO, layout: Layout, *, breaks_off: bool = False
) -> Generator[Correction | Rejected, None, None]:
    """Every line after the header, in order, the same ones each time. Close the generator before the file.

    Of a file that ``breaks_off`` the last line is none: r-1 may be half of r-12.
    """
    with _text(file, layout.encoding) as text:
        if layout.columns is None:
            for line, pairs, problem in json_records_of(text, breaks_off=breaks_off):
                yield Rejected(line, Fault("", problem)) if problem else _of_pairs(line, pairs)
            return
        records = _records(text, layout.delimiter, layout.lines_before_header, breaks_off=breaks_off)
        width = max(layout.columns.values()) + 1
        for line, cells, problem in islice(records, 1, None):
            if problem is not None:
                yield Rejected(line, Fault("", problem))
                continue
            filled = [*cells, *([""] * (width - len(cells)))]
            yield _correction(line, {column: filled[place] for column, place in layout.columns.items()})


def _of_pairs(line: int, pairs: object) -> Correction | Rejected:
    values: dict[str, str] = {}
    for name, value in pairs:  # type: ignore[attr-defined]  # pairs of names and values, as the decoder gives them
        column = _COLUMN.get(plain(name))
        if column is None or value is None:
            continue
        text = as_cell(value)
        if text is None:
            return Rejected(line, Fault(column, "is a list or an object; write text"))
        if column in values:
            return Rejected(line, Fault(column, "is there twice; keep one"))
        values[column] = text
    return _correction(line, values)


def _correction(line: int, values: Mapping[str, str]) -> Correction | Rejected:
    tidy = {column: text.strip() for column, text in values.items()}
    for column, text in tidy.items():
        if (reason := unstorable(text)) is not None:
            return Rejected(line, Fault(column, reason))
    number, ref_id, label = tidy.get(ID, ""), tidy.get(REF_ID, ""), tidy.get(LABEL, "")
    if not number and not ref_id:
        return Rejected(line, Fault(ID, "is blank, and so is ref_id; say which row is meant"))
    row_id = None
    if number:
        match = _NUMBER.fullmatch(number)
        row_id = int(match[1]) if match else 0
        if not 0 < row_id <= LARGEST_ID:
            return Rejected(line, Fault(ID, "is no row's number; what the sender calls a row belongs under ref_id"))
    if len(ref_id) > LONGEST_REF_ID:
        return Rejected(line, Fault(REF_ID, f"has {len(ref_id)} characters, and no reference more than 100"))
    if not label:
        return Rejected(line, Fault(LABEL, f"is blank; write a category, or {CLEAR} to take a correction back"))
    if len(label) > LONGEST_LABEL:
        return Rejected(line, Fault(LABEL, "is longer than any category's name"))
    return Correction(line, row_id, ref_id or None, None if label.lower() == CLEAR else label)


def _records(text: TextIOWrapper, delimiter: str, before: int, *, breaks_off: bool = False) -> Iterator[Record]:
    for _ in range(before):
        text.readline()
    for record in records_of(text, delimiter, breaks_off=breaks_off):
        yield Record(record.line + before, record.cells, record.problem)


@contextmanager
def _text(file: BinaryIO, encoding: Encoding) -> Iterator[TextIOWrapper]:
    text = as_text(file, encoding)
    try:
        yield text
    finally:
        text.detach()
