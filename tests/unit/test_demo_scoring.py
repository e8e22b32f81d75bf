"""The demo's verdict: what counts as expected, accounted for and right."""

from typing import Any

from local.demo.readings import TicketReading
from local.demo.sample import outcome_text
from local.demo.scoring import problems, score_feedback, summary

LABELS = {"a": "Payment", "b": "Payment", "c": "unknown", "d": "reject"}


def a_ticket(**changes: Any) -> TicketReading:
    usual: dict[str, Any] = {
        "case": 1,
        "employee": "111",
        "outcome": "assigned to @sam",
        "expected": "assigned to @sam",
        "owner": "@sam",
        "told": "",
        "tool_calls": 4,
        "total_ms": 500,
        "model_ms": 200,
    }
    return TicketReading(**{**usual, **changes})


def a_score(*, rows: int = 4, labels: tuple[Any, ...] = ("Payment", "unknown", "unknown"), rejected: int = 1) -> Any:
    stored = [{"ref_id": identifier, "label": label} for identifier, label in zip("abc", labels, strict=False)]
    return score_feedback(rows=rows, stored=stored, rejected=rejected, duplicates=0, labels=LABELS)


def verdict(tickets: list[TicketReading], feedback: Any, told: set[str] | None = None) -> list[str]:
    return problems(tickets, feedback, told={"case-1"} if told is None else told, expected_tickets=1)


def test_what_comes_out_as_it_should_has_no_problem() -> None:
    assert verdict([a_ticket()], a_score()) == []


def test_accuracy_counts_stored_rows_whose_label_is_the_one_given_by_hand() -> None:
    score = a_score()

    assert score.accuracy == 2 / 3
    assert {entry.label: (entry.stored, entry.expected, entry.right) for entry in score.categories if entry.stored} == {
        "Payment": (1, 2, 1),
        "unknown": (2, 1, 1),
    }


def test_a_lost_row_a_wrong_outcome_a_missing_ticket_and_a_silent_topic_are_problems() -> None:
    assert "4 rows went in" not in str(verdict([a_ticket()], a_score()))
    assert "5 rows went in" in str(verdict([a_ticket()], a_score(rows=5)))
    assert "instead of" in str(verdict([a_ticket(outcome="auto-resolved, no new grant")], a_score()))
    assert "1 of 1 tickets have no outcome" in str(verdict([], a_score()))
    assert "nobody was told" in str(verdict([a_ticket()], a_score(), told=set()))


def test_a_label_that_is_no_category_or_missing_is_a_problem() -> None:
    assert "'Refunds'" in str(verdict([a_ticket()], a_score(labels=("Refunds", "unknown", "unknown"))))
    assert "'None'" in str(verdict([a_ticket()], a_score(labels=(None, "unknown", "unknown"))))


def test_a_grant_shows_in_the_outcome_also_where_there_should_be_none() -> None:
    assert outcome_text("auto-resolved", granted=True) != outcome_text("auto-resolved", granted=False)
    assert outcome_text("assigned to @sam", granted=True) != outcome_text("assigned to @sam", granted=False)


def test_the_summary_has_the_promised_shape() -> None:
    assert summary([a_ticket()], a_score(), 31.26) == {
        "tickets": [
            {
                "case": 1,
                "outcome": "assigned to @sam",
                "expected": "assigned to @sam",
                "tool_calls": 4,
                "overhead_ms": 300,
                "model_ms": 200,
            }
        ],
        "feedback": {
            "rows": 4,
            "stored": 3,
            "rejected": 1,
            "duplicates": 0,
            "by_label": {"Payment": 1, "unknown": 2},
            "accuracy": 0.6667,
        },
        "seconds": 31.3,
    }
