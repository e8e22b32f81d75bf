"""From an uploaded file to chunks of checked rows, any number of times with the same outcome.

Reading is deterministic and a run keeps the chunk size it began with, so an ingest that crashed and starts over sends
the same chunks under the same numbers; those that are done already are dropped by the pool.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, TypeVar, cast

from services.feedback_tagger.bucket.port import Bucket, ObjectGone
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.run import (
    RunState,
    document,
    rejects_key,
    repeat_document,
    run_document_key,
    run_id,
)
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.upload import Rejected, Survey, rows_of, surveyed
from services.feedback_tagger.messages.chunk import chunk_as_json, row_as_json
from services.feedback_tagger.messages.uploaded import Uploaded, uploads_in
from services.feedback_tagger.occurrences import counted_occurrences
from services.feedback_tagger.planner.batch import chunked
from services.feedback_tagger.rejects import RejectList
from services.feedback_tagger.results import run_notification
from services.feedback_tagger.store.port import Ingested, NewRun, OpenedRun, RunStore
from services.feedback_tagger.tasks import task_named, task_of_upload
from shared.backoff import Uniform
from shared.clock import Now
from shared.errors import BadInput
from shared.logs import logger
from shared.notifications.port import Notifications
from shared.queue.message import DeadLetter, Message, Outgoing
from shared.queue.port import Queue
from shared.queue.sending import send_all

log = logger("ingest")

T = TypeVar("T")

SPOOL_BYTES = 8 * 1024 * 1024
# A quarter of an SQS message of 1 MiB: the text of a dead letter's reason and attributes must still fit beside it.
CHUNK_BYTES = 200 * 1024
# Five batches of ten: enough to keep several sends under way, few enough to hold in memory.
CHUNKS_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """The handler of feedback-files."""

    store: RunStore = field(repr=False)
    bucket: Bucket = field(repr=False)
    chunks: Queue = field(repr=False)
    notifications: Notifications = field(repr=False)
    rows_per_prompt: int
    now: Now = field(repr=False)
    uniform: Uniform = field(repr=False)

    async def handle(self, message: Message) -> None:
        for uploaded in self._uploads(message):
            await self._ingest(uploaded)

    async def bury(self, message: Message, letter: DeadLetter) -> None:
        """A notification on its way to the dead letters: its runs end with what was sent so far, and say why."""
        try:
            uploads = self._uploads(message)
        except BadInput:
            return  # No upload of ours, so there is no run.
        for uploaded in uploads:
            opened = await self._open(uploaded)
            if not opened.ingested:
                await self.store.abandon_ingest(opened.state.run_id, f"could not be read to its end: {letter.reason}")

    def _uploads(self, message: Message) -> list[Uploaded]:
        uploads = uploads_in(message.body)
        for uploaded in uploads:
            if uploaded.bucket != self.bucket.name:
                problem = f"is {uploaded.bucket!r}, not this service's bucket"
                raise BadInput(field="bucket", problem=problem, remedy=f"upload to {self.bucket.name}")
            try:
                task_of_upload(uploaded.key)
            except KeyError:
                raise BadInput(
                    field="key", problem="is outside the prefixes for uploads", remedy="upload under uploads/"
                ) from None
        return uploads

    async def _open(self, uploaded: Uploaded) -> OpenedRun:
        return await self.store.open_run(
            NewRun(
                run_id=run_id(uploaded.bucket, uploaded.key, etag=uploaded.etag, version_id=uploaded.version_id),
                bucket=uploaded.bucket,
                key=uploaded.key,
                task=task_of_upload(uploaded.key).name,
                rows_per_chunk=self.rows_per_prompt,
                sequencer=uploaded.sequencer,
            )
        )

    async def _ingest(self, uploaded: Uploaded) -> None:
        opened = await self._open(uploaded)
        run = opened.state.run_id
        if opened.repeated:
            await self._answer_repeat(opened.state, uploaded.sequencer)
            return
        if opened.ingested:
            log.info("file_again", run_id=run)
            return
        with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            file = cast(BinaryIO, spool)
            try:
                await self._download(uploaded, file)
                survey = await _in_thread(lambda: surveyed(file))
            except UnusableFile as unusable:
                done = Ingested(problem=str(unusable), total_chunks=0)
            else:
                done = await self._send_chunks(opened, file, survey)
        await self.store.note_ingest(run, done)
        log.info(
            "file",
            run_id=run,
            rows=done.rows_read,
            rejected=done.rows_rejected,
            chunks=done.total_chunks,
            encoding=done.encoding,
            problem=done.problem,
        )

    async def _download(self, uploaded: Uploaded, file: BinaryIO) -> None:
        try:
            async with self.bucket.open(uploaded.key, version_id=uploaded.version_id) as found:
                if uploaded.etag and found.etag != uploaded.etag:
                    raise UnusableFile("was replaced before it was read; the later upload is a run of its own")
                async for block in found.blocks:
                    file.write(block)
        except ObjectGone:
            raise UnusableFile("was deleted before it was read; upload it again") from None
        file.seek(0)

    async def _send_chunks(self, opened: OpenedRun, file: BinaryIO, survey: Survey) -> Ingested:
        run, task = opened.state.run_id, task_named(opened.state.task)
        progress = Ingested(
            encoding=survey.encoding.name, date_order=f"{survey.dates.order.value}: {survey.dates.because}"
        )
        with (
            SpooledTemporaryFile(max_size=SPOOL_BYTES) as rejects_file,
            counted_occurrences() as occurrence,
            closing(rows_of(file, survey, occurrence)) as entries,
        ):
            tally = _Tally(RejectList(cast(BinaryIO, rejects_file)))
            chunks = chunked(
                tally.accepted(entries),
                at_most_rows=opened.rows_per_chunk,
                at_most_bytes=CHUNK_BYTES,
                size_of=lambda text: len(text.encode()),
            )
            while some := await _in_thread(lambda: list(islice(chunks, CHUNKS_AT_ONCE))):
                messages = [
                    # The group keeps runs fair to each other on a standard queue.
                    Outgoing(body=chunk_as_json(run_id=run, task=task.name, number=number, rows=rows), group_id=run)
                    for number, rows in enumerate(some, start=progress.chunks_sent)
                ]
                await send_all(self.chunks, messages, uniform=self.uniform)
                progress = replace(
                    progress,
                    rows_read=tally.rows,
                    rows_rejected=tally.rejects.count,
                    chunks_sent=progress.chunks_sent + len(some),
                )
                await self.store.note_ingest(run, progress)
            tally.rejects.finish()
            if tally.rejects.count:
                await self.bucket.put_file(
                    rejects_key(run), cast(BinaryIO, rejects_file), content_type="text/csv; charset=utf-8"
                )
        return replace(
            progress,
            problem=_problem(tally),
            rows_read=tally.rows,
            rows_rejected=tally.rejects.count,
            total_chunks=progress.chunks_sent,
        )

    async def _answer_repeat(self, state: RunState, sequencer: str) -> None:
        """Say that nothing was added. The bucket goes on showing what the run itself came to, with one repeat more."""
        unknown = task_named(state.task).fallback
        answer = repeat_document(state, now=self.now(), unknown=unknown)
        shown = document(replace(state, repeats=answer["repeats"]), now=self.now(), unknown=unknown)
        body = json.dumps(shown, ensure_ascii=False).encode()
        await self.bucket.put(run_document_key(state.run_id), body, content_type="application/json")
        await self.notifications.publish(run_notification(answer, notification_id=f"{state.run_id}:{sequencer}"))
        # Last, or a crash would leave an upload without an answer.
        await self.store.note_repeat(state.run_id, sequencer)
        log.info("file_repeated", run_id=state.run_id, duplicates=answer["duplicates"])


@dataclass(slots=True)
class _Tally:
    """Counts rows on their way from the file to the chunks, and lists those that stay behind."""

    rejects: RejectList
    rows: int = 0

    def accepted(self, entries: Iterator[Row | Rejected]) -> Iterator[str]:
        for entry in entries:
            self.rows += 1
            if isinstance(entry, Rejected):
                self.rejects.add(entry.line, entry.fault.column, entry.fault.reason)
            else:
                yield row_as_json(entry)


def _problem(tally: _Tally) -> str:
    if not tally.rows:
        return "has a header line and no rows"
    if tally.rejects.count == tally.rows:
        return f"has no usable row among its {tally.rows}; the list of rejects says what is wrong with each"
    return ""


async def _in_thread(work: Callable[[], T]) -> T:
    """Run ``work`` beside the event loop, which has heartbeats to send meanwhile.

    A cancelled caller still waits for it: the thread would go on with files that the caller closes.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise
