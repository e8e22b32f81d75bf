"""The report of an evaluation: rows for a table, a JSON document, and one HTML page that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from services.ticket_agent.evaluation.matching import MATCHES
from services.ticket_agent.evaluation.scoring import Summary, Verdict, summarise

COLUMNS = ("case", "outcome", "tools", "trajectory", "tokens", "ms", "")
FIGURES = ("tools", "tokens", "ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """``source`` says where the agent's words come from: a model, what stands for one, or a recording."""

    backend: str
    model_id: str
    source: str
    verdicts: tuple[Verdict, ...]

    @property
    def summary(self) -> Summary:
        return summarise(self.verdicts)


def one_line(report: Report) -> dict[str, Any]:
    """What ``--json`` prints."""
    summary = report.summary
    return {
        "backend": report.backend,
        "cases": summary.cases,
        "passed": summary.passed,
        "violations": summary.violations,
        "strict": summary.matched["strict"],
        "unordered": summary.matched["unordered"],
    }


def as_rows(report: Report) -> list[tuple[str, ...]]:
    """One row a verdict, in the order of COLUMNS."""
    return [
        (
            verdict.case.case_id,
            verdict.outcome,
            str(len(verdict.tools)),
            verdict.matches.closest,
            str(verdict.figures.input_tokens + verdict.figures.output_tokens),
            str(verdict.figures.total_ms),
            "passed" if verdict.passed else "FAILED",
        )
        for verdict in report.verdicts
    ]


def problems(verdict: Verdict) -> list[str]:
    """Why a case has not passed, one sentence each."""
    stopped = [verdict.stopped] if verdict.stopped else []
    return [*stopped, *verdict.failures, *(f"violation: {violation}" for violation in verdict.violations)]


def as_sentences(report: Report) -> list[str]:
    """The summary in words."""
    summary = report.summary
    matched = ", ".join(f"{name} {summary.matched[name]}" for name in MATCHES)
    return [
        f"{summary.passed} of {summary.cases} cases passed, {summary.violations} policy violations",
        f"trajectories that match: {matched}",
        f"tokens: {summary.input_tokens} in, {summary.output_tokens} out (no price list here: multiply by your own)",
        f"milliseconds a case, median and 95th percentile: {summary.total_ms[0]} and {summary.total_ms[1]}, "
        f"of which the agent {summary.model_ms[0]} and {summary.model_ms[1]}",
    ]


def as_json(report: Report) -> dict[str, Any]:
    return {
        **one_line(report),
        "model": report.model_id,
        "source": report.source,
        "summary": asdict(report.summary),
        "verdicts": [_verdict_as_json(verdict) for verdict in report.verdicts],
    }


def as_html(report: Report) -> str:
    page = files("services.ticket_agent.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    clean = report.summary.clean
    return Template(page).substitute(
        backend=escape(report.backend),
        model=escape(report.model_id),
        source=escape(report.source),
        verdict_class="good" if clean else "bad",
        sentences="".join(f"<li>{escape(sentence)}</li>" for sentence in as_sentences(report)),
        rows="".join(_html_row(verdict) for verdict in report.verdicts),
    )


def _verdict_as_json(verdict: Verdict) -> Mapping[str, Any]:
    case = verdict.case
    return {
        "case": case.case_id,
        "about": case.about,
        "query": case.query,
        "passed": verdict.passed,
        "outcome": verdict.outcome,
        "expected": case.expected.outcomes,
        "response": verdict.communication,
        "tools": verdict.tools,
        "refused": verdict.refused,
        "expectedTools": case.tools,
        "matches": asdict(verdict.matches),
        "problems": problems(verdict),
        "figures": asdict(verdict.figures),
    }


def _html_row(verdict: Verdict) -> str:
    case, figures = verdict.case, verdict.figures
    wrong = "".join(f"<br>{escape(problem)}" for problem in problems(verdict))
    expected = "" if verdict.matches.strict else f"<br><span>expected {escape(_steps(case.tools))}</span>"
    cells: Sequence[str] = (
        f"{escape(case.case_id)}<br><span>{escape(case.about)}</span>",
        f"{escape(verdict.outcome)}<br><span>{escape(verdict.communication)}</span>{wrong}",
        f"{escape(_steps(verdict.tools))}{expected}",
        escape(", ".join(name for name in MATCHES if getattr(verdict.matches, name)) or "none"),
        f"{figures.input_tokens + figures.output_tokens}",
        f"{figures.total_ms}",
        f"<b class={'yes' if verdict.passed else 'no'}>{'passed' if verdict.passed else 'failed'}</b>",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _steps(tools: Sequence[str]) -> str:
    return " \u2192 ".join(tools) or "no tool"
