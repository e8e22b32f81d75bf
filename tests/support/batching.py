"""The batch lane around a real database, with jobs and a bucket in memory, and kills wherever a test wants them."""

import inspect
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.feedback_tagger.asking.asker import Asker
from services.feedback_tagger.asking.looking import Outlook
from services.feedback_tagger.batch.lane import BatchLane
from services.feedback_tagger.batch.parts import PartWriting
from services.feedback_tagger.batches import Batches
from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.domain.run import RunState, Terms
from services.feedback_tagger.files.quoting import Quoting
from services.feedback_tagger.finaliser import Finaliser
from services.feedback_tagger.ingest import Ingest
from services.feedback_tagger.messages.chunk import read_chunk
from services.feedback_tagger.pool import Pool
from services.feedback_tagger.store.batches import BatchStore, NewPart, Part, Progress
from services.feedback_tagger.store.opened import Store
from shared.model.batch_jobs import JobState, NewJob
from shared.model.converse import as_parameters, read_reply
from shared.model.day_blocks import FEEDBACK_USD
from shared.model.job_budget import JobBudget
from shared.model.memory import MemorySpend
from shared.model.port import Reply, Request, Text, Usage
from shared.model.prices import PRICES, BatchLimits, ModelPrice
from shared.notifications.memory import MemoryNotifications
from shared.queue.memory import MemoryQueue
from shared.queue.message import Message, Outgoing
from shared.queue.port import Failed
from tests.support.databases import Sql
from tests.support.ingesting import Strikes

MODEL = "amazon.nova-lite-v1:0"
ROWS_PER_PROMPT = 5
NOON = 1_700_000_000.0
LIMITS = BatchLimits(least_records=3, most_records=5, most_bytes=10_000_000)
USAGE = Usage(input_tokens=1000, output_tokens=100)
IN_JOB, AT_ONCE = "Application issues", "Cloud backup issues"


class Struck:
    """What it wraps, with a moment for a kill before and after everything that is awaited."""

    def __init__(self, inner: Any, strikes: Strikes) -> None:
        self._inner = inner
        self._strikes = strikes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found
        strikes = self._strikes

        async def call(*arguments: Any, **named: Any) -> Any:
            strikes.moment()
            value = await found(*arguments, **named)
            strikes.moment()
            return value

        return call


@dataclass(slots=True)
class Hurried:
    """A BatchStore for which no time passes: what a task holds, or looks at later, is due at once."""

    inner: BatchStore

    async def add(self, part: NewPart) -> bool:
        return await self.inner.add(part)

    async def parts(self, run_id: str) -> Sequence[Part]:
        return await self.inner.parts(run_id)

    async def take_due(self, *, hold_seconds: float) -> Part | None:
        assert hold_seconds > 0
        return await self.inner.take_due(hold_seconds=0)

    async def note(self, run_id: str, part: int, progress: Progress, *, look_in: float) -> bool:
        assert look_in >= 0
        return await self.inner.note(run_id, part, progress, look_in=0)


