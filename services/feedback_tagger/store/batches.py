"""The promise of what is kept of batch jobs: which parts of a run's file they hold, and how far each is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

PartState: TypeAlias = Literal["written", "submitted", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPart:
    """Chunks ``first_chunk`` and on of a run, ``chunks`` of them, as objects under ``prefix``.

    ``last_place``: how many rows of the file, rejects counted, have passed when the part ends. ``nano_usd`` is what its
    job may cost by estimate, 0 where nobody knows a price.
    """

    run_id: str
    part: int
    model_id: str
    prefix: str
    first_chunk: int
    chunks: int
    last_place: int
    records: int
    nano_usd: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``status`` is the service's word for the job, ``reason`` why it did not do (all of) its work. ``processed``,
    ``succeeded`` and ``failed`` count records; ``merged`` chunks are seen to, ``asked_again`` of them by messages.
    ``spent_day`` is the day whose budget holds what the job may cost."""

    state: PartState = "written"
    job_arn: str = ""
    status: str = ""
    reason: str = ""
    processed: int = 0
    succeeded: int = 0
    failed: int = 0
    merged: int = 0
    asked_again: int = 0
    spent_day: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(NewPart):
    """``age_seconds`` since the job was created, or before that the part."""

    progress: Progress
    age_seconds: float


def as_document(part: Part) -> dict[str, Any]:
    """The part as a run's document shows it."""
    progress = part.progress
    return {
        "part": part.part,
        "state": progress.state,
        "job_arn": progress.job_arn,
        "status": progress.status,
        "reason": progress.reason,
        "records": {
            "total": part.records,
            "processed": progress.processed,
            "succeeded": progress.succeeded,
            "failed": progress.failed,
        },
        "chunks": {"total": part.chunks, "merged": progress.merged, "asked_again": progress.asked_again},
    }


class BatchStore(Protocol):
    """Raises TransientError and PermanentError as the other stores do. Times are the database's own."""

    async def add(self, part: NewPart) -> bool:
        """False, and nothing changed, if the run has this part already: another ingest was first."""
        ...

    async def parts(self, run_id: str) -> Sequence[Part]:
        """In order."""
        ...

    async def take_due(self, *, hold_seconds: float) -> Part | None:
        """A part that is not ended and whose time has come, nobody else's for ``hold_seconds``."""
        ...

    async def note(self, run_id: str, part: int, progress: Progress, *, look_in: float) -> bool:
        """Overwrite how far the part is; False, and nothing changed, if it has ended. It is due in ``look_in``
        seconds. ``merged`` never shrinks, a submitted part is never merely written again, and a job's name and day,
        once known, stay."""
        ...
