"""Metrics out of the canonical log lines: a line that a metric is defined on carries it in CloudWatch's own format.

CloudWatch Logs reads numbers out of a JSON line that says under ``_aws`` which of its members are metrics (CloudWatch
user guide, "Embedded metric format specification"). So a unit of work is told once, in one line, and nothing is counted
beside it that could disagree. Metrics are written at INFO and above: at LOG_LEVEL=WARNING most of them are silent.
"""

import math
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

NAMESPACE = "Deskhand"
COMMON = ("deployment", "service")
"""The dimensions of every metric: what `name` Terraform was given, and the service."""
MOST_VALUES = 100
"""Of one metric in one line, as the specification has it."""

Unit: TypeAlias = Literal["Count", "Seconds", "Milliseconds", "None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """``event`` is the line it stands on. ``value`` names the number in that line, or its list of numbers; without one
    the line counts as 1.

    ``by`` are fields that become dimensions of a second series, so they must take few values: every combination is a
    metric that CloudWatch charges for. ``only`` picks lines by the value of a field.
    """

    name: str
    event: str
    unit: Unit
    says: str
    value: str | None = None
    by: tuple[str, ...] = ()
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


class EmbeddedMetrics:
    """A step of structlog's: adds the metrics of a line to it. ``now`` gives seconds since the epoch."""

    def __init__(self, metrics: Iterable[Metric], *, now: Callable[[], float]) -> None:
        # By event, then by dimensions: metrics of the same ones share a directive, since bytes cost.
        self._by_event: dict[str, dict[tuple[str, ...], list[tuple[Metric, dict[str, str]]]]] = {}
        for metric in metrics:
            directive = {"Name": metric.name, "Unit": metric.unit}
            self._by_event.setdefault(metric.event, {}).setdefault(metric.by, []).append((metric, directive))
        self._now = now

    def __call__(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        on_this_line = self._by_event.get(line["event"])
        if on_this_line is None:
            return line
        directives = []
        for by, metrics in on_this_line.items():
            there = []
            for metric, directive in metrics:
                value = _value(metric, line)
                if value is not None:
                    line[metric.name] = value
                    there.append(directive)
            if there:
                directives.append({"Namespace": NAMESPACE, "Dimensions": _dimensions(by, line), "Metrics": there})
        if directives:
            line["_aws"] = {"Timestamp": round(self._now() * 1000), "CloudWatchMetrics": directives}
        return line


def _dimensions(by: tuple[str, ...], line: Mapping[str, Any]) -> list[list[str]]:
    """Sets of fields. A field that the line lacks, or that is no text, makes CloudWatch drop the directive."""
    sets = [[*COMMON], *([[*COMMON, *by]] if by else [])]
    return [each for each in sets if all(isinstance(line.get(name), str) for name in each)]


def _value(metric: Metric, line: Mapping[str, Any]) -> float | int | list[float | int] | None:
    if metric.only and any(line.get(name) not in values for name, values in metric.only.items()):
        return None
    if metric.value is None:
        return 1
    value = line.get(metric.value)
    if isinstance(value, list):
        # CloudWatch drops a line with a longer list.
        return value[:MOST_VALUES] if value and all(map(_is_number, value)) else None
    return value if _is_number(value) else None


def _is_number(value: Any) -> bool:
    return type(value) is int or (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    )
