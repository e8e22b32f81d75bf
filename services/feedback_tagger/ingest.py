"""From an uploaded file to chunks of checked rows, any number of times with the same outcome.

Reading is deterministic, and how chunks are cut is noted before they go out. So an ingest that crashed goes on where it
was: it sends the chunks under way again, cut alike and under the same numbers, and what was done already is dropped by
the pool.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from services.feedback_tagger.aside import aside
from services.feedback_tagger.batch.lane import BatchLane
from services.feedback_tagger.batch.parts import Framed
from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.headers import Headers
from services.feedback_tagger.domain.reading import Contents, Source
from services.feedback_tagger.domain.run import (
    RunState,
    document,
    rejects_key,
    repeat_document,
    run_document_key,
    run_id,
)
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.unpacking import LARGEST_FILE_BYTES
from services.feedback_tagger.domain.upload import Rejected
from services.feedback_tagger.files.occurrences import counted_occurrences
from services.feedback_tagger.files.quoting import Quoting, Sample
from services.feedback_tagger.files.rejects import RejectList
from services.feedback_tagger.files.spooling import spooled
from services.feedback_tagger.messages.chunk import chunk_as_json, row_as_json
from services.feedback_tagger.messages.uploaded import Uploaded, uploads_in
from services.feedback_tagger.planner.chunks import ChunkLimits, Cut, Sized, chunked
from services.feedback_tagger.planner.lane import LANE_METADATA, wanted_lane
from services.feedback_tagger.planner.prompt import row_tokens
from services.feedback_tagger.planner.quote import Quote
from services.feedback_tagger.results import run_notification
from services.feedback_tagger.store.port import Ingested, NewRun, OpenedRun, RunStore
from services.feedback_tagger.tasks import TASKS, Tasks
from services.feedback_tagger.tasks.task import Task
from shared import tracing
from shared.backoff import Uniform
from shared.clock import Now
from shared.errors import BadInput
from shared.logs import about, logger
from shared.notifications.port import Notifications
from shared.queue.message import DeadLetter, GiveBack, Message, Outgoing, Settlement
from shared.queue.port import Queue
from shared.queue.sending import send_all

log = logger("ingest")

SPOOL_BYTES = 8 * 1024 * 1024
# A quarter of an SQS message of 1 MiB: the text of a dead letter's reason and attributes must still fit beside it.
CHUNK_BYTES = 200 * 1024
NOTHING_READ = Ingested()
# Five batches of ten: enough to keep several sends under way, few enough to hold in memory.
CHUNKS_AT_ONCE = 50
# Two tasks at one file is rare and over soon: one of them is slow, or stopped, and its message came again.
OVERTAKEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """The handler of feedback-files."""

    store: RunStore = field(repr=False)
    bucket: Bucket = field(repr=False)
    chunks: Queue = field(repr=False)
    notifications: Notifications = field(repr=False)
    rows_per_prompt: int
    tokens_per_prompt: int = 0
    headers: Headers = field(default_factory=Headers)
    quoting: Quoting | None = None
    batch: BatchLane | None = None
    largest_file_bytes: int = LARGEST_FILE_BYTES
    now: Now = field(repr=False)
    uniform: Uniform = field(repr=False)
    tasks: Tasks = field(default=TASKS, repr=False)

    async def handle(self, message: Message) -> Settlement | None:
        """None, or a give-back if another task is at one of the files: then all of them are looked at again."""
        settlements = [await self._ingest(uploaded) for uploaded in self._uploads(message)]
        return next((settlement for settlement in settlements if settlement is not None), None)

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
                self.tasks.of_upload(uploaded.key)
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
                task=self.tasks.of_upload(uploaded.key).name,
                rows_per_chunk=self.rows_per_prompt,
                tokens_per_chunk=self.tokens_per_prompt,
                sequencer=uploaded.sequencer,
            )
        )

    async def _ingest(self, uploaded: Uploaded) -> Settlement | None:
        opened = await self._open(uploaded)
        run = opened.state.run_id
        about(run_id=run)
        if opened.repeated:
            await self._answer_repeat(opened.state, uploaded.sequencer)
            return None
        if opened.ingested:
            log.info("file_again", run_id=run)
            return None
        with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            file = cast(BinaryIO, spool)
            try:
                damage = await spooled(self.bucket, uploaded, file, at_most_bytes=self.largest_file_bytes)
                contents, quote = await self._survey(opened, file, breaks_off=bool(damage))
            except UnusableFile as unusable:
                await self._end_without_rows(opened, str(unusable))
                return None
            if quote is not None and self.batch is not None:
                quote = await self._with_lane(self.batch, quote, opened, uploaded)
            progress = Ingested(
                encoding=contents.encoding,
                date_order=contents.date_order,
                # With the trace that the file came in under: its end, a loop of its own, knows it by nothing else.
                quote=json.dumps({**quote.as_document(), **tracing.carrier()}) if quote else "",
            )
            if quote is not None and not _is_begun(opened) and (refusal := self._refusal(quote)):
                await self._end_without_rows(opened, refusal, progress)
                return None
            if quote is not None and self.batch is not None and quote.lane == "batch":
                done = await self._write_parts(self.batch, opened, contents, damage, progress)
            else:
                done = await self._send_chunks(opened, contents, damage, progress)
        if done is None:
            log.warning("file_overtaken", run_id=run)
            return GiveBack("another task reads the same file", after=OVERTAKEN_SECONDS)
        log.info(
            "file",
            run_id=run,
            rows=done.rows_read,
            rejected=done.rows_rejected,
            chunks=done.total_chunks,
            chunks_before=opened.chunks_sent,
            encoding=done.encoding,
            problem=done.problem,
        )
        return None

    async def _survey(self, opened: OpenedRun, file: BinaryIO, *, breaks_off: bool) -> tuple[Contents, Quote | None]:
        task = self.tasks.named(opened.state.task)
        source = Source(file=file, key=opened.state.key, headers=self.headers, breaks_off=breaks_off)
        if self.quoting is None:
            return await aside(task.reader, source), None
        sample = Sample(task, rows_per_prompt=opened.rows_per_chunk, prompt_tokens=opened.tokens_per_chunk)
        contents = await aside(task.reader, replace(source, each=sample.add))
        return contents, await self.quoting.quote(task, sample.counts())

    async def _with_lane(self, batch: BatchLane, quote: Quote, opened: OpenedRun, uploaded: Uploaded) -> Quote:
        said: Mapping[str, str] = {}
        if batch.timeout_hours is not None:
            said = await self.bucket.metadata(uploaded.key, version_id=uploaded.version_id)
        task = self.tasks.named(opened.state.task)
        return batch.quoted(quote, opened, task, wanted_lane(said.get(LANE_METADATA)))

    def _refusal(self, quote: Quote) -> str | None:
        return None if self.quoting is None else self.quoting.refusal(quote)

    async def _end_without_rows(self, opened: OpenedRun, problem: str, known: Ingested = NOTHING_READ) -> None:
        run = opened.state.run_id
        if opened.cuts:
            # It could be read when this ingest began: what went out then still counts.
            await self.store.abandon_ingest(run, problem)
        else:
            done = replace(known, problem=problem, total_chunks=0)
            await self.store.note_ingest(run, done, after=opened.chunks_sent)
        log.info("file_unusable", run_id=run, problem=problem)

    async def _send_chunks(
        self, opened: OpenedRun, contents: Contents, damage: str, progress: Ingested
    ) -> Ingested | None:
        """Send what has not been sent; None if another task is ahead.

        How the next chunks are cut is noted before any of them goes out. Whoever takes over sends those again, cut in
        the same places, and none before them.
        """
        run, task = opened.state.run_id, self.tasks.named(opened.state.task)
        noted = number = opened.chunks_sent
        before, at_once = (opened.cuts[0], len(opened.cuts) - 1) if opened.cuts else (0, CHUNKS_AT_ONCE)
        limits = ChunkLimits(rows=opened.rows_per_chunk, bytes=CHUNK_BYTES, tokens=opened.tokens_per_chunk)
        with (
            SpooledTemporaryFile(max_size=SPOOL_BYTES) as rejects_file,
            counted_occurrences() as occurrence,
            closing(contents.rows(occurrence)) as entries,
        ):
            tally = _Tally(RejectList(cast(BinaryIO, rejects_file)), task)
            chunks = chunked(tally.accepted(entries), limits, cuts=opened.cuts)
            while some := await aside(_next_of, chunks, at_once):
                before, cuts = some[-1].end, (before, *(chunk.end for chunk in some))
                progress = replace(
                    progress, rows_read=tally.rows, rows_rejected=tally.rejects.count, chunks_sent=number, cuts=cuts
                )
                if not await self.store.note_ingest(run, progress, after=noted):
                    return None
                await send_all(self.chunks, _messages(run, task, number, some), uniform=self.uniform)
                noted, number, at_once = number, number + len(some), CHUNKS_AT_ONCE
            await self._keep_rejects(run, tally, cast(BinaryIO, rejects_file))
        done = _all_sent(progress, tally, damage, chunks=number)
        return done if await self.store.note_ingest(run, done, after=noted) else None

    async def _write_parts(
        self, batch: BatchLane, opened: OpenedRun, contents: Contents, damage: str, progress: Ingested
    ) -> Ingested | None:
        """Write what no part has yet; None if another task is ahead. The batch loop does the rest.

        How a part is cut is kept with the part itself, so whoever takes over goes on behind the last one.
        """
        run, task = opened.state.run_id, self.tasks.named(opened.state.task)
        limits = ChunkLimits(rows=opened.rows_per_chunk, bytes=CHUNK_BYTES, tokens=opened.tokens_per_chunk)
        # The lane comes first: an ingest that took over in the other one would send the same chunks there.
        noted = opened.chunks_sent
        if not await self.store.note_ingest(run, replace(progress, chunks_sent=noted), after=noted):
            return None
        with (
            SpooledTemporaryFile(max_size=SPOOL_BYTES) as rejects_file,
            counted_occurrences() as occurrence,
            closing(contents.rows(occurrence)) as entries,
        ):
            tally = _Tally(RejectList(cast(BinaryIO, rejects_file)), task)
            async with batch.begun(run, task, await self._taxonomy(run, task)) as parts:
                number = parts.chunks
                chunks = chunked(tally.accepted(entries), limits, cuts=(parts.place,))
                while some := await aside(_next_of, chunks, CHUNKS_AT_ONCE):
                    bodies = [message.body for message in _messages(run, task, number, some)]
                    framed = [
                        Framed(place, body, cut.end)
                        for place, (body, cut) in enumerate(zip(bodies, some, strict=True), start=number)
                    ]
                    number += len(some)
                    if not await parts.add(framed):
                        return None
                    progress = replace(
                        progress,
                        rows_read=tally.rows,
                        rows_rejected=tally.rejects.count,
                        chunks_sent=parts.chunks,
                        cuts=(parts.place,),
                    )
                    if not await self.store.note_ingest(run, progress, after=noted):
                        return None
                    noted = parts.chunks
                if not await parts.finish():
                    return None
            await self._keep_rejects(run, tally, cast(BinaryIO, rejects_file))
        done = _all_sent(progress, tally, damage, chunks=number)
        return done if await self.store.note_ingest(run, done, after=noted) else None

    async def _taxonomy(self, run: str, task: Task) -> Taxonomy:
        assert self.quoting is not None  # Without a quote no file takes the batch lane.
        return await self.quoting.shown(task, run)

    async def _keep_rejects(self, run: str, tally: "_Tally", file: BinaryIO) -> None:
        tally.rejects.finish()
        if tally.rejects.count:
            await self.bucket.put_file(rejects_key(run), file, content_type="text/csv; charset=utf-8")

    async def _answer_repeat(self, state: RunState, sequencer: str) -> None:
        """Say that nothing was added. The bucket goes on showing what the run itself came to, with one repeat more."""
        unknown = self.tasks.fallback_of(state.task)
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
    task: Task
    rows: int = 0

    def accepted(self, entries: Iterator[Row | Rejected]) -> Iterator[Sized[str]]:
        question = self.task.question
        for entry in entries:
            self.rows += 1
            if isinstance(entry, Rejected):
                self.rejects.add(entry.line, entry.fault.column, entry.fault.reason)
            else:
                text = row_as_json(entry)
                size = len(text) if text.isascii() else len(text.encode())
                yield Sized(text, self.rows, size, row_tokens(question(entry.feedback)))


def _is_begun(opened: OpenedRun) -> bool:
    """Whether rows of it are on their way to the model: what was begun goes on, its first rows are paid for."""
    return bool(opened.cuts) or opened.state.expected.get("lane") == "batch"


def _all_sent(progress: Ingested, tally: _Tally, damage: str, *, chunks: int) -> Ingested:
    return replace(
        progress,
        problem=damage or _problem(tally),
        rows_read=tally.rows,
        rows_rejected=tally.rejects.count,
        chunks_sent=chunks,
        total_chunks=chunks,
    )


def _next_of(chunks: Iterator[Cut[str]], at_most: int) -> list[Cut[str]]:
    return list(islice(chunks, at_most))


def _messages(run: str, task: Task, first: int, chunks: Sequence[Cut[str]]) -> list[Outgoing]:
    return [
        # The group keeps runs fair to each other on a standard queue.
        Outgoing(body=chunk_as_json(run_id=run, task=task.name, number=number, rows=chunk.rows), group_id=run)
        for number, chunk in enumerate(chunks, start=first)
    ]


def _problem(tally: _Tally) -> str:
    if not tally.rows:
        return "has a header line and no rows"
    if tally.rejects.count == tally.rows:
        return f"has no usable row among its {tally.rows}; the list of rejects says what is wrong with each"
    return ""
