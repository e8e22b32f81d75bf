"""The services' metrics: each stands on a line that the code really writes, and docs/metrics.md has them all."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from services.feedback_tagger import metrics as feedback_tagger
from services.feedback_tagger.settings import MigrationSettings, TaggerSettings
from services.ticket_agent import metrics as ticket_agent
from services.ticket_agent.settings import TicketAgentSettings
from shared.metrics import COMMON, Metric
from tests.support.log_lines import LogLine, log_lines

METRICS: Mapping[str, tuple[Metric, ...]] = {
    "ticket_agent": ticket_agent.METRICS,
    "feedback_tagger": feedback_tagger.METRICS,
}
WRITTEN = {service: log_lines("shared", f"services/{service}") for service in METRICS}
DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
BOTH = [(service, metric) for service, metrics in METRICS.items() for metric in metrics]


def named(case: object) -> str:
    return case.name + "-" + case.event if isinstance(case, Metric) else str(case)


def lines_of(service: str, event: str) -> list[LogLine]:
    return [line for line in WRITTEN[service] if line.event == event]


@pytest.mark.parametrize(("service", "metric"), BOTH, ids=named)
def test_a_metric_stands_on_a_line_that_has_its_fields(service: str, metric: Metric) -> None:
    lines = lines_of(service, metric.event)
    assert lines, f"nothing logs {metric.event!r}"
    needed = {*metric.by, *metric.only, *([metric.value] if metric.value else [])}
    for line in lines:
        assert needed <= line.fields, f"{line.place}: {metric.event} has no {needed - line.fields}"
        assert line.level != "debug", f"{line.place}: is silent at LOG_LEVEL=INFO"


@pytest.mark.parametrize("service", METRICS)
def test_one_line_gives_one_value_of_a_name(service: str) -> None:
    pairs = [(metric.name, metric.event) for metric in METRICS[service]]
    assert len(set(pairs)) == len(pairs)


def test_one_name_means_one_thing() -> None:
    meant = defaultdict(set)
    for _, metric in BOTH:
        meant[metric.name].add((metric.unit, metric.by, metric.says))
    assert not {name: what for name, what in meant.items() if len(what) > 1}


@pytest.mark.parametrize(("service", "metric"), BOTH, ids=named)
def test_a_name_can_be_told_from_a_lines_field(service: str, metric: Metric) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z]+", metric.name)
    # CloudWatch takes 30 dimensions; what is charged is every combination of their values.
    assert len(metric.by) <= 1
    assert not set(metric.by) & set(COMMON)


@pytest.mark.parametrize("service", METRICS)
def test_every_event_is_one_word_in_lower_case(service: str) -> None:
    lines = WRITTEN[service]
    assert len(lines) > 20
    assert not [line for line in lines if not re.fullmatch(r"[a-z_]+", line.event or "")]


def rows() -> Iterator[str]:
    """What docs/metrics.md has to say: a row a metric and service."""
    for service, metrics in METRICS.items():
        lines: dict[str, list[Metric]] = defaultdict(list)
        for metric in metrics:
            lines[metric.name].append(metric)
        for name, standing in lines.items():
            first = standing[0]
            events = ", ".join(f"`{metric.event}`" for metric in standing)
            value = f" `{first.value}`" if first.value else ""
            only = "".join(f" where `{field}` is {_either(values)}" for field, values in first.only.items())
            by = ", ".join(f"`{field}`" for field in first.by)
            yield f"| `{name}` | {service} | {first.unit} | {by} | {events}{value}{only} | {first.says} |"


def _either(values: tuple[object, ...]) -> str:
    return " or ".join(str(value).lower() for value in values)


def test_the_documentation_has_every_metric_and_no_other() -> None:
    written = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert written == list(rows())


@pytest.mark.parametrize("settings", [TaggerSettings, MigrationSettings, TicketAgentSettings])
def test_a_deployment_is_named_as_its_resources_are(settings: type) -> None:
    assert settings.model_fields["deployment"].default == "deskhand"  # type: ignore[attr-defined]
