"""The entrance for files of corrections: line by line into the table, counted truly, told like a run.

Where a file is, the store keeps in the transaction of the lines it has seen to. So whoever takes over after a kill
reads the file again, skips what is done, and goes on.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from services.feedback_tagger.aside import aside
from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.domain.correction_file import Correction, corrections_of, layout_of
from services.feedback_tagger.domain.corrections import (
    CORRECTIONS_PREFIX,
    CorrectionsState,
    corrections_document,
    corrections_document_key,
    corrections_id,
    corrections_rejects_key,
)
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.unpacking import LARGEST_FILE_BYTES
from services.feedback_tagger.domain.upload import Rejected
from services.feedback_tagger.files.rejects import RejectList
from services.feedback_tagger.files.spooling import spooled
from services.feedback_tagger.messages.uploaded import Uploaded
from services.feedback_tagger.store.corrections import CorrectionStore, NewUpload
from shared.clock import Now
from shared.errors import TransientError
from shared.logs import logger
from shared.notifications.port import Notification, Notifications

log = logger("corrections")

SPOOL_BYTES = 8 * 1024 * 1024
LINES_AT_ONCE = 500
"""A transaction: short enough that nobody waits long for its rows, long enough that a million lines take minutes."""
REJECTS_AT_ONCE = 5_000
OVERTAKEN_SECONDS = 30.0
NO_LINES = "has a header line and no corrections"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionFiles:
    """The entrance. ``keep_accuracy`` is called once the corrections of a file are in force."""

    store: CorrectionStore = field(repr=False)
    bucket: Bucket = field(repr=False)
    notifications: Notifications = field(repr=False)
    keep_accuracy: Callable[[], Awaitable[None]] = field(repr=False)
    now: Now = field(repr=False)
    largest_file_bytes: int = LARGEST_FILE_BYTES
    lines_at_once: int = LINES_AT_ONCE

    @property
    def prefix(self) -> str:
        return CORRECTIONS_PREFIX

    async def take(self, uploaded: Uploaded) -> None:
        state = await self._open(uploaded)
        if state.status == "open":
            await self._put_document(state)
            state = await self._correct(uploaded, state)
        if state.announced < state.revision:
            await self._announce(state)

    async def bury(self, uploaded: Uploaded, reason: str) -> None:
        state = await self._open(uploaded)
        if state.status == "open":
            # What was done stays done; uploading the file again sees to the rest.
            problem = f"could not be read to its end: {reason}"
            state = self._ours(await self.store.finish(state, encoding=state.encoding, problem=problem))
        if state.announced < state.revision:
            await self._announce(state)

    async def _open(self, uploaded: Uploaded) -> CorrectionsState:
        upload_id = corrections_id(uploaded.bucket, uploaded.key, etag=uploaded.etag, version_id=uploaded.version_id)
        return await self.store.open(
            NewUpload(
                upload_id=upload_id,
                bucket=uploaded.bucket,
                key=uploaded.key,
                sequencer=uploaded.sequencer,
                principal=uploaded.principal,
            )
        )

    async def _correct(self, uploaded: Uploaded, state: CorrectionsState) -> CorrectionsState:
        encoding = problem = ""
        with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            file = cast(BinaryIO, spool)
            try:
                problem = await spooled(self.bucket, uploaded, file, at_most_bytes=self.largest_file_bytes)
                layout = await aside(layout_of, file)
                encoding = layout.encoding.name
                with closing(corrections_of(file, layout, breaks_off=bool(problem))) as lines:
                    await aside(_skip, lines, state.lines_done)
                    while some := await aside(_next_of, lines, self.lines_at_once):
                        state = self._ours(await self.store.apply(state, some))
                problem = problem or ("" if state.lines_done else NO_LINES)
            except UnusableFile as unusable:
                problem = str(unusable)
        return self._ours(await self.store.finish(state, encoding=encoding, problem=problem))

    def _ours(self, state: CorrectionsState | None) -> CorrectionsState:
        if state is None:
            # Two tasks at one file is rare and over soon; each line is still seen to once.
            raise TransientError("another task is at the same file of corrections", retry_after=OVERTAKEN_SECONDS)
        return state

    async def _announce(self, state: CorrectionsState) -> None:
        if state.rejected:
            await self._put_rejects(state)
        await self.keep_accuracy()
        await self._put_document(state)
        document = corrections_document(state, now=self.now())
        await self.notifications.publish(
            Notification(
                notification_id=f"{state.upload_id}:{state.revision}",
                subject=f"Corrections {state.status}: {document['changed'] + document['cleared']} changed,"
                f" {document['unchanged']} as they were, {document['rejected']} rejected",
                body=json.dumps(document, ensure_ascii=False),
                attributes={"corrections_id": state.upload_id, "status": state.status, "task": "corrections"},
            )
        )
        # Last, or a crash would leave an upload without an answer.
        await self.store.announced(state)
        counts = ("status", "lines", "changed", "cleared", "unchanged", "not_found", "invalid", "revision", "problem")
        log.info("corrections", corrections_id=state.upload_id, **{name: document[name] for name in counts})

    async def _put_rejects(self, state: CorrectionsState) -> None:
        with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            file = cast(BinaryIO, spool)
            rejects, after = RejectList(file), 0
            while some := await self.store.rejects(state, after=after, at_most=REJECTS_AT_ONCE):
                for line, column, reason in some:
                    rejects.add(line, column, reason)
                after = some[-1][0]
            rejects.finish()
            key = corrections_rejects_key(state.upload_id)
            await self.bucket.put_file(key, file, content_type="text/csv; charset=utf-8")

    async def _put_document(self, state: CorrectionsState) -> None:
        body = json.dumps(corrections_document(state, now=self.now()), ensure_ascii=False).encode()
        key = corrections_document_key(state.upload_id)
        await self.bucket.put(key, body, content_type="application/json")


def _skip(lines: Iterator[Correction | Rejected], number: int) -> None:
    next(islice(lines, number, number), None)


def _next_of(lines: Iterator[Correction | Rejected], at_most: int) -> Sequence[Correction | Rejected]:
    return list(islice(lines, at_most))
