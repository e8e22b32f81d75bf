"""What the doctor makes of facts, and that one refusal stops no other check."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.checks import Line, Patient, State, alarms, clock, examined, first_hop, ok, services
from cli.checks_of_models import database_lines, ending, quota_line
from cli.cloud import Cloud
from cli.deployed import Deployed, Service, deployed
from cli.names import Names
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


class NoAlarms:
    """CloudWatch of an installation of which ``there`` are the alarms, and none rings."""

    def __init__(self, *there: str) -> None:
        self._there = [{"AlarmName": name} for name in there]

    def get_paginator(self, _: str) -> "NoAlarms":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return []

    def describe_alarms(self, **_: Any) -> dict[str, Any]:
        return {"MetricAlarms": self._there}


def on_aws(client: Any = None, **running: tuple[int, int]) -> Patient:
    """An installation with tasks wanted and running by service."""
    clients = {"cloudwatch": client}
    cloud = Cloud(names=Names(name="desk", account="1", region="us-east-1"), session=None, environment=None)
    cloud._clients.update(clients)
    there = {name: Service(name=name, wanted=wanted, running=now) for name, (wanted, now) in running.items()}
    return Patient(cloud=cloud, deployed=Deployed(there), now=NOW, ask=False)


def test_that_no_alarm_rings_is_well_only_if_there_are_any() -> None:
    assert [line.state for line in alarms(on_aws(NoAlarms("desk-crashes")))] == [State.OK]
    assert [line.state for line in alarms(on_aws(NoAlarms()))] == [State.WARN]


def test_the_tagger_may_sleep_and_the_ticket_agent_may_not() -> None:
    lines = services(on_aws(ticket_agent=(0, 0), feedback_tagger=(0, 0)))

    assert [(line.state, line.said.partition(":")[0]) for line in lines] == [
        (State.WARN, "ticket_agent"),
        (State.OK, "feedback_tagger"),
    ]


class Ecs:
    """Tells of both services as ECS does, one of which was deleted."""

    def describe_services(self, **_: Any) -> dict[str, Any]:
        usual = {"taskDefinition": "t", "desiredCount": 0, "runningCount": 0}
        names = {"desk-ticket-agent": "INACTIVE", "desk-feedback-tagger": "ACTIVE"}
        return {"services": [{"serviceName": name, "status": status, **usual} for name, status in names.items()]}

    def describe_task_definition(self, **_: Any) -> dict[str, Any]:
        return {"taskDefinition": {"containerDefinitions": [{}]}}


def test_a_service_that_was_deleted_is_missing() -> None:
    patient = on_aws()
    patient.cloud._clients["ecs"] = Ecs()
    lines = services(replace(patient, deployed=deployed(patient.cloud)))

    assert [line.state for line in lines] == [State.FAIL, State.OK]


def test_behind_a_proxy_it_is_the_proxy_that_must_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert first_hop("https://sqs.us-east-1.example.com") == ("sqs.us-east-1.example.com", 443)

    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", "inside.example.com")
    assert first_hop("https://sqs.us-east-1.example.com") == ("proxy.example.com", 3128)
    assert first_hop("https://inside.example.com") == ("inside.example.com", 443)


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