@dataclass(slots=True)
class FakeJobs:
    """The BatchJobs port: a job is over at its second look. Every row is of the first category.

    Record numbers in ``failing`` come back with an error, those in ``missing`` not at all; ``garbled`` ones say
    nothing of their last row. ``ends_as`` is what a job ends as; all but a completed one leave half. ``InProgress``: it
    ends when it is stopped, or if not ``stops`` never.
    """

    bucket: MemoryBucket
    ends_as: str = "Completed"
    failing: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()
    garbled: frozenset[int] = frozenset()
    refusal: Exception | None = None
    jobs: dict[str, NewJob] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)
    stops: bool = True
    spoil: Callable[[bytes], bytes] = lambda body: body

    async def create(self, job: NewJob) -> str:
        if self.refusal is not None:
            raise self.refusal
        for arn, known in self.jobs.items():
            if known.token == job.token:
                return arn
        arn = f"arn:aws:bedrock:us-east-1:000000000000:model-invocation-job/job{len(self.jobs):09}"
        self.jobs[arn] = job
        return arn

    async def state(self, arn: str) -> JobState | None:
        if arn not in self.jobs:
            return None
        self.looks[arn] = self.looks.get(arn, 0) + 1
        ends_as = self.ends_as
        if ends_as == "InProgress" and self.stops and arn in self.stopped:
            ends_as = "Stopped"
        if self.looks[arn] == 1 or ends_as == "InProgress":
            return JobState(status="InProgress", records=5, processed=2, succeeded=2)
        if ends_as not in ("Failed", "Expired") and arn not in self.answered:
            self.answered.add(arn)
            self._answer(arn)
        message = "" if ends_as == "Completed" else f"it was {ends_as}"
        succeeded = 0 if ends_as in ("Failed", "Expired") else 2
        return JobState(status=ends_as, message=message, records=5, processed=succeeded, succeeded=succeeded)

    async def stop(self, arn: str) -> None:
        self.stopped.append(arn)

    def as_input(self, request: Request) -> Mapping[str, Any]:
        return {name: value for name, value in as_parameters(request).items() if name != "modelId"}

    def as_reply(self, output: Mapping[str, Any]) -> Reply:
        return read_reply(output)

    def _answer(self, arn: str) -> None:
        job = self.jobs[arn]
        prefix = f"s3://{self.bucket.name}/"
        records = [
            json.loads(line) for line in self.bucket.objects[job.input_uri.removeprefix(prefix)].decode().splitlines()
        ]
        if self.ends_as != "Completed":
            records = records[: len(records) // 2]
        lines = []
        for number, record in enumerate(records):
            assert set(record["modelInput"]) == {"messages", "system", "inferenceConfig"}
            if number in self.failing:
                lines.append({**record, "error": {"errorCode": 400, "errorMessage": "bad request"}})
                continue
            self.records.append(record["recordId"])
            if number not in self.missing:
                rows = record["modelInput"]["messages"][0]["content"][0]["text"].count("\n") - 1
                lines.append({**record, "modelOutput": _output(rows - (number in self.garbled))})
        body = "".join(f"{json.dumps(line)}\n" for line in reversed(lines)).encode()
        folder = f"{job.output_uri.removeprefix(prefix)}{arn.rpartition('/')[2]}/"
        self.bucket.objects[f"{folder}input.jsonl.out"] = self.spoil(body)


def _output(rows: int) -> dict[str, Any]:
    answer = "\n".join(f"{row}:1" for row in range(1, rows + 1))
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": answer}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": USAGE.input_tokens, "outputTokens": USAGE.output_tokens, "totalTokens": 1100},
        "metrics": {"latencyMs": 1},
    }


@dataclass(slots=True)
class SecondCategory:
    """The model at once: it finds the second category, so that a label says which lane a row took."""

    calls: int = 0

    async def converse(self, request: Request) -> Reply:
        self.calls += 1
        (text,) = request.turns[0].blocks
        assert isinstance(text, Text)
        rows = text.text.count("\n") - 1
        answer = "\n".join(f"{row}:2" for row in range(1, rows + 1))
        return Reply(blocks=(Text(answer),), stop_reason="end_turn", usage=USAGE, latency_ms=1)


class Sent(MemoryQueue):
    def __init__(self) -> None:
        super().__init__("chunks")
        self.bodies: list[str] = []

    async def send(self, messages: Any) -> list[Failed]:
        sent: list[Outgoing] = list(messages)
        self.bodies.extend(message.body for message in sent)
        return []


