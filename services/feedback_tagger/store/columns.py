"""A labelled row as values of the table's columns, the same for every engine."""

import json
from collections.abc import Sequence
from typing import Any

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
    return _ordered([{**_values(labelled), **place} for labelled in result.labelled])


def single_entries(singles: Sequence[LabelledRow], execution_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of no run, in the order in which they are written."""
    return _ordered(
        [
            {**_values(labelled), "execution_id": execution_id, "run_id": None, "chunk_no": None}
            for labelled, execution_id in zip(singles, execution_ids, strict=True)
        ]
    )


def _ordered(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # In the order of identities: two transactions with rows in common wait for each other instead of deadlocking.
    return sorted(entries, key=lambda entry: str(entry["row_identity"]))


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
