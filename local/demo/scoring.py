"""Whether the demo came out right: pure arithmetic over what was put in and what the stores hold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.demo.readings import TicketReading
from local.demo.sample import CATEGORIES, UNKNOWN


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """``expected`` rows have this label by hand, ``stored`` rows have it in the database, ``right`` rows have both."""

    label: str
    stored: int
    expected: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """The share of the rows labelled so by hand that got the label; None if there are none."""
        return self.right / self.expected if self.expected else None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackScore:
    """``rows`` is what the input files hold; everything else is what the stores hold."""

    rows: int
    stored: int
    rejected: int
    duplicates: int
    by_label: Mapping[str, int]
    accuracy: float
    categories: Sequence[CategoryScore]
    confusion: Mapping[tuple[str, str], int]
    strange_labels: Sequence[str]

    @property
    def accounted_for(self) -> bool:
        return self.rows == self.stored + self.rejected + self.duplicates


def score_feedback(
    *, rows: int, stored: Sequence[Mapping[str, Any]], rejected: int, duplicates: int, labels: Mapping[str, str]
) -> FeedbackScore:
    """Compare the stored labels with ``labels`` by id; a stored row without an id we know counts as wrong."""
    given = [(labels.get(str(row["ref_id"]), ""), row["label"]) for row in stored]
    confusion = Counter(given)
    by_label = Counter(str(label) for _, label in given)
    allowed = (*CATEGORIES, UNKNOWN)
    return FeedbackScore(
        rows=rows,
        stored=len(stored),
        rejected=rejected,
        duplicates=duplicates,
        by_label=dict(sorted(by_label.items())),
        accuracy=sum(wanted == got for wanted, got in given) / len(given) if given else 0.0,
        categories=[_score(label, given) for label in allowed],
        confusion={(str(wanted), str(got)): count for (wanted, got), count in sorted(confusion.items(), key=str)},
        strange_labels=sorted(set(by_label) - set(allowed)),
    )


def _score(label: str, given: Sequence[tuple[str, Any]]) -> CategoryScore:
    return CategoryScore(
        label=label,
        stored=sum(got == label for _, got in given),
        expected=sum(wanted == label for wanted, _ in given),
        right=sum(wanted == got == label for wanted, got in given),
    )


def problems(
    tickets: Sequence[TicketReading], feedback: FeedbackScore, *, told: set[str], expected_tickets: int
) -> list[str]:
    """Everything that did not come out as it should, in plain sentences; empty if the demo succeeded.

    ``told`` are the topics' short names and ticket ids that notifications came for.
    """
    found = [
        f"case {ticket.case} ended as {ticket.outcome!r} instead of {ticket.expected!r}"
        for ticket in tickets
        if not ticket.as_expected
    ]
    if len(tickets) != expected_tickets:
        found.append(f"{expected_tickets - len(tickets)} of {expected_tickets} tickets have no outcome")
    found += [f"nobody was told about case {ticket.case}" for ticket in tickets if f"case-{ticket.case}" not in told]
    if not feedback.accounted_for:
        found.append(
            f"{feedback.rows} rows went in, and {feedback.stored} stored + {feedback.rejected} rejected"
            f" + {feedback.duplicates} duplicates came out"
        )
    found += [f"a label column holds {label!r}, which is no category" for label in feedback.strange_labels]
    return found


def summary(tickets: Sequence[TicketReading], feedback: FeedbackScore, seconds: float) -> dict[str, Any]:
    """What build/demo/summary.json holds."""
    return {
        "tickets": [
            {
                "case": ticket.case,
                "outcome": ticket.outcome,
                "expected": ticket.expected,
                "tool_calls": ticket.tool_calls,
                "overhead_ms": ticket.overhead_ms,
                "model_ms": ticket.model_ms,
            }
            for ticket in tickets
        ],
        "feedback": {
            "rows": feedback.rows,
            "stored": feedback.stored,
            "rejected": feedback.rejected,
            "duplicates": feedback.duplicates,
            "by_label": dict(feedback.by_label),
            "accuracy": round(feedback.accuracy, 4),
        },
        "seconds": round(seconds, 1),
    }
