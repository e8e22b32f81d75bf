"""What of an answer is compared with what of a label: each task's answers taken apart into named fields."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, get_args

from services.feedback_tagger.documents.page_facts import Name, valid
from services.feedback_tagger.domain.category_name import folded
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.taxonomy import UNKNOWN
from services.feedback_tagger.tasks.task import Task

Fields: TypeAlias = Mapping[str, str]

REFUSED = "(refused)"
"""The answer of a row that the model would not answer."""
NO_ANSWER = frozenset({UNKNOWN, REFUSED, ""})
POSITIVE, NEGATIVE, MIXED, NONE = "positive", "negative", "mixed", "none"
OVERALL, EXACT = "overall", "all aspects together"
_POLARITY_OF_SIGN = {"+": POSITIVE, "-": NEGATIVE, "~": MIXED}
_OVERALL = {POSITIVE: POSITIVE, NEGATIVE: NEGATIVE, MIXED: MIXED, NONE: NONE, "neutral": NONE}
UNASSIGNED, UNDETERMINED = "unassigned", "und"
EMAIL_FIELDS = ("department", "priority", "language")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """``truth`` takes a label of the file apart (raises ValueError saying what it should be), ``said`` an answer; only
    fields that the label has are compared. ``open_fields`` have too many values to list. ``no_answer`` are the values
    that say that nothing was found."""

    truth: Callable[[str], Fields]
    said: Callable[[Task, Row, str], Fields]
    open_fields: frozenset[str] = frozenset()
    no_answer: frozenset[str] = NO_ANSWER


def judge_of(task: Task, labels: Iterable[str]) -> Judge:
    """``labels`` are all of the file's."""
    match task.name:
        case "sentiment":
            return _sentiment(labels)
        case "email_routing":
            return Judge(
                truth=_email_truth,
                said=lambda _task, _row, answer: _email_fields(answer),
                no_answer=NO_ANSWER | {UNASSIGNED, UNDETERMINED},
            )
        case "product_facts":
            return Judge(truth=_facts_truth, said=_facts_said, open_fields=frozenset(get_args(Name)))
        case _:
            return _one_label(labels)


def spellings(labels: Iterable[str]) -> dict[str, str]:
    """Names that are one but for case and blanks, under the first spelling of them."""
    found: dict[str, str] = {}
    for label in labels:
        found.setdefault(folded(label), " ".join(label.split()))
    return found


def _one_label(labels: Iterable[str]) -> Judge:
    names = spellings(labels)
    return Judge(
        truth=lambda label: {"label": names[folded(label)]},
        said=lambda _task, _row, answer: {"label": names.get(folded(answer), answer)},
    )


def _sentiment(labels: Iterable[str]) -> Judge:
    """Labels are polarities of a whole row, or answers such as ``delivery-,price+``; ``none`` may be either."""
    given = [" ".join(label.split()).casefold() for label in labels]
    by_aspect = any(label not in _OVERALL for label in given)
    aspects = sorted({aspect for label in given if label not in _OVERALL for aspect in _named(label)})

    def truth(label: str) -> Fields:
        text = " ".join(label.split()).casefold()
        if not by_aspect:
            return {OVERALL: _OVERALL[text]}
        if text in _OVERALL and text not in (NONE, "neutral"):
            raise ValueError("is a polarity of the whole row, where others name aspects; use one kind in a file")
        return _sentiment_fields({} if text in _OVERALL else _aspects(text), aspects)

    def said(_task: Task, _row: Row, answer: str) -> Fields:
        if answer in NO_ANSWER:
            return dict.fromkeys((OVERALL, EXACT, *aspects), answer)
        found = {} if answer == NONE else _aspects(answer.casefold())
        return _sentiment_fields(found, aspects)

    return Judge(truth=truth, said=said, open_fields=frozenset({EXACT}), no_answer=NO_ANSWER | {NONE})


def _named(label: str) -> Mapping[str, str]:
    try:
        return _aspects(label)
    except ValueError:
        return {}  # Told when the label itself is read, with its line.


def _aspects(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split(","):
        aspect, sign = part.strip()[:-1].strip(), part.strip()[-1:]
        if not aspect or sign not in _POLARITY_OF_SIGN or aspect in found:
            raise ValueError("is neither positive, negative, mixed, none nor aspects with signs: delivery-,price+")
        found[aspect] = _POLARITY_OF_SIGN[sign]
    return found


def _sentiment_fields(found: Mapping[str, str], aspects: Sequence[str]) -> Fields:
    polarities = set(found.values())
    overall = NONE if not polarities else polarities.pop() if len(polarities) == 1 else MIXED
    exact = ",".join(f"{aspect} {polarity}" for aspect, polarity in sorted(found.items())) or NONE
    return {OVERALL: overall, EXACT: exact, **{aspect: found.get(aspect, NONE) for aspect in aspects}}


def _email_fields(answer: str) -> Fields:
    if answer in NO_ANSWER:
        return dict.fromkeys(EMAIL_FIELDS, answer)
    parts = [" ".join(part.split()).casefold() for part in answer.split("/")]
    return dict(zip(EMAIL_FIELDS, parts, strict=False))


def _email_truth(label: str) -> Fields:
    if label.count("/") > 2:
        raise ValueError("is no department/priority/language; leave a part empty that you do not know: billing//en")
    return {name: text for name, text in _email_fields(label).items() if text}


def _facts_truth(label: str) -> Fields:
    try:
        given = json.loads(label)
    except ValueError:
        given = None
    names = get_args(Name)
    if not isinstance(given, dict) or not set(given) <= set(names):
        raise ValueError(f"is no JSON object of {', '.join(names)}")
    return {name: _fact(name, str(text)) for name, text in given.items() if text not in (None, "")}


def _facts_said(task: Task, row: Row, answer: str) -> Fields:
    """By the records that the store would get: most facts come from the page's own marks and are in no answer."""
    stored = {str(record["name"]): str(record["value"]) for record in task.records(row, answer, ()) if "name" in record}
    return {name: _fact(name, stored[name]) for name in get_args(Name) if name in stored}


def _fact(name: Name, text: str) -> str:
    value = valid(name, text)
    if value is None:
        return ""
    # 12.50 and 12.5 are one price.
    return (value.rstrip("0").rstrip(".") if "." in value else value) if name == "price" else value


@dataclass(slots=True)
class Pairs:
    """(right, given) by field, as rows are judged."""

    judge: Judge
    by_field: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def add(self, task: Task, row: Row, truth: Fields, answer: str | None) -> None:
        said = dict.fromkeys(truth, REFUSED) if answer is None else self.judge.said(task, row, answer)
        for name, right in truth.items():
            self.by_field.setdefault(name, []).append((right, said.get(name, "")))
