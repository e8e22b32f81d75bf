"""Ingest, pool, single rows and finaliser around a real store, driven by hand, with a test's own tasks and model."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.feedback_tagger.asking.asker import Asker
from services.feedback_tagger.asking.looking import Outlook
from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.domain.run import Terms, run_id
from services.feedback_tagger.finaliser import Finaliser
from services.feedback_tagger.ingest import Ingest
from services.feedback_tagger.pool import Pool
from services.feedback_tagger.singles import Singles
from services.feedback_tagger.store.opened import Store
from services.feedback_tagger.tasks import TASKS, Tasks
from shared.model.port import Model, Reply, Request, Text, Usage
from shared.notifications.memory import MemoryNotifications
from shared.queue.memory import MemoryQueue
from shared.queue.message import Outgoing
from shared.queue.port import Failed
from tests.support.queues import a_message


class SentMessages(MemoryQueue):
    """A queue that keeps what was sent, in order."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.bodies: list[str] = []

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        self.bodies.extend(message.body for message in messages)
        return []


@dataclass(slots=True)
class RowModel:
    """Answers each row by its text: ``answer(text, request)``, None for no line at all. Remembers rows and requests."""

    answer: Callable[[str, Request], str | None]
    asked: list[list[str]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    async def converse(self, request: Request) -> Reply:
        (text,) = request.turns[0].blocks
        assert isinstance(text, Text)
        rows = [line.split("|", 1)[1] for line in text.text.split("\n")[1:-1]]
        self.asked.append(rows)
        self.requests.append(request)
        answers = [(number, self.answer(row, request)) for number, row in enumerate(rows, start=1)]
        said = "\n".join(f"{number}:{answer}" for number, answer in answers if answer is not None)
        usage = Usage(input_tokens=100 + len(rows), output_tokens=5 * len(rows))
        return Reply(blocks=(Text(said),), stop_reason="end_turn", usage=usage, latency_ms=1)


@dataclass(slots=True)
class TaskDesk:
    """The loops' insides on one store; ``now`` stands still."""

    store: Store
    model: Model
    tasks: Tasks = TASKS
    rows_per_prompt: int = 4
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    mail: MemoryNotifications = field(default_factory=MemoryNotifications)
    chunks: SentMessages = field(default_factory=lambda: SentMessages("chunks"))
    now: float = 1_700_000_000.0

    async def upload(self, key: str, body: bytes, *, sequencer: str = "1") -> str:
        """Put the object into the bucket and ingest it; the id of its run."""
        self.bucket.objects[key] = body
        etag = self.bucket.etag(key)
        thing = {"key": key, "eTag": etag, "sequencer": sequencer}
        record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": self.bucket.name}, "object": thing}}
        ingest = Ingest(
            store=self.store.runs,
            bucket=self.bucket,
            chunks=self.chunks,
            notifications=self.mail,
            rows_per_prompt=self.rows_per_prompt,
            now=lambda: self.now,
            uniform=lambda low, high: low,
            tasks=self.tasks,
        )
        await ingest.handle(a_message(json.dumps({"Records": [record]})))
        return run_id(self.bucket.name, key, etag=etag)

    async def work(self) -> None:
        """Ask about every chunk that was sent, in order, and store what comes."""
        pool = Pool(
            store=self.store.rows,
            upkeep=self.store.upkeep,
            asker=self._asker(),
            taxonomy=self.store.rows.taxonomy,
            outlook=Outlook(runs=self.store.runs, rows=self.store.rows, run_usd=None, now=lambda: self.now, seconds=5),
            uniform=lambda low, high: low,
            chunks=self.chunks,
            tasks=self.tasks,
        )
        while self.chunks.bodies:
            await pool.handle(a_message(self.chunks.bodies.pop(0)))

    async def result(self, key: str, body: bytes, *, sequencer: str = "1") -> dict[str, Any]:
        """Upload, work, close; the run's document as it was announced."""
        before = len(self.mail.published)
        await self.upload(key, body, sequencer=sequencer)
        await self.work()
        finaliser = Finaliser(
            store=self.store.runs,
            bucket=self.bucket,
            notifications=self.mail,
            taxonomy=self.store.rows.taxonomy,
            terms=lambda _: Terms("2026-11-01", self.rows_per_prompt),
            now=lambda: self.now,
            beat=lambda: None,
            tasks=self.tasks,
        )
        await finaliser.turn()
        (published,) = self.mail.published[before:]
        document: dict[str, Any] = json.loads(published.body)
        return document

    async def send(self, *items: Mapping[str, Any] | str, task: str | None = None) -> list[Any]:
        """Rows sent alone, all at once, with ``task`` as the messages' attribute; what became of each."""
        singles = Singles(
            store=self.store.rows,
            asker=self._asker(),
            taxonomy=self.store.rows.taxonomy,
            rows_per_prompt=max(1, len(items)),
            wait_seconds=0.01,
            now=lambda: self.now,
            uniform=lambda low, high: low,
            tasks=self.tasks,
        )
        messages = [
            a_message(
                item if isinstance(item, str) else json.dumps(item),
                message_id=f"m-{number}",
                attributes={} if task is None else {"task": task},
            )
            for number, item in enumerate(items)
        ]
        return await asyncio.gather(*(singles.handle(message) for message in messages), return_exceptions=True)

    def _asker(self) -> Asker:
        return Asker(
            model=self.model,
            model_id="m",
            rows_per_prompt=self.rows_per_prompt,
            token_hex=lambda size: "ab" * size,
            price_of=lambda _: None,
        )
