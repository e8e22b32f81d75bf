"""A run is one uploaded file: what it is called, when it is over, and how it ended.

The command line computes ``run_id`` from what S3 answered to the upload, and reads ``run_document_key`` to follow it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from services.feedback_tagger.domain.spent import NOTHING, Agreement, Spent

UPLOADS_PREFIX = "uploads/"
REJECTS_PREFIX = "rejects/"
RUNS_PREFIX = "runs/"
TAXONOMY_DOCUMENT_KEY = "runs/taxonomy.json"

RunStatus: TypeAlias = Literal["open", "complete", "partial", "failed"]
TOP_CATEGORIES = 5
# The reference calls a run failed when more than a fifth of its rows could not be labelled; subscribers may rely on it.
FAILED_SHARE = 0.2


def run_id(bucket: str, key: str, *, etag: str, version_id: str | None = None) -> str:
    """The same for every notification about one object version; ``etag`` with or without its quotes.

    An unversioned bucket (no version id, or S3's "null") tells contents apart by the ETag: the same bytes under the
    same key are the same run.
    """
    version = version_id if version_id not in (None, "", "null") else etag.strip('"')
    return "run-" + hashlib.sha256(f"{bucket}\n{key}\n{version}".encode()).hexdigest()[:24]


def run_document_key(run: str) -> str:
    """Where in the bucket a run's state is kept for readers without a database."""
    return f"{RUNS_PREFIX}{run}.json"


def rejects_key(run: str) -> str:
    """The rows that ingest refused; outside the prefix that starts runs."""
    return f"{REJECTS_PREFIX}{run}/rows.csv"


def dead_rows_key(run: str) -> str:
    """The rows that were sent for a label and never got one."""
    return f"{REJECTS_PREFIX}{run}/unlabelled.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What the store knows of a run, added up over its chunks; times in seconds since the epoch.

    ``rows_read`` counts rows after the header, usable or not. ``rows_dead`` are rows that were sent for a
    label and got none, alone or with their dead-lettered chunk.
    ``total_chunks`` is None until ingest is done. ``repeats`` counts uploads of the same object after the first.
    """

    run_id: str
    bucket: str
    key: str
    task: str
    status: RunStatus
    revision: int
    started_at: float
    finished_at: float | None = None
    encoding: str = ""
    date_order: str = ""
    problem: str = ""
    rows_read: int = 0
    rows_rejected: int = 0
    total_chunks: int | None = None
    chunks_done: int = 0
    chunks_dead: int = 0
    stored: int = 0
    duplicates: int = 0
    rows_dead: int = 0
    by_label: Mapping[str, int] = field(default_factory=dict)
    spent: Spent = NOTHING
    agreement: Sequence[Agreement] = ()
    repeats: int = 0


def outcome(state: RunState) -> RunStatus:
    """failed: nothing of the file is in the store, or over a fifth of its rows died unlabelled; partial: a row is
    missing from the store; complete: every row is there."""
    in_store = state.stored + state.duplicates
    if state.problem or in_store == 0 or state.rows_dead > FAILED_SHARE * state.rows_read:
        return "failed"
    return "partial" if state.rows_rejected + state.rows_dead else "complete"


def repeat_document(state: RunState, *, now: float, unknown: str) -> dict[str, Any]:
    """What a later upload of the same object came to: every row is there already, nothing was added."""
    again = replace(
        state,
        repeats=state.repeats + 1,
        stored=0,
        duplicates=state.stored + state.duplicates,
        by_label={},
        spent=NOTHING,
        agreement=(),
    )
    return document(again, now=now, unknown=unknown)


def document(state: RunState, *, now: float, unknown: str) -> dict[str, Any]:
    """The run as its readers get it, on SNS and in the bucket.

    Once it is over, ``rows = stored + duplicates + rejected``; ``failed`` of the rejected died on the way to a label.
    """
    top = sorted(
        ((label, rows) for label, rows in state.by_label.items() if label != unknown),
        key=lambda entry: (-entry[1], entry[0]),
    )
    rejects = [
        *([rejects_key(state.run_id)] if state.rows_rejected else []),
        *([dead_rows_key(state.run_id)] if state.rows_dead and state.status != "open" else []),
    ]
    return {
        "version": 1,
        "run_id": state.run_id,
        "revision": state.revision,
        "status": state.status,
        "task": state.task,
        "bucket": state.bucket,
        "key": state.key,
        "problem": state.problem,
        "rows": state.rows_read,
        "stored": state.stored,
        "duplicates": state.duplicates,
        "rejected": state.rows_rejected + state.rows_dead,
        "failed": state.rows_dead,
        "unknown": state.by_label.get(unknown, 0),
        "by_label": dict(sorted(state.by_label.items())),
        "top_categories": [{"category": label, "rows": rows} for label, rows in top[:TOP_CATEGORIES]],
        "rejects": rejects,
        "chunks": {"total": state.total_chunks, "done": state.chunks_done, "dead": state.chunks_dead},
        "tokens": {"calls": state.spent.calls, "input": state.spent.input_tokens, "output": state.spent.output_tokens},
        "encoding": state.encoding,
        "date_order": state.date_order,
        "repeats": state.repeats,
        "seconds": round((state.finished_at or now) - state.started_at, 3),
    }
