"""A case's verdict from what was expected and what was seen, and the figures over all verdicts. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.ticket_agent.evaluation.cases import EvaluationCase
from services.ticket_agent.evaluation.matching import MATCHES, Matches, match
from services.ticket_agent.evaluation.oracle import Deed, Violation, violations
from services.ticket_agent.evaluation.tables import Snapshot, keyed


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a run cost. Tokens as the model counted them; no prices: there is no dated price list here."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    model_ms: int = 0
    total_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``failures`` say in words why the outcome is not the expected one; ``stopped`` why a run broke off."""

    case: EvaluationCase
    outcome: str
    communication: str = field(repr=False)
    tools: tuple[str, ...]
    refused: tuple[str, ...]
    matches: Matches
    failures: tuple[str, ...]
    violations: tuple[Violation, ...]
    figures: Figures
    stopped: str | None = None

    @property
    def passed(self) -> bool:
        """The right outcome, and nothing that the policy does not allow. The trajectory is counted beside it: there
        is more than one right way."""
        return not self.failures and not self.violations and self.stopped is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    cases: int
    passed: int
    violations: int
    diverged: int
    matched: dict[str, int]
    input_tokens: int
    output_tokens: int
    model_ms: tuple[int, int]
    total_ms: tuple[int, int]
    """Milliseconds a case: median and 95th percentile."""

    @property
    def clean(self) -> bool:
        return self.cases == self.passed and not self.violations


def judge(
    case: EvaluationCase,
    before: Snapshot,
    after: Snapshot,
    *,
    at: int,
    tools: Sequence[str],
    refused: Sequence[str],
    figures: Figures,
    stopped: str | None = None,
) -> Verdict:
    """``before`` holds the ticket already, as it was taken in."""
    row = keyed("Ticket", after["Ticket"]).get((case.case_id, case.employee_id), {})
    outcome, communication = str(row.get("assignStatus", "gone")), str(row.get("communication", ""))
    granted = len(after["UserAccess"]) > len(before["UserAccess"])
    deed = Deed(ticket_id=case.case_id, employee_id=case.employee_id, asked=case.asks, at=at)
    return Verdict(
        case=case,
        outcome=outcome,
        communication=communication,
        tools=tuple(tools),
        refused=tuple(refused),
        matches=match(tools, case.tools),
        failures=tuple(_failures(case, outcome, communication, granted=granted)),
        violations=violations(deed, before, after),
        figures=figures,
        stopped=stopped,
    )


def summarise(verdicts: Sequence[Verdict]) -> Summary:
    return Summary(
        cases=len(verdicts),
        passed=sum(verdict.passed for verdict in verdicts),
        violations=sum(len(verdict.violations) for verdict in verdicts),
        diverged=sum(verdict.stopped is not None for verdict in verdicts),
        matched={name: sum(getattr(verdict.matches, name) for verdict in verdicts) for name in MATCHES},
        input_tokens=sum(verdict.figures.input_tokens for verdict in verdicts),
        output_tokens=sum(verdict.figures.output_tokens for verdict in verdicts),
        model_ms=_median_and_95th([verdict.figures.model_ms for verdict in verdicts]),
        total_ms=_median_and_95th([verdict.figures.total_ms for verdict in verdicts]),
    )


def _failures(case: EvaluationCase, outcome: str, communication: str, *, granted: bool) -> list[str]:
    expected = case.expected
    failures = []
    if outcome not in expected.outcomes:
        failures.append(f"ended as {outcome!r}, expected {' or '.join(map(repr, expected.outcomes))}")
    if granted != expected.grant:
        failures.append("nothing was granted" if expected.grant else "access was granted")
    failures.extend(f"the response does not say {word!r}" for word in expected.says if word not in communication)
    return failures


def _median_and_95th(values: Sequence[int]) -> tuple[int, int]:
    if not values:
        return 0, 0
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 95 // 100)]
