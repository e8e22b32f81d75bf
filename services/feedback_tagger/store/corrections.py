"""The promise of what is kept of corrections, whichever database is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.feedback_tagger.domain.accuracy import Judged
from services.feedback_tagger.domain.correction_file import Correction
from services.feedback_tagger.domain.corrections import CorrectionsState
from services.feedback_tagger.domain.upload import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUpload:
    """``sequencer`` tells one upload of an object from another; ``principal`` is who uploaded it, by S3."""

    upload_id: str
    bucket: str
    key: str
    sequencer: str
    principal: str


class CorrectionStore(Protocol):
    """Raises TransientError and PermanentError as the other stores do. Times are the database's own."""

    async def open(self, upload: NewUpload) -> CorrectionsState:
        """Begin it unless it is there. One that has ended begins anew, a revision on, when its object was uploaded
        again since; a notification that comes again begins nothing."""
        ...

    async def apply(self, state: CorrectionsState, lines: Sequence[Correction | Rejected]) -> CorrectionsState | None:
        """See to the next lines of the file, their rows, rejects and counts in one transaction.

        None, and nothing changed, if the upload is not where ``state`` says any more: another task is at it.
        """
        ...

    async def finish(self, state: CorrectionsState, *, encoding: str, problem: str) -> CorrectionsState | None:
        """All lines have been seen to, or none can be read: the upload has its status. None as for ``apply``."""
        ...

    async def announced(self, state: CorrectionsState) -> None:
        """Whoever waits for this revision has been told."""
        ...

    async def rejects(self, state: CorrectionsState, *, after: int, at_most: int) -> list[tuple[int, str, str]]:
        """Line, column and reason of rejected lines behind line ``after``, in order."""
        ...

    async def judged(self) -> list[Judged]:
        """How the labels that rows had compare with what people made of them."""
        ...
