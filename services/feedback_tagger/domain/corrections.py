"""An upload of corrections: what it is called, how far it is, how it ended, and what its readers get.

Its status follows the rule of runs: a correction in force is a row in the store.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from services.feedback_tagger.domain.run import (
    REJECTS_PREFIX,
    RUNS_PREFIX,
    UPLOADS_PREFIX,
    RunState,
    RunStatus,
    outcome,
)

CORRECTIONS_PREFIX = f"{UPLOADS_PREFIX}corrections/"

Fate: TypeAlias = Literal["changed", "cleared", "unchanged", "not_found", "invalid"]


def corrections_id(bucket: str, key: str, *, etag: str, version_id: str | None = None) -> str:
    """The same for every notification about one object version, as a run's."""
    version = version_id if version_id not in (None, "", "null") else etag.strip('"')
    return "corrections-" + hashlib.sha256(f"{bucket}\n{key}\n{version}".encode()).hexdigest()[:24]


def corrections_document_key(upload_id: str) -> str:
    return f"{RUNS_PREFIX}{upload_id}.json"


def corrections_rejects_key(upload_id: str) -> str:
    return f"{REJECTS_PREFIX}{upload_id}/lines.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionsState:
    """``lines_done`` lines have been seen to, and are counted below; ``cleared`` took a correction back. A later upload
    of the same object is a ``revision`` of its own, counted anew. ``announced`` is the last one that was told."""

    upload_id: str
    bucket: str
    key: str
    principal: str = ""
    status: RunStatus = "open"
    revision: int = 1
    announced: int = 0
    problem: str = ""
    encoding: str = ""
    lines_done: int = 0
    changed: int = 0
    cleared: int = 0
    unchanged: int = 0
    not_found: int = 0
    invalid: int = 0
    by_label: Mapping[str, int] = field(default_factory=dict)
    started_at: float = 0.0
    finished_at: float | None = None

    @property
    def rejected(self) -> int:
        return self.not_found + self.invalid


def corrections_outcome(state: CorrectionsState) -> RunStatus:
    """The rule of runs: failed if nothing is in force, or over a fifth of the lines found no row; partial if a line was
    rejected; else complete."""
    as_run = RunState(
        run_id=state.upload_id,
        bucket=state.bucket,
        key=state.key,
        task="corrections",
        status="open",
        revision=state.revision,
        started_at=state.started_at,
        problem=state.problem,
        rows_read=state.lines_done,
        rows_rejected=state.invalid,
        stored=state.changed + state.cleared,
        duplicates=state.unchanged,
        rows_dead=state.not_found,
    )
    return outcome(as_run)


def counted(state: CorrectionsState, fates: Mapping[Fate, int], labels: Mapping[str, int]) -> CorrectionsState:
    """``state`` with some more lines seen to."""
    return replace(
        state,
        lines_done=state.lines_done + sum(fates.values()),
        changed=state.changed + fates.get("changed", 0),
        cleared=state.cleared + fates.get("cleared", 0),
        unchanged=state.unchanged + fates.get("unchanged", 0),
        not_found=state.not_found + fates.get("not_found", 0),
        invalid=state.invalid + fates.get("invalid", 0),
        by_label={label: state.by_label.get(label, 0) + labels.get(label, 0) for label in {**state.by_label, **labels}},
    )


def corrections_document(state: CorrectionsState, *, now: float) -> dict[str, Any]:
    """``lines = changed + cleared + unchanged + rejected``, and ``rejected = not_found + invalid``."""
    return {
        "version": 1,
        "corrections_id": state.upload_id,
        "revision": state.revision,
        "status": state.status,
        "bucket": state.bucket,
        "key": state.key,
        "principal": state.principal,
        "problem": state.problem,
        "lines": state.lines_done,
        "changed": state.changed,
        "cleared": state.cleared,
        "unchanged": state.unchanged,
        "rejected": state.rejected,
        "not_found": state.not_found,
        "invalid": state.invalid,
        "by_label": dict(sorted(state.by_label.items())),
        "rejects": [corrections_rejects_key(state.upload_id)] if state.rejected else [],
        "encoding": state.encoding,
        "seconds": round((state.finished_at or now) - state.started_at, 3),
    }
