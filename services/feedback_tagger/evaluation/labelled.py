"""Rows whose right answers are known, read from a file as the tagger would read it, less the column that tells."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from io import TextIOWrapper
from typing import Any

from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.headers import plain
from services.feedback_tagger.domain.reading import Source, read_table
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.upload import Rejected
from services.feedback_tagger.planner.agreement import position
from services.feedback_tagger.tasks.task import Task
from shared.errors import BadInput

# Our columns that can hold a right answer; the text itself and its date cannot.
LABEL_COLUMNS = ("product_name", "store", "ref_id", "stars", "title")
SHOWN_COLUMNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """``label`` is what the file says of the row, as it is written there."""

    row: Row
    label: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFile:
    """``unlabelled`` rows are sound and have no label; ``rejected`` ones the tagger would reject."""

    rows: tuple[Labelled, ...]
    unlabelled: int
    rejected: int


class NoLabels(Exception):
    """Nothing can be measured with this file; the text says why, then after a semicolon what to do."""


def read_labelled(source: Source, task: Task, label_column: str) -> LabelledFile:
    """Raises UnusableFile or NoLabels."""
    entries = _of_table(source, label_column) if task.reader is read_table else _of_json(source, task, label_column)
    rows: list[Labelled] = []
    unlabelled = rejected = 0
    for entry in entries:
        if entry is None:
            rejected += 1
        elif not entry.label:
            unlabelled += 1
        else:
            rows.append(entry)
    if not rows:
        raise NoLabels(
            f"has {unlabelled + rejected} rows and none of them has a label in {label_column!r} ({rejected} would be "
            "rejected); fill the column, or name another with --label-column"
        )
    return LabelledFile(rows=tuple(rows), unlabelled=unlabelled, rejected=rejected)


def drawn(rows: Iterable[Labelled], most: int | None) -> tuple[Labelled, ...]:
    """At most so many, in the file's order, chosen by hash: the first ones of a sorted file are all of a kind."""
    found = tuple(rows)
    if most is None or len(found) <= most:
        return found
    places = sorted(range(len(found)), key=lambda place: (position(found[place].row.identity), place))[:most]
    return tuple(found[place] for place in sorted(places))


def _of_table(source: Source, label_column: str) -> Iterator[Labelled | None]:
    ours = source.headers.column(label_column)
    if ours is not None and ours not in LABEL_COLUMNS:
        raise NoLabels(f"cannot be judged by its column {label_column!r}, which is no label; name the column of labels")
    wanted = plain(label_column)
    columns: Counter[str] = Counter()
    occurrences: Counter[str] = Counter()
    found = False

    def occurrence(digest: str) -> int:
        occurrences[digest] += 1
        return occurrences[digest]

    for entry in read_table(source).rows(occurrence):
        if isinstance(entry, Rejected):
            yield None
            continue
        feedback = entry.feedback
        if ours is not None:
            # Taken out of the row, or the model would be told what it is asked.
            label = getattr(feedback, ours) or ""
            yield Labelled(row=replace(entry, feedback=replace(feedback, **_without(ours))), label=label)
            found = found or bool(label)
            continue
        columns.update(feedback.extra.keys())
        name = next((name for name in feedback.extra if plain(name) == wanted), None)
        found = found or name is not None
        rest = {key: text for key, text in feedback.extra.items() if key != name}
        label = "" if name is None else feedback.extra[name]
        yield Labelled(row=replace(entry, feedback=replace(feedback, extra=rest)), label=label)
    if not found:
        others = ", ".join(list(columns)[:SHOWN_COLUMNS]) or "none"
        raise NoLabels(
            f"has nothing in a column {label_column!r}; its columns beside the tagger's own are: {others}; "
            "name the one with the labels by --label-column"
        )


def _without(column: str) -> dict[str, Any]:
    return {column: None}


def _of_json(source: Source, task: Task, label_column: str) -> Iterator[Labelled | None]:
    """JSON Lines, each as a row sent alone: the one form of a task's files in which a label has a place."""
    found = False
    names: Counter[str] = Counter()
    text = TextIOWrapper(source.file, encoding="utf-8-sig", errors="replace", newline="\n")
    try:
        for number, line in enumerate(text, start=1):
            if not line.strip():
                continue
            try:
                given = json.loads(line)
            except (ValueError, RecursionError):
                given = None
            if not isinstance(given, dict):
                if number == 1:
                    raise UnusableFile(
                        f"is no file of JSON Lines, the one form in which rows of {task.name} can have labels; "
                        "write one JSON object a line"
                    )
                yield None
                continue
            names.update(given.keys())
            label = given.pop(label_column, None)
            found = found or label is not None
            try:
                row = task.read_item(json.dumps({"version": 1, **given}), f"line-{number}")
            except BadInput:
                yield None
                continue
            yield Labelled(row=replace(row, line=number), label=_as_text(label))
    finally:
        text.detach()
    if not found:
        fields = ", ".join(list(names)[:SHOWN_COLUMNS])
        raise NoLabels(f"has no field {label_column!r}; its fields are: {fields}; name one by --label-column")


def _as_text(label: object) -> str:
    if label is None:
        return ""
    return label.strip() if isinstance(label, str) else json.dumps(label, ensure_ascii=False)
