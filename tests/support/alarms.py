"""A small CloudWatch: the alarms as Terraform makes them, over metrics that services, queues and endpoints really gave.

It knows what our alarms use and fails on anything else: a statistic of a metric, the two expressions over several
metrics, one alarm over others, and metrics that a filter counts in log lines. Time is counted in minutes and passes
when told to, so that an alarm that needs an hour takes milliseconds.
"""

import json
import operator
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.terraform import Whole

METRIC_ALARM, COMPOSITE = "aws_cloudwatch_metric_alarm", "aws_cloudwatch_composite_alarm"
FILTER = "aws_cloudwatch_log_metric_filter"
COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
}
STATISTICS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Average": lambda values: sum(values) / len(values),
}
WAITING_WHILE_NOBODY_RUNS: Final = 'IF(FILL(running, 0) > 0, 0, SUM(METRICS("queue")))'
SUM_OF: Final = re.compile(r'SUM\(METRICS\("(\w+)"\)\)')


@dataclass(frozen=True, slots=True)
class Series:
    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]] = frozenset()


def series(namespace: str, name: str, dimensions: Mapping[str, str] | None = None) -> Series:
    return Series(namespace, name, frozenset((dimensions or {}).items()))


@dataclass(slots=True)
class Metrics:
    """Values by series and minute."""

    _values: dict[tuple[Series, int], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, of: Series, minute: int, *values: float) -> None:
        self._values[of, minute] += values

    def add_line(self, line: Mapping[str, Any], minute: int) -> None:
        """What CloudWatch Logs reads out of a line in the embedded metric format."""
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            for names in directive["Dimensions"]:
                dimensions = {name: line[name] for name in names}
                for metric in directive["Metrics"]:
                    value = line[metric["Name"]]
                    values = value if isinstance(value, list) else [value]
                    self.add(series(directive["Namespace"], metric["Name"], dimensions), minute, *values)

    def statistic(self, of: Series, minute: int, name: str) -> float | None:
        values = self._values.get((of, minute))
        return STATISTICS[name](values) if values else None


@dataclass(frozen=True, slots=True)
class Alarms:
    """Every alarm and log filter of the whole, by name. ``name`` is the installation's."""

    metric: Mapping[str, Mapping[str, Any]]
    composite: Mapping[str, str]
    filters: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, whole: Whole) -> "Alarms":
        return cls(
            metric={made.values["alarm_name"]: made.values for made in whole.of(METRIC_ALARM)},
            composite={made.values["alarm_name"]: made.values["alarm_rule"] for made in whole.of(COMPOSITE)},
            filters=[made.values for made in whole.of(FILTER)],
        )

    @property
    def names(self) -> set[str]:
        return {*self.metric, *self.composite}

    def rings(self, name: str, metrics: Metrics, minute: int) -> bool:
        """Whether the alarm is in ALARM when ``minute`` is over."""
        if name in self.composite:
            return self._any_of(self.composite[name], metrics, minute)
        alarm = self.metric[name]
        of = alarm["evaluation_periods"]
        breaching = sum(self._breaches(alarm, metrics, each) for each in range(minute - of + 1, minute + 1))
        return breaching >= int(alarm["datapoints_to_alarm"] or of)

    def count_matches(self, log_group: str, printed: str, metrics: Metrics, minute: int) -> None:
        """What the filters of a log group count in what was printed to it."""
        for found in (each for each in self.filters if each["log_group_name"] == log_group):
            terms = [quoted or plain for quoted, plain in re.findall(r'\?(?:"([^"]+)"|(\S+))', found["pattern"])]
            assert terms, found["pattern"]
            [transformed] = found["metric_transformation"]
            counted = series(transformed["namespace"], transformed["name"])
            for line in printed.splitlines():
                matches = any(term in line for term in terms)
                metrics.add(counted, minute, float(transformed["value" if matches else "default_value"]))

    def _any_of(self, rule: str, metrics: Metrics, minute: int) -> bool:
        names = re.findall(r'ALARM\("([^"]+)"\)', rule)
        assert rule == " OR ".join(f'ALARM("{name}")' for name in names), rule
        return any(self.rings(name, metrics, minute) for name in names)

    def _breaches(self, alarm: Mapping[str, Any], metrics: Metrics, minute: int) -> bool:
        value = _value(alarm, metrics, minute)
        if value is None:
            return {"breaching": True, "notBreaching": False}[alarm["treat_missing_data"]]
        return COMPARISONS[alarm["comparison_operator"]](value, alarm["threshold"])


