"""The list of rejected rows, as a file that a spreadsheet opens without running anything in it."""

import csv
import io
import re
from collections.abc import Iterable
from typing import BinaryIO

HEADER = ("line", "column", "reason")
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\ufe63\ufe62\ufe66\ufe6b\uff20\u2212"
# At the start of a cell, behind blanks and what nobody sees; and behind a sign that another spreadsheet takes for a
# delimiter or the end of a row, where a cell would begin there.
_FORMULA = re.compile(rf"(^|[;,|\t\r\n])([\s\u0000-\u001f\u00ad\u200b-\u200f\u2060\ufeff'\"]*)(?=[{_SIGNS}])")


class RejectList:
    """Writes rows of line, column and reason to a binary file: UTF-8, with the mark that spreadsheets know it by."""

    def __init__(self, file: BinaryIO) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="", write_through=True)
        self._rows = csv.writer(self._text)
        self._rows.writerow(HEADER)
        self.count = 0

    def add(self, line: int, column: str, reason: str) -> None:
        self._rows.writerow((line, neutral(column), neutral(reason)))
        self.count += 1

    def finish(self) -> None:
        """Leave the file open, whole, and to its owner."""
        self._text.flush()
        self._text.detach()


def neutral(cell: str) -> str:
    """``cell`` so that no spreadsheet takes it, or what another delimiter makes of it, for a formula.

    An apostrophe before the sign is a spreadsheet's own mark for text. Full-width signs count: some read them alike.
    """
    text = _FORMULA.sub(r"\1\2'", cell)
    # A tab or a line end in front is dropped by some, and the sign behind it is the first then.
    return f"'{text}" if text[:1] in ("\t", "\r", "\n") else text


def reject_file(rejects: Iterable[tuple[int, str, str]]) -> bytes:
    """A whole list at once, for the few rows of dead chunks."""
    file = io.BytesIO()
    rows = RejectList(file)
    for line, column, reason in rejects:
        rows.add(line, column, reason)
    rows.finish()
    return file.getvalue()
