"""A run is one uploaded file: what it is called, when it is over, and how it ended.

The command line computes ``run_id`` from what S3 answered to the upload, and reads ``run_document_key`` to follow it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from services.feedback_tagger.domain.spent import NANO, NOTHING, Agreement, Spent

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
    label and got none, alone or with their dead-lettered chunk; ``chunks_lost`` of the dead ones were sent and never
    seen again, so that nobody knows which rows they held, only how many rows are missing altogether.
    ``by_label`` counts the run's stored rows by their answer; ``known`` of them got it without a model. ``quote`` is
    what ingest expected, as JSON text: its ``nano_usd`` and ``tier`` are shown beside what came of it.
    ``total_chunks`` is None until ingest is done. ``repeats`` counts uploads of the same object after the first.
    ``waiting_until``: no earlier than then will its chunks be asked about again, because a budget is used up.
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
    chunks_lost: int = 0
    stored: int = 0
    duplicates: int = 0
    rows_dead: int = 0
    known: int = 0
    by_label: Mapping[str, int] = field(default_factory=dict)
    spent: Spent = NOTHING
    agreement: Sequence[Agreement] = ()
    repeats: int = 0
    quote: str = ""
    waiting_until: float | None = None

    @property
    def rows_failed(self) -> int:
        """Rows that were sent for a label and got none; of lost chunks, what the file is short of.

        A lost chunk that turns up after all is counted as what it is, and the shortage shrinks by its rows.
        """
        lost = self.rows_read - self.rows_rejected - self.stored - self.duplicates - self.rows_dead
        return self.rows_dead + (max(0, lost) if self.chunks_lost else 0)

    @property
    def expected(self) -> Mapping[str, Any]:
        """The quote as it was made; empty if none was, or by a build that wrote it in another way."""
        try:
            quote = json.loads(self.quote or "{}")
        except ValueError:
            return {}
        return quote if isinstance(quote, dict) else {}

    @property
    def shortage(self) -> str:
        """What to say of lost chunks; empty if there are none."""
        if not self.chunks_lost:
            return ""
        lost = self.rows_failed - self.rows_dead
        return f"lost {lost} rows in {self.chunks_lost} chunks on the way to the model; upload the file again"

    @property
    def adds_up(self) -> bool:
        """Every row that was read is stored, a duplicate, or rejected."""
        return self.rows_read == self.stored + self.duplicates + self.rows_rejected + self.rows_failed


def outcome(state: RunState) -> RunStatus:
    """failed: the file was not read or not worked on to its end, nothing of it is in the store, or over a fifth of its
    rows died unlabelled; partial: a row is missing from the store; complete: every row is there.

    What it cost changes nothing: a run whose model has no price is as complete as any.
    """
    in_store = state.stored + state.duplicates
    if state.problem or in_store == 0 or state.rows_failed > FAILED_SHARE * state.rows_read:
        return "failed"
    return "partial" if state.rows_rejected + state.rows_failed else "complete"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a report says beside the run's own figures: the prices' date, how many rows it puts into one prompt, and
    which model is asked.

    All are empty where whoever reports does not ask the model.
    """

    prices_as_of: str = ""
    rows_per_prompt: int | None = None
    model_id: str = ""


def repeat_document(state: RunState, *, now: float, unknown: str, terms: Terms = Terms()) -> dict[str, Any]:
    """What a later upload of the same object came to: every row is there already, nothing was added."""
    again = replace(
        state,
        repeats=state.repeats + 1,
        stored=0,
        duplicates=state.stored + state.duplicates,
        known=0,
        by_label={},
        spent=NOTHING,
        agreement=(),
        quote="",
    )
    return document(again, now=now, unknown=unknown, terms=terms)


def document(
    state: RunState,
    *,
    now: float,
    unknown: str,
    terms: Terms = Terms(),
    batch: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The run as its readers get it, on SNS and in the bucket; ``batch`` are its parts if it is asked by batch jobs.

    Once it is over, ``rows = stored + duplicates + rejected``; ``failed`` of the rejected died on the way to a label.
    """
    top = sorted(
        ((label, rows) for label, rows in state.by_label.items() if label != unknown),
        key=lambda entry: (-entry[1], entry[0]),
    )
    rejects = [
        *([rejects_key(state.run_id)] if state.rows_rejected else []),
        *([dead_rows_key(state.run_id)] if state.rows_failed and state.status != "open" else []),
    ]
    return {
        "version": 1,
        "run_id": state.run_id,
        "revision": state.revision,
        "status": state.status,
        "task": state.task,
        "bucket": state.bucket,
        "key": state.key,
        "problem": state.problem or state.shortage,
        "rows": state.rows_read,
        "stored": state.stored,
        "duplicates": state.duplicates,
        "rejected": state.rows_rejected + state.rows_failed,
        "failed": state.rows_failed,
        "unknown": state.by_label.get(unknown, 0),
        "by_label": dict(sorted(state.by_label.items())),
        "answers": {"model": state.stored - state.known, "known": state.known},
        "top_categories": [{"category": label, "rows": rows} for label, rows in top[:TOP_CATEGORIES]],
        "rejects": rejects,
        "chunks": {
            "total": state.total_chunks,
            "done": state.chunks_done,
            "dead": state.chunks_dead,
            "lost": state.chunks_lost,
        },
        "tokens": {
            "calls": state.spent.calls,
            "input": state.spent.input_tokens,
            "output": state.spent.output_tokens,
            "cache_read": state.spent.cache_read_tokens,
            "cache_write": state.spent.cache_write_tokens,
        },
        "throttles": state.spent.throttles,
        "cost": _cost(state, terms),
        "model": terms.model_id or None,
        "tier": str(state.expected.get("tier", "default")),
        "lane": str(state.expected.get("lane", "realtime")),
        "batch": [dict(part) for part in batch],
        "rows_per_prompt": terms.rows_per_prompt,
        "agreement": [_agreement(each) for each in sorted(state.agreement, key=lambda each: -each.rows_per_prompt)],
        "waiting_until": _moment(state.waiting_until) if _is_waiting(state, now) else None,
        "encoding": state.encoding,
        "date_order": state.date_order,
        "repeats": state.repeats,
        "seconds": round((state.finished_at or now) - state.started_at, 3),
    }


def _cost(state: RunState, terms: Terms) -> dict[str, Any]:
    """``usd`` is None where no call has a price: unknown is not free. ``quoted_usd`` was said before."""
    spent = state.spent
    known = spent.calls == 0 or spent.unpriced_calls < spent.calls
    quoted = state.expected.get("nano_usd")
    return {
        "usd": spent.nano_usd / NANO if known else None,
        "unpriced_calls": spent.unpriced_calls,
        "prices_as_of": terms.prices_as_of,
        "quoted_usd": quoted / NANO if isinstance(quoted, int) else None,
    }


def _agreement(each: Agreement) -> dict[str, Any]:
    return {
        "rows_per_prompt": each.rows_per_prompt,
        "checked": each.checked,
        "agreed": each.agreed,
        "share": round(each.agreed / each.checked, 4) if each.checked else None,
    }


def _is_waiting(state: RunState, now: float) -> bool:
    return state.status == "open" and state.waiting_until is not None and state.waiting_until > now


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
