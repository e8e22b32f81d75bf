"""Metrics on log lines: what CloudWatch reads out of them, and what it must never be given."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from shared.logs import configure_logs, logger
from shared.metrics import EmbeddedMetrics, Metric

ENDED = Metric(name="TicketsEnded", event="ticket_ended", unit="Count", by=("ending",), says="tickets that ended")
TOOK = Metric(name="TicketMilliseconds", event="ticket_ended", unit="Milliseconds", value="run_ms", says="a run's time")
DEAD = Metric(
    name="DeadLetters", event="message", unit="Count", only={"outcome": ("dead_letter",)}, says="messages given up"
)


CALLS = Metric(name="TicketModelCalls", event="ticket_ended", unit="Count", value="model_calls", says="model calls")
WAITED = Metric(name="SingleSeconds", event="singles", unit="Seconds", value="seconds", says="a row's way")


def told(**fields: Any) -> dict[str, Any]:
    line = {"deployment": "deskhand", "service": "ticket_agent", **fields}
    return dict(EmbeddedMetrics((ENDED, TOOK, CALLS, DEAD, WAITED), now=lambda: 1_700_000_000.5)(None, "info", line))


def directives(line: dict[str, Any]) -> dict[str, Any]:
    """The directive that each metric of a line stands in."""
    return {metric["Name"]: each for each in line["_aws"]["CloudWatchMetrics"] for metric in each["Metrics"]}


def test_a_line_carries_its_metrics_as_members_that_are_named_under_aws() -> None:
    line = told(event="ticket_ended", ending="resolved", run_ms=250)
    assert (line["TicketsEnded"], line["TicketMilliseconds"]) == (1, 250)
    assert line["_aws"]["Timestamp"] == 1_700_000_000_500
    assert directives(line)["TicketMilliseconds"] == {
        "Namespace": "Deskhand",
        "Dimensions": [["deployment", "service"]],
        "Metrics": [{"Name": "TicketMilliseconds", "Unit": "Milliseconds"}],
    }


def test_metrics_of_the_same_dimensions_share_a_directive() -> None:
    line = told(event="ticket_ended", ending="resolved", run_ms=250, model_calls=4)
    assert [[metric["Name"] for metric in each["Metrics"]] for each in line["_aws"]["CloudWatchMetrics"]] == [
        ["TicketsEnded"],
        ["TicketMilliseconds", "TicketModelCalls"],
    ]


def test_a_metric_by_a_field_is_a_second_series() -> None:
    line = told(event="ticket_ended", ending="resolved", run_ms=1)
    assert directives(line)["TicketsEnded"]["Dimensions"] == [
        ["deployment", "service"],
        ["deployment", "service", "ending"],
    ]


def test_a_dimension_that_the_line_lacks_is_left_out() -> None:
    assert directives(told(event="ticket_ended"))["TicketsEnded"]["Dimensions"] == [["deployment", "service"]]


def test_a_line_without_the_number_has_no_such_metric() -> None:
    assert "TicketMilliseconds" not in directives(told(event="ticket_ended", run_ms="soon"))


def test_a_list_of_numbers_is_as_many_values() -> None:
    assert told(event="singles", seconds=[0.5, 1])["SingleSeconds"] == [0.5, 1]


def test_a_list_is_cut_where_cloudwatch_would_drop_the_line() -> None:
    assert told(event="singles", seconds=list(range(150)))["SingleSeconds"] == list(range(100))


@pytest.mark.parametrize("value", [[], [1, "x"], [True], [float("nan")], float("inf"), True, None, {}])
def test_what_is_no_number_is_no_metric(value: Any) -> None:
    assert "_aws" not in told(event="singles", seconds=value)


def test_only_the_lines_that_are_meant_count() -> None:
    assert told(event="message", outcome="dead_letter")["DeadLetters"] == 1
    assert "_aws" not in told(event="message", outcome="ack")


def test_other_lines_stay_as_they_are() -> None:
    assert "_aws" not in told(event="polled")


@pytest.fixture
def _logs_afterwards() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.usefixtures("_logs_afterwards")
def test_the_service_writes_them_in_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("ticket_agent", deployment="desk-eu", metrics=(ENDED,))
    logger("worker").info("ticket_ended", ending="resolved")
    line = json.loads(capsys.readouterr().out)
    assert (line["TicketsEnded"], line["deployment"]) == (1, "desk-eu")
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Deskhand"
