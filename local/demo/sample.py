"""The sample input, and what a careful reader says should come of it."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[1] / "sample"
DIRECTORY = FOLDER / "directory.yaml"
TICKETS = FOLDER / "tickets.yaml"
FEEDBACK = FOLDER / "feedback.csv"
FEEDBACK_ITEMS = FOLDER / "feedback_items.json"
LABELS = FOLDER / "feedback_labels.csv"
# Feedback about a subject that no category is for yet.
THEME = FOLDER / "feedback_colours.csv"
REVIEWS, EMAILS, PAGES = FOLDER / "reviews.csv", FOLDER / "emails.mbox", FOLDER / "pages.jsonl"
BY_HAND = FOLDER / "by_hand.yaml"
THEME_CATEGORY = "Choice of colours"
# What is uploaded beside the feedback file, by task.
OTHER_UPLOADS = (
    ("categorise", THEME),
    ("sentiment", REVIEWS),
    ("email_routing", EMAILS),
    ("product_facts", PAGES),
)

REJECT = "reject"
UNKNOWN = "unknown"
CATEGORIES = ("Application issues", "Cloud backup issues", "Payment", "Package shipment", "Hardware failures")


@dataclass(frozen=True, slots=True)
class Case:
    """One ground-truth ticket. ``after`` is the case that must have ended before this one is sent."""

    number: int
    employee: str
    content: str
    after: int | None
    expected: str

    @property
    def ticket_id(self) -> str:
        return f"case-{self.number}"

    @property
    def message(self) -> dict[str, Any]:
        return {"version": 1, "ticketId": self.ticket_id, "employeeId": self.employee, "content": self.content}


def outcome_text(status: str, *, granted: bool) -> str:
    """One text for how a ticket ended: its status, and whether it brought a grant where that is the question."""
    if granted:
        return f"{status}, access granted"
    return f"{status}, no new grant" if status == "auto-resolved" else status


def read_cases(file: Path = TICKETS) -> list[Case]:
    return [
        Case(
            number=int(entry["case"]),
            employee=str(entry["employee"]),
            content=str(entry["content"]),
            after=entry.get("after"),
            expected=outcome_text(entry["expected"]["status"], granted=bool(entry["expected"]["grant"])),
        )
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["tickets"]
    ]


def read_rows(file: Path = FEEDBACK) -> list[dict[str, str]]:
    """The rows of the upload as a plain CSV reader sees them; the tagger's own reading is not asked."""
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def read_theme() -> list[dict[str, str]]:
    return read_rows(THEME)


def read_by_hand(task: str) -> Mapping[str, Any]:
    """What a careful reader says, by what the store knows a row by: an id, a Message-ID, an address."""
    if task == "sentiment":
        return {row["id"]: row["by_hand"] for row in read_rows(REVIEWS)}
    given: dict[str, Mapping[str, Any]] = yaml.safe_load(BY_HAND.read_text(encoding="utf-8"))
    return given["emails" if task == "email_routing" else "pages"]


def read_items(file: Path = FEEDBACK_ITEMS) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return items


def read_labels(file: Path = LABELS) -> Mapping[str, str]:
    """Feedback id to the label it should get, or ``reject``. The theme's rows are in a file of their own: no category
    is for them."""
    with file.open(encoding="utf-8", newline="") as opened:
        return {row["id"]: row["label"] for row in csv.DictReader(opened)}
