"""A labelled row as values of the table's columns, the same for every engine."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from services.feedback_tagger.domain.task_table import TaskTable
from services.feedback_tagger.store.port import ChunkResult, LabelledRow

COLUMNS = (
    "product_name",
    "store",
    "ref_id",
    "stars",
    "title",
    "feedback",
    "label_llm",
    "create_date",
    "execution_id",
    "run_id",
    "chunk_no",
    "line_no",
    "row_identity",
    "extra",
)


def chunk_entries(result: ChunkResult) -> list[dict[str, Any]]:
    """The rows of a chunk, in the order in which they are written."""
    place = {"execution_id": result.run_id, "run_id": result.run_id, "chunk_no": result.chunk_no}
    return _ordered([(labelled, place) for labelled in result.labelled], result.table)


def single_entries(
    singles: Sequence[LabelledRow], execution_ids: Sequence[str], table: TaskTable | None
) -> list[dict[str, Any]]:
    """Rows of no run, in the order in which they are written."""
    places = [{"execution_id": execution_id, "run_id": None, "chunk_no": None} for execution_id in execution_ids]
    return _ordered(list(zip(singles, places, strict=True)), table)


def parted(entries: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The first record of each row, which decides whether the row is new, and the records that follow it then."""
    return [entry for entry in entries if entry["part"] == 1], [entry for entry in entries if entry["part"] != 1]


def counted(labelled: Sequence[LabelledRow], stored: set[str]) -> tuple[Counter[str], int]:
    """Of the rows whose identities are in ``stored``: how many a run counts as what, and how many took no model."""
    by_identity: dict[str, LabelledRow] = {}
    for each in labelled:
        if each.row.identity in stored:
            by_identity.setdefault(each.row.identity, each)
    rows = by_identity.values()
    return Counter(each.counts_as for each in rows), sum(each.known for each in rows)


def _entries(labelled: LabelledRow, place: dict[str, Any], table: TaskTable | None) -> list[dict[str, Any]]:
    if table is None:
        return [{**_values(labelled), **place}]
    table.check(labelled.records)
    row = labelled.row
    common = {
        **dict.fromkeys(name for name, _ in table.columns),
        **place,
        "row_identity": row.identity,
        "line_no": row.line or None,
        "ref_id": row.feedback.ref_id,
        "create_date": row.feedback.create_date,
    }
    return [{**common, "part": part, **record} for part, record in enumerate(labelled.records, start=1)]


def _ordered(rows: Sequence[tuple[LabelledRow, dict[str, Any]]], table: TaskTable | None) -> list[dict[str, Any]]:
    # Of equal rows the first one: two answers to one row must not end up side by side.
    first: dict[str, tuple[LabelledRow, dict[str, Any]]] = {}
    for labelled, place in rows:
        first.setdefault(labelled.row.identity, (labelled, place))
    # In the order of identities: two transactions with rows in common wait for each other instead of deadlocking.
    return [entry for _, (labelled, place) in sorted(first.items()) for entry in _entries(labelled, place, table)]


def _values(labelled: LabelledRow) -> dict[str, Any]:
    row, feedback = labelled.row, labelled.row.feedback
    return {
        "product_name": feedback.product_name,
        "store": feedback.store,
        "ref_id": feedback.ref_id,
        "stars": feedback.stars,
        "title": feedback.title,
        "feedback": feedback.feedback,
        "label_llm": labelled.label,
        "create_date": feedback.create_date,
        "line_no": row.line or None,
        "row_identity": row.identity,
        "extra": json.dumps(dict(feedback.extra), ensure_ascii=False) if feedback.extra else None,
    }


def storable(text: str) -> str:
    """A reason without what PostgreSQL takes in no text."""
    return text.replace("\x00", "")
