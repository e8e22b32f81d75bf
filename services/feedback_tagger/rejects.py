"""The list of rejected rows, as a file that a spreadsheet opens without running anything in it."""

import csv
import io
from collections.abc import Iterable
from typing import BinaryIO

HEADER = ("line", "column", "reason")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


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
    """``cell`` so that no spreadsheet takes it for a formula."""
    return "'" + cell if cell.startswith(_FORMULA) else cell


def reject_file(rejects: Iterable[tuple[int, str, str]]) -> bytes:
    """A whole list at once, for the few rows of dead chunks."""
    file = io.BytesIO()
    rows = RejectList(file)
    for line, column, reason in rejects:
        rows.add(line, column, reason)
    rows.finish()
    return file.getvalue()
