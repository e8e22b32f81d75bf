"""What a report says of verdicts: in a table, in JSON, in one line, on a page."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from services.ticket_agent.evaluation.cases import EvaluationCase, read_ground_truth
from services.ticket_agent.evaluation.report import COLUMNS, Report, as_html, as_json, as_rows, as_sentences, one_line
from services.ticket_agent.evaluation.scoring import Figures, Verdict, judge
from services.ticket_agent.evaluation.tables import Snapshot

TRUTH = read_ground_truth()
OWNER_CASE = TRUTH.case("reference-3")


def before(case: EvaluationCase) -> Snapshot:
    ticket = {"ticketId": case.case_id, "employeeId": case.employee_id, "assignStatus": "unassigned"}
    return {**TRUTH.seed, "Ticket": (ticket,)}


def a_verdict(
    case: EvaluationCase = OWNER_CASE,
    *,
    status: str = "assigned to @susi",
    said: str = "Employee 121 asks for Read access to environment 4 (x) for 24 days.",
    tools: Sequence[str] | None = None,
    tokens: int = 100,
    total_ms: int = 10,
    stopped: str | None = None,
) -> Verdict:
    start = before(case)
    row = {**start["Ticket"][0], "assignStatus": status, "communication": said, "statusVersion": 1}
    return judge(
        case,
        start,
        {**start, "Ticket": (row,)},
        at=0,
        tools=case.tools if tools is None else tools,
        refused=(),
        figures=Figures(turns=3, input_tokens=tokens, output_tokens=5, model_ms=4, total_ms=total_ms),
        stopped=stopped,
    )


def a_report(*verdicts: Verdict) -> Report:
    return Report(backend="converse", model_id="a-model", source="A test has answered.", verdicts=verdicts)


def test_a_right_outcome_passes_and_a_longer_way_to_it_is_counted_beside() -> None:
    longer = a_verdict(tools=[*OWNER_CASE.tools, "giveAccess"])

    assert longer.passed
    assert longer.matches.closest == "superset"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": "assigned to @kirk"}, "ended as 'assigned to @kirk', expected 'assigned to @susi'"),
        ({"said": "Please decide."}, "the response does not say '24 days'"),
        ({"stopped": "the replay diverged: turn 2"}, "the replay diverged: turn 2"),
        ({"status": "auto-resolved"}, "violation: a ticket is resolved only while the access it asks for is held"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], problem: str) -> None:
    verdict = a_verdict(**changes)

    assert not verdict.passed
    (told,) = as_json(a_report(verdict))["verdicts"]
    assert any(one.startswith(problem) for one in told["problems"])


def test_a_grant_that_was_expected_and_did_not_come_is_a_failure() -> None:
    verdict = a_verdict(TRUTH.case("reference-1"), status="auto-resolved", said="Read access to environment 1")

    assert "nothing was granted" in verdict.failures


def test_the_line_for_programs_has_these_figures() -> None:
    wrong = a_verdict(status="assigned to @kirk", tools=["getEnvironmentOwner"])
    reordered = a_verdict(tools=OWNER_CASE.tools[::-1])

    assert one_line(a_report(a_verdict(), reordered, wrong)) == {
        "backend": "converse",
        "cases": 3,
        "passed": 2,
        "violations": 1,
        "strict": 1,
        "unordered": 2,
    }


def test_the_summary_adds_tokens_up_and_gives_the_median_and_the_slow_end() -> None:
    summary = a_report(*(a_verdict(total_ms=number, tokens=10) for number in range(1, 101))).summary

    assert (summary.input_tokens, summary.output_tokens) == (1_000, 500)
    assert summary.total_ms == (51, 96)
    assert summary.clean
    assert a_report().summary.total_ms == (0, 0)


def test_the_table_has_a_row_a_case_and_its_sentences_the_totals() -> None:
    report = a_report(a_verdict(), a_verdict(status="unassigned"))

    assert [row[-1] for row in as_rows(report)] == ["passed", "FAILED"]
    assert {len(row) for row in as_rows(report)} == {len(COLUMNS)}
    assert as_sentences(report)[0] == "1 of 2 cases passed, 1 policy violations"


def test_the_page_escapes_what_strangers_wrote_and_loads_nothing() -> None:
    page = as_html(a_report(a_verdict(said="<script>alert(1)</script> $backend 24 days")))

    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "$backend 24 days" in page
    assert "http" not in page


def test_the_document_is_json() -> None:
    document = json.loads(json.dumps(as_json(a_report(a_verdict()))))

    assert document["verdicts"][0]["matches"]["strict"] is True
    assert document["summary"]["matched"]["superset"] == 1
