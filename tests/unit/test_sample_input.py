"""The sample input holds what the demo promises of it, and its labels and tickets are consistent with it."""

import csv
import json
import re
from collections import Counter

import pytest

from local.demo.sample import (
    CATEGORIES,
    DIRECTORY,
    FEEDBACK,
    LABELS,
    REJECT,
    UNKNOWN,
    read_cases,
    read_items,
    read_labels,
    read_rows,
)
from services.feedback_tagger.domain.upload import Rejected, rows_of, surveyed
from services.feedback_tagger.messages.item import read_item
from services.ticket_agent.domain.ticket import parse_access_request

HEADER = ["product_name", "store", "id", "stars", "title", "feedback", "date"]


def test_the_header_is_the_reference_s_and_there_are_over_three_hundred_rows() -> None:
    with FEEDBACK.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == HEADER
    assert len(read_rows()) >= 300


def test_every_row_and_item_has_one_label_and_every_label_has_a_row() -> None:
    with LABELS.open(encoding="utf-8", newline="") as file:
        labelled = [row["id"] for row in csv.DictReader(file)]
    ids = {row["id"] for row in read_rows()} | {item["id"] for item in read_items()}

    assert len(labelled) == len(set(labelled))
    assert set(labelled) == ids
    assert set(read_labels().values()) == {*CATEGORIES, UNKNOWN, REJECT}


@pytest.mark.parametrize("label", [*CATEGORIES, UNKNOWN])
def test_every_label_has_enough_rows_for_a_figure_to_mean_something(label: str) -> None:
    assert Counter(read_labels().values())[label] >= 45


def test_exactly_the_rows_labelled_reject_cannot_be_taken() -> None:
    """By the tagger's own reading, with the line each begins on found again in the file."""
    expected = {row["id"] for row in read_rows() if read_labels()[row["id"]] == REJECT}
    seen: Counter[str] = Counter()

    def occurrence(digest: str) -> int:
        seen[digest] += 1
        return seen[digest]

    with FEEDBACK.open("rb") as file:
        rows = list(rows_of(file, surveyed(file), occurrence))
    taken = Counter(row.feedback.ref_id for row in rows if not isinstance(row, Rejected))
    in_file = Counter(row["id"] for row in read_rows())

    assert {identifier for identifier in in_file if identifier not in taken} == expected
    assert sum(isinstance(row, Rejected) for row in rows) == len(expected)
    assert 3 <= len(expected) <= 6
    assert max(seen.values()) == 2, "there are genuine twins"


def test_both_line_ends_quotes_line_breaks_emoji_and_german_are_there() -> None:
    raw = FEEDBACK.read_bytes()
    texts = [row["feedback"] for row in read_rows()]

    assert raw.count(b"\r\n") > 100
    assert raw.count(b"\n") - raw.count(b"\r\n") > 50
    assert any('"' in text and "," in text for text in texts)
    assert sum("\n" in text for text in texts) >= 3
    assert sum(bool(re.search("[\U0001f300-\U0001faff❤]", text)) for text in texts) >= 5
    assert sum(bool(re.search("[äöüß]", text)) for text in texts) >= 30


def test_dates_are_day_first_and_say_so() -> None:
    with FEEDBACK.open("rb") as file:
        assert surveyed(file).dates.order.value == "day first"


def test_texts_are_varied_in_length_and_hardly_repeated() -> None:
    texts = [row["feedback"] for row in read_rows() if row["feedback"].strip()]
    lengths = sorted(map(len, texts))

    assert lengths[0] < 10
    assert lengths[-1] > 350
    assert len(set(texts)) >= len(texts) - 10
    openings = Counter(tuple(text.split()[:3]) for text in texts if len(text.split()) > 5)
    assert openings.most_common(1)[0][1] <= 4


def test_items_are_messages_that_the_tagger_takes() -> None:
    for item in read_items():
        assert read_item(json.dumps(item), "message-1").identity


def test_tickets_are_the_six_cases_in_order_and_complete() -> None:
    asked = [
        (case.number, case.employee, request.environment_id, request.days, request.access_type.text)
        for case in read_cases()
        if (request := parse_access_request(case.content)).access_type is not None and request.complete
    ]

    assert asked == [
        (1, "111", "1", 8, "Read"),
        (2, "111", "1", 8, "Read"),
        (3, "121", "4", 24, "Read"),
        (4, "121", "1", 24, "Read"),
        (5, "141", "4", 24, "Admin"),
        (6, "131", "2", 90, "Developer"),
    ]
    assert [case.expected for case in read_cases()] == [
        "auto-resolved, access granted",
        "auto-resolved, no new grant",
        "assigned to @susi",
        "auto-resolved, access granted",
        "assigned to @susi",
        "assigned to @sam",
    ]
    assert [case.after for case in read_cases()] == [None, 1, None, None, None, None]


def test_the_directory_lies_beside_them() -> None:
    assert DIRECTORY.exists()
