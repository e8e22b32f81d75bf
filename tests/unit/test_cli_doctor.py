"""What the doctor makes of facts, and that one refusal stops no other check."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.checks import Line, Patient, State, clock, examined, ok
from cli.checks_of_models import database_lines, ending, quota_line
from services.feedback_tagger.store.inspection import DatabaseState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "state"), [(0, State.OK), (-29, State.OK), (-31, State.WARN), (301, State.FAIL)])
def test_a_clock_may_be_a_little_off(seconds: int, state: State) -> None:
    assert clock(NOW, NOW + timedelta(seconds=seconds)).state is state


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (None, None),
        (date(2027, 1, 1), None),
        (date(2026, 2, 1), State.WARN),
        (date(2026, 1, 1), State.FAIL),
        (date(2025, 1, 1), State.FAIL),
    ],
)
def test_a_model_s_end_is_said_a_quarter_before(end: date | None, state: State | None) -> None:
    line = ending("TICKET_MODEL_ID", "m", end, NOW.date(), "Bedrock")

    assert (line and line.state) == state


@pytest.mark.parametrize(
    ("ours", "published", "from_aws", "state", "word"),
    [
        (None, 4000.0, True, State.OK, "4,000 of 4,000"),
        (1000.0, 4000.0, False, State.OK, "1,000 of 4,000"),
        (5000.0, 4000.0, True, State.WARN, "5,000"),
        (None, 4000.0, False, State.WARN, "knows nothing"),
        (1000.0, None, False, State.OK, "does not say"),
        (None, None, True, State.WARN, "learned from throttles"),
    ],
)
def test_a_quota_is_compared_with_the_settings(
    ours: float | None, published: float | None, *, from_aws: bool, state: State, word: str
) -> None:
    line = quota_line("TICKET_MODEL_ID", "m", ours, published, from_aws=from_aws)

    assert line.state is state
    assert word in line.said


@pytest.mark.parametrize(
    ("missing", "newer", "state"), [((), (), State.OK), (("0002_runs.sql",), (), State.FAIL), ((), (99,), State.WARN)]
)
def test_a_schema_is_judged_by_the_migrations_of_this_build(
    missing: tuple[str, ...], newer: tuple[int, ...], state: State
) -> None:
    found = DatabaseState(engine="mysql", user="desk", tls=True, missing=missing, newer=newer)

    assert list(database_lines(found, local=False))[-1].state is state


def test_what_aws_refuses_is_a_finding_and_the_next_check_is_made() -> None:
    def refused(_: Patient) -> Iterator[Line]:
        yield ok("one", "before")
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no sqs:GetQueueUrl"}}, "GetQueueUrl")

    def fine(_: Patient) -> Iterator[Line]:
        yield ok("two", "well")

    patient: Any = None
    lines = list(examined(patient, [("one", refused), ("two", fine)]))

    assert [(line.check, line.state) for line in lines] == [
        ("one", State.OK),
        ("one", State.FAIL),
        ("two", State.OK),
    ]
    assert "sqs:GetQueueUrl" in lines[1].said
    assert lines[1].remedy


def test_whatever_is_not_well_names_a_remedy() -> None:
    found = DatabaseState(engine="postgres", user="desk", tls=False, missing=("0002_runs.sql",), newer=())
    lines = [
        clock(NOW, NOW + timedelta(hours=1)),
        ending("TICKET_MODEL_ID", "m", NOW.date(), NOW.date(), "Bedrock"),
        quota_line("TICKET_MODEL_ID", "m", None, None, from_aws=True),
        *database_lines(found, local=True),
    ]

    assert all(line.remedy for line in lines if line is not None and line.state is not State.OK)
