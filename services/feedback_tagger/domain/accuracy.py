"""How good the labels are, by what people corrected: over all, by category and by month.

People correct what they doubt. Unless the corrected rows are a random sample, these figures are a floor.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from services.feedback_tagger.domain.category_name import folded
from services.feedback_tagger.domain.run import RUNS_PREFIX

ACCURACY_DOCUMENT_KEY = f"{RUNS_PREFIX}accuracy.json"
BASIS = "rows that people have corrected; unless these are a random sample, a floor of the accuracy over all rows"


@dataclass(frozen=True, slots=True)
class Judged:
    """So many rows of a month (YYYY-MM of the feedback; empty: without a date) that were labelled ``said`` and are
    ``right`` by a person."""

    month: str
    said: str
    right: str
    rows: int


@dataclass(slots=True)
class _Tally:
    """``said`` and ``right`` count rows labelled so by the tagger, and by people; ``agreed`` both."""

    said: int = 0
    right: int = 0
    agreed: int = 0

    def add(self, each: Judged, name: str) -> None:
        said, right = folded(each.said) == name, folded(each.right) == name
        self.said += each.rows * said
        self.right += each.rows * right
        self.agreed += each.rows * (said and right)

    def as_document(self) -> dict[str, Any]:
        """Shares are None where nothing was counted: no rows are not zero per cent."""
        return {
            "said": self.said,
            "right": self.right,
            "agreed": self.agreed,
            "precision": _share(self.agreed, self.said),
            "recall": _share(self.agreed, self.right),
        }


def accuracy_document(judged: Iterable[Judged]) -> dict[str, Any]:
    """The figures as their readers get them; the same rows give the same document."""
    rows = sorted(judged, key=lambda each: (each.month, each.said, each.right))
    spelled: dict[str, str] = {}
    categories: defaultdict[str, _Tally] = defaultdict(_Tally)
    by_month: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    monthly: defaultdict[tuple[str, str], _Tally] = defaultdict(_Tally)
    for each in rows:
        by_month[each.month][_agrees(each)] += each.rows
        for label in {folded(each.said): each.said, folded(each.right): each.right}.items():
            name, shown = label
            spelled.setdefault(name, shown)
            categories[name].add(each, name)
            monthly[each.month, name].add(each, name)
    return {
        "version": 1,
        "basis": BASIS,
        **_figures(sum(by_month.values(), Counter())),
        "by_category": [
            {"category": spelled[name], **tally.as_document()}
            for name, tally in sorted(categories.items(), key=lambda entry: (-entry[1].right, entry[0]))
        ],
        "by_month": [{"month": month or None, **_figures(counts)} for month, counts in sorted(by_month.items())],
        "by_month_and_category": [
            {"month": month or None, "category": spelled[name], **tally.as_document()}
            for (month, name), tally in sorted(monthly.items())
        ],
        "confusion": _confusion(rows),
    }


def _agrees(each: Judged) -> bool:
    return folded(each.said) == folded(each.right)


def _figures(counts: Counter[bool]) -> dict[str, Any]:
    return {"corrected": counts.total(), "agreed": counts[True], "accuracy": _share(counts[True], counts.total())}


def _confusion(rows: Sequence[Judged]) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, str]] = Counter()
    for each in rows:
        counts[each.said, each.right] += each.rows
    most_first = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return [{"said": said, "right": right, "rows": number} for (said, right), number in most_first]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
