"""Ingest on doubles in memory that keep their promises, and crash where a test says."""

import csv
import gzip
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.bucket.port import OpenObject
from services.feedback_tagger.domain.run import RunState
from services.feedback_tagger.ingest import Ingest
from services.feedback_tagger.messages.chunk import Chunk, read_chunk
from services.feedback_tagger.store.port import Ingested, NewRun, OpenedRun, OpenRun
from shared.notifications.memory import MemoryNotifications
from shared.queue.memory import MemoryQueue
from shared.queue.message import Message, Outgoing, Settlement
from shared.queue.port import Failed


class Crash(BaseException):
    """The process is gone: nothing may catch this, as nothing catches a kill."""


@dataclass(slots=True)
class Strikes:
    """Counts the moments around every effect outside the process, and crashes at the ``at``-th (0: never)."""

    at: int = 0
    moments: int = 0

    def moment(self) -> None:
        self.moments += 1
        if self.moments == self.at:
            raise Crash


@dataclass(slots=True)
class MemoryRuns:
    """What ingest needs of the RunStore port."""

    strikes: Strikes
    opened: dict[str, OpenedRun] = field(default_factory=dict)
    noted: dict[str, Ingested] = field(default_factory=dict)
    notes: int = 0

    async def open_run(self, run: NewRun) -> OpenedRun:
        self.strikes.moment()
        state = RunState(
            run_id=run.run_id, bucket=run.bucket, key=run.key, task=run.task, status="open", revision=1, started_at=0.0
        )
        fresh = OpenedRun(
            rows_per_chunk=run.rows_per_chunk,
            tokens_per_chunk=run.tokens_per_chunk,
            ingested=False,
            repeated=False,
            state=state,
        )
        opened = self.opened.setdefault(run.run_id, fresh)
        self.strikes.moment()
        noted = self.noted.get(run.run_id, Ingested())
        return replace(
            opened, ingested=noted.total_chunks is not None, chunks_sent=noted.chunks_sent, cuts=tuple(noted.cuts)
        )

    async def note_ingest(self, run_id: str, progress: Ingested, *, after: int | None = None) -> bool:
        self.strikes.moment()
        noted = self.noted.get(run_id, Ingested())
        if noted.total_chunks is not None or (after is not None and after != noted.chunks_sent):
            return False
        self.noted[run_id] = progress
        self.notes += 1
        self.strikes.moment()
        return True

    async def abandon_ingest(self, run_id: str, problem: str) -> None:
        noted = self.noted.get(run_id, Ingested())
        if noted.total_chunks is None:
            self.noted[run_id] = replace(noted, problem=problem, total_chunks=noted.chunks_sent)

    async def note_repeat(self, run_id: str, sequencer: str) -> None:
        raise NotImplementedError

    async def open_runs(self) -> list[OpenRun]:
        raise NotImplementedError

    async def run_state(self, run_id: str) -> RunState | None:
        raise NotImplementedError

    async def claim_report(self, run_id: str, *, every_seconds: float) -> bool:
        raise NotImplementedError

    async def close_if_ready(self, run_id: str) -> bool:
        raise NotImplementedError

    async def claim_announcement(self, *, claim_seconds: float) -> RunState | None:
        raise NotImplementedError

    async def announced(self, run_id: str, *, revision: int) -> None:
        raise NotImplementedError

    async def dead_rows(self, run_id: str) -> list[tuple[int, str]]:
        raise NotImplementedError


class CrashingBucket(MemoryBucket):
    strikes: Strikes
    blocks_read: int

    @asynccontextmanager
    async def open(self, key: str, *, version_id: str | None) -> AsyncIterator[OpenObject]:
        self.strikes.moment()
        async with MemoryBucket.open(self, key, version_id=version_id) as found:

            async def blocks() -> AsyncIterator[bytes]:
                async for block in found.blocks:
                    self.blocks_read += 1
                    yield block

            yield replace(found, blocks=blocks())

    async def put_file(self, key: str, file: BinaryIO, *, content_type: str) -> None:
        self.strikes.moment()
        await MemoryBucket.put_file(self, key, file, content_type=content_type)
        self.strikes.moment()


class CrashingQueue(MemoryQueue):
    strikes: Strikes
    bodies: list[str]

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        self.strikes.moment()
        # Ten at a time, as SQS takes them: a crash may leave any of the calls undone.
        for start in range(0, len(messages), 10):
            self.bodies.extend(message.body for message in messages[start : start + 10])
            self.strikes.moment()
        return []


@dataclass(slots=True)
class Desk:
    """One bucket, queue and run store, and as many lives of an ingest as a test wants."""

    strikes: Strikes = field(default_factory=Strikes)
    bucket: CrashingBucket = field(init=False)
    queue: CrashingQueue = field(init=False)
    runs: MemoryRuns = field(init=False)
    ingest: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bucket = CrashingBucket()
        self.bucket.strikes, self.bucket.blocks_read = self.strikes, 0
        self.queue = CrashingQueue("chunks")
        self.queue.strikes, self.queue.bodies = self.strikes, []
        self.runs = MemoryRuns(self.strikes)

    def an_ingest(self, **changes: Any) -> Ingest:
        settings: dict[str, Any] = {"rows_per_prompt": 20, **self.ingest, **changes}
        return Ingest(
            store=self.runs,
            bucket=self.bucket,
            chunks=self.queue,
            notifications=MemoryNotifications(),
            now=lambda: 0.0,
            uniform=lambda low, high: low,
            **settings,
        )

    def uploaded(self, name: str, body: bytes) -> Message:
        self.bucket.objects[f"uploads/{name}"] = body
        thing = {"key": f"uploads/{name}", "eTag": self.bucket.etag(f"uploads/{name}"), "sequencer": "1"}
        record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": self.bucket.name}, "object": thing}}
        return Message(
            message_id="m-1",
            receipt_handle="h",
            body=json.dumps({"Records": [record]}),
            receive_count=1,
            sent_at=0,
            first_received_at=0,
            sender_id="s",
        )

    async def read(self, name: str, body: bytes, **changes: Any) -> Settlement | None:
        """Upload and ingest a file."""
        return await self.an_ingest(**changes).handle(self.uploaded(name, body))

    @property
    def chunks(self) -> list[Chunk]:
        """In the order sent, repeats included."""
        return [read_chunk(body) for body in self.queue.bodies]

    @property
    def texts(self) -> list[str]:
        """The feedback of every row that was sent, in the order of the chunks, repeats of a chunk left out."""
        by_number = {chunk.number: chunk for chunk in self.chunks}
        return [row.feedback.feedback for _, chunk in sorted(by_number.items()) for row in chunk.rows]

    @property
    def outcome(self) -> Ingested:
        """What was noted of the only run."""
        (noted,) = self.runs.noted.values()
        return noted

    @property
    def rejects(self) -> list[list[str]]:
        """Line, column, reason of each reject, as a spreadsheet would show them."""
        found = [body for key, body in self.bucket.objects.items() if key.startswith("rejects/")]
        return [row for body in found for row in list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))[1:]]


def packed(*texts: bytes) -> bytes:
    """gzip, one member a text."""
    return b"".join(gzip.compress(text, mtime=0) for text in texts)
