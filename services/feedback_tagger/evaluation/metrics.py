"""Figures about answers whose right ones are known: arithmetic over pairs, nothing else.

A pair is (right answer, given answer). "No answer" is an answer that says that none was found, such as ``unknown``: it
counts as wrong where there was something to find, and is shown apart, because a wrong label does more harm than none.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """``support`` rows are of this class, ``given`` rows were said to be, ``right`` rows are both."""

    name: str
    support: int
    given: int
    right: int

    @property
    def precision(self) -> float | None:
        return _share(self.right, self.given)

    @property
    def recall(self) -> float | None:
        return _share(self.right, self.support)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; 0 for a class that nothing was rightly said to be."""
        return _share(2 * self.right, self.support + self.given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """``classes`` are the right answers by number of rows, then others that were given. ``unanswered`` rows got no
    answer though there is one."""

    rows: int
    right: int
    unanswered: int
    answered_right: int
    answered: int
    classes: tuple[ClassFigures, ...]
    confusion: Mapping[tuple[str, str], int]
    no_answer: frozenset[str]

    @property
    def accuracy(self) -> float | None:
        return _share(self.right, self.rows)

    @property
    def accuracy_of_answered(self) -> float | None:
        """Of the rows that got an answer."""
        return _share(self.answered_right, self.answered)

    @property
    def majority_of_answered(self) -> float | None:
        """How often whoever always gave the most frequent right answer would be right on the rows that got one."""
        answered: Counter[str] = Counter()
        for (truth, said), rows in self.confusion.items():
            if said not in self.no_answer:
                answered[truth] += rows
        return _share(max(answered.values(), default=0), self.answered)

    @property
    def unknown_rate(self) -> float | None:
        """The share of all rows that got no answer, rightly or not."""
        return _share(self.rows - self.answered, self.rows)

    @property
    def macro_f1(self) -> float | None:
        """The mean over the classes that have rows: a rare class counts as much as a frequent one."""
        scores = [each.f1 or 0.0 for each in self.classes if each.support]
        return sum(scores) / len(scores) if scores else None

    @property
    def majority(self) -> tuple[str, float] | None:
        """The most frequent right answer, and how often whoever always gave it would be right."""
        if not self.rows:
            return None
        most = max(self.classes, key=lambda each: each.support)
        return most.name, most.support / self.rows


def figures(pairs: Iterable[tuple[str, str]], *, no_answer: Collection[str] = ()) -> Figures:
    confusion = Counter(pairs)
    support: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for (truth, said), rows in confusion.items():
        support[truth] += rows
        given[said] += rows
    names = sorted({*support, *given}, key=lambda name: (-support[name], -given[name], name))
    return Figures(
        rows=confusion.total(),
        right=sum(rows for (truth, said), rows in confusion.items() if truth == said),
        unanswered=sum(
            rows for (truth, said), rows in confusion.items() if said in no_answer and truth not in no_answer
        ),
        answered=sum(rows for (_, said), rows in confusion.items() if said not in no_answer),
        answered_right=sum(
            rows for (truth, said), rows in confusion.items() if truth == said and said not in no_answer
        ),
        classes=tuple(
            ClassFigures(name=name, support=support[name], given=given[name], right=confusion[name, name])
            for name in names
        ),
        confusion=dict(confusion),
        no_answer=frozenset(no_answer),
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of the values do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