def _value(alarm: Mapping[str, Any], metrics: Metrics, minute: int) -> float | None:
    queries = alarm["metric_query"] or ()
    if not queries:
        assert alarm["period"] == 60, alarm["alarm_name"]
        of = series(alarm["namespace"], alarm["metric_name"], alarm["dimensions"])
        return metrics.statistic(of, minute, alarm["statistic"])
    values = {query["id"]: _measured(query["metric"], metrics, minute) for query in queries if query["metric"]}
    [expression] = [query["expression"] for query in queries if query["expression"]]
    return _evaluated(expression, values)


def _measured(metric: Sequence[Mapping[str, Any]], metrics: Metrics, minute: int) -> float | None:
    [one] = metric
    assert one["period"] == 60
    return metrics.statistic(series(one["namespace"], one["metric_name"], one["dimensions"]), minute, one["stat"])


def _evaluated(expression: str, values: Mapping[str, float | None]) -> float | None:
    """CloudWatch user guide, "Using math expressions with CloudWatch metrics"."""
    if expression == WAITING_WHILE_NOBODY_RUNS:
        return 0.0 if (values["running"] or 0) > 0 else _sum(values, "queue")
    found = SUM_OF.fullmatch(expression)
    assert found, f"an expression that is not known here: {expression}"
    return _sum(values, found[1])


def _sum(values: Mapping[str, float | None], part: str) -> float | None:
    there = [value for name, value in values.items() if part in name and value is not None]
    return sum(there) if there else None


@dataclass(slots=True)
class Watch:
    """Looks at some alarms minute by minute. ``lines`` are what was logged since the last minute was over."""

    alarms: Alarms
    names: Sequence[str]
    lines: list[Mapping[str, Any]]
    metrics: Metrics = field(default_factory=Metrics)
    minute: int = 0
    history: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    told: list[Mapping[str, Any]] = field(default_factory=list)

    def measure(self, namespace: str, name: str, dimensions: Mapping[str, str], *values: float) -> None:
        self.metrics.add(series(namespace, name, dimensions), self.minute, *values)

    def printed(self, log_group: str, text: str) -> None:
        """Plain output of a process, that of a crash for example."""
        self.alarms.count_matches(log_group, text, self.metrics, self.minute)

    def minute_passes(self) -> set[str]:
        """The minute is over; which of the alarms ring now."""
        for line in self.lines:
            # As it is printed and read again: what cannot be written as JSON would be no metric either.
            self.metrics.add_line(json.loads(json.dumps(line, default=str)), self.minute)
        self.told += self.lines
        self.lines.clear()
        for name in self.names:
            self.history[name].append(self.alarms.rings(name, self.metrics, self.minute))
        self.minute += 1
        return self.ringing

    def minutes_pass(self, count: int) -> set[str]:
        """Minutes in which nothing is told."""
        for _ in range(count):
            self.minute_passes()
        return self.ringing

    def heard(self, event: str) -> list[Mapping[str, Any]]:
        """Lines of that event in the minute that runs."""
        return [line for line in self.lines if line["event"] == event]

    def seen(self, event: str) -> list[Mapping[str, Any]]:
        """Lines of that event so far, what the runbook calls ``logged``."""
        return [line for line in (*self.told, *self.lines) if line["event"] == event]

    @property
    def ringing(self) -> set[str]:
        return {name for name in self.names if self.history[name] and self.history[name][-1]}

    def unproven(self) -> Iterable[str]:
        """Alarms that have not rung, or have not stopped."""
        return (name for name in self.names if not any(self.history[name]) or self.history[name][-1])