@dataclass(slots=True)
class BatchDesk:
    """One bucket, queue, job service and database, and as many lives of the loops as a test wants."""

    store: Store
    sql: Sql
    strikes: Strikes = field(default_factory=Strikes)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    queue: Sent = field(default_factory=Sent)
    model: SecondCategory = field(default_factory=SecondCategory)
    mail: MemoryNotifications = field(default_factory=MemoryNotifications)
    role_arn: str | None = "arn:aws:iam::000000000000:role/batch"
    timeout_hours: int | None = 24
    deadline_minutes: float | None = None
    check_share: float = 0.0
    limits: BatchLimits = LIMITS
    spend: MemorySpend = field(default_factory=MemorySpend)
    day_limit: int = 10**12
    most_nano_usd: int | None = None
    now: float = NOON
    jobs: FakeJobs = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = FakeJobs(self.bucket)

    def _struck(self, inner: Any) -> Any:
        return Struck(inner, self.strikes)

    def price_of(self, model_id: str) -> ModelPrice:
        price = PRICES.of(model_id)
        assert price is not None
        return replace(price, batch_limits=self.limits)

    def an_ingest(self) -> Ingest:
        price = self.price_of(MODEL)
        quoting = Quoting(taxonomy=self.store.rows.taxonomy, model_id=MODEL, price=price, prices_as_of="2026-11-22")
        writing = PartWriting(
            store=self._struck(self.store.batches),
            rows=self._struck(self.store.rows),
            bucket=self._struck(self.bucket),
            jobs=self.jobs,
            token_hex=secrets.token_hex,
            model_id=MODEL,
            rows_per_prompt=ROWS_PER_PROMPT,
            prompt_tokens=8000,
            check_share=self.check_share,
            price=price,
            most_nano_usd=self.most_nano_usd,
        )
        return Ingest(
            store=self._struck(self.store.runs),
            bucket=self._struck(self.bucket),
            chunks=self._struck(self.queue),
            notifications=self.mail,
            rows_per_prompt=ROWS_PER_PROMPT,
            tokens_per_prompt=8000,
            quoting=quoting,
            batch=BatchLane(
                writing=writing,
                price=price,
                timeout_hours=self.timeout_hours,
                deadline_minutes=self.deadline_minutes,
            ),
            now=lambda: 0.0,
            uniform=lambda low, high: low,
        )

    def a_loop(self, **changes: Any) -> Batches:
        settings: dict[str, Any] = {"second_model": False, **changes}
        return Batches(
            store=self._struck(Hurried(self.store.batches)),
            rows=self._struck(self.store.rows),
            bucket=self._struck(self.bucket),
            chunks=self._struck(self.queue),
            jobs=self._struck(self.jobs),
            price_of=self.price_of,
            budget=JobBudget(spend=self._struck(self.spend), limit=self.day_limit, now=lambda: self.now),
            role_arn=self.role_arn,
            timeout_hours=24,
            deadline_minutes=self.deadline_minutes,
            look_seconds=0.0001,
            uniform=lambda low, high: low,
            beat=lambda: None,
            **settings,
        )

    def a_pool(self) -> Pool:
        return Pool(
            store=self._struck(self.store.rows),
            upkeep=self.store.upkeep,
            asker=Asker(
                model=self.model,
                model_id=MODEL,
                rows_per_prompt=ROWS_PER_PROMPT,
                token_hex=lambda size: "ab" * size,
                price_of=self.price_of,
            ),
            taxonomy=self.store.rows.taxonomy,
            outlook=Outlook(runs=self.store.runs, rows=self.store.rows, run_usd=None, now=lambda: 0.0, seconds=5),
            uniform=lambda low, high: low,
            chunks=self._struck(self.queue),
        )

    def a_finaliser(self) -> Finaliser:
        return Finaliser(
            store=self.store.runs,
            bucket=self.bucket,
            notifications=self.mail,
            taxonomy=self.store.rows.taxonomy,
            terms=lambda _: Terms("2026-11-22", ROWS_PER_PROMPT),
            now=lambda: 0.0,
            beat=lambda: None,
            batches=self.store.batches,
        )

    def uploaded(self, name: str, body: bytes, *, lane: str = "batch") -> Message:
        key = f"uploads/{name}"
        self.bucket.objects[key] = body
        self.bucket.user_metadata[key] = {"lane": lane}
        thing = {"key": key, "eTag": self.bucket.etag(key), "sequencer": "1"}
        return a_message(
            json.dumps(
                {
                    "Records": [
                        {
                            "eventName": "ObjectCreated:Put",
                            "s3": {"bucket": {"name": self.bucket.name}, "object": thing},
                        }
                    ]
                }
            )
        )

    async def look(self) -> None:
        """Look at jobs until none is due: they are over at their second look."""
        loop = self.a_loop()
        while await loop.turn():
            pass

    async def ask_what_was_sent(self) -> None:
        pool = self.a_pool()
        for body in self.queue.bodies:
            await pool.handle(a_message(body))

    async def all_of(self) -> None:
        """Jobs to their end, then what was sent to be asked at once, then the run's own end."""
        await self.look()
        await self.ask_what_was_sent()
        await self.a_finaliser().turn()

    async def labels(self) -> dict[str, int]:
        return dict((await self.state()).by_label)

    async def state(self) -> RunState:
        ((run_id,),) = await self.sql.rows("select run_id from feedback_run")
        state = await self.store.runs.run_state(run_id)
        assert state is not None
        return state

    async def spent(self, *, days_ago: int = 0) -> int:
        """What counts against the day's budget, in billionths of a dollar."""
        return await self.spend.counted(FEEDBACK_USD, at=self.now - 86_400 * days_ago)

    @property
    def sent(self) -> list[int]:
        """Numbers of the chunks that went to the pool, in order, repeats included."""
        return [read_chunk(body).number for body in self.queue.bodies]


def a_message(body: str) -> Message:
    return Message(
        message_id="m-1",
        receipt_handle="h",
        body=body,
        receive_count=1,
        sent_at=0,
        first_received_at=0,
        sender_id="s",
    )
