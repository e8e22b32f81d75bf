"""What the stores held, as files: the embedded cloud is gone after the demo, and its data should not be."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")

ROWS, REJECTS, TICKETS, NOTIFICATIONS = "rows.csv", "rejects.csv", "tickets.json", "notifications.json"
SUMMARY, READINGS, REPORT = "summary.json", "readings.json", "report.html"
FILES = (ROWS, REJECTS, TICKETS, NOTIFICATIONS, SUMMARY, READINGS, REPORT)


def clear(out: Path) -> None:
    """Remove what an earlier demo left: a demo that fails must not show another's success."""
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (out / name).unlink(missing_ok=True)


def write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n", encoding="utf-8")


def write_csv(file: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """With the mark that spreadsheets know UTF-8 by, and no cell that one would take for a formula."""
    with file.open("w", encoding="utf-8-sig", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return "'" + text if text.startswith(FORMULA) else text
