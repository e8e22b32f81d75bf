"""Builders of feedback files and rows that show only what matters to a test."""

import csv
import io
from collections.abc import Mapping, Sequence

HEADER = ("product_name", "store", "id", "stars", "title", "feedback", "date")


def a_row(**fields: str) -> dict[str, str]:
    plain = {
        "product_name": "Pocket Cam 2",
        "store": "DE",
        "id": "r-1",
        "stars": "2",
        "title": "Not again",
        "feedback": "The app crashes whenever I open the settings page.",
        "date": "25/3/2024 14:30",
    }
    return {**plain, **fields}


def a_file(
    rows: Sequence[Mapping[str, str]],
    *,
    header: Sequence[str] = HEADER,
    delimiter: str = ",",
    line_end: str = "\r\n",
    encoding: str = "utf-8",
) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(header)
    names = [name.strip().lower() for name in header]
    for row in rows:
        writer.writerow([row.get(name, "") for name in names])
    return text.getvalue().encode(encoding)


COMPLAINTS = (
    "The app crashes whenever I open the settings page.",
    "My cloud backup stopped in the middle and never finished.",
    "I was charged twice on my credit card for one order.",
    "The parcel arrived two weeks late and the box was crushed.",
    "The screen went black after three days and will not turn on.",
    "Lovely colours, my daughter is happy.",
)


def many_rows(count: int, *, first: int = 0, prefix: str = "r") -> list[dict[str, str]]:
    """Rows with ids and texts of their own: ``prefix``-``first`` and so on."""
    return [
        a_row(id=f"{prefix}-{number}", feedback=f"{COMPLAINTS[number % len(COMPLAINTS)]} Case {number}.")
        for number in range(first, first + count)
    ]
