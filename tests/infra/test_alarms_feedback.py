"""The alarms of feedback: files whose rows, counts, budget or database go wrong, on a real PostgreSQL, and a migration
that stops on MySQL. The model and the queues are in memory."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.feedback_tagger.asking.asker import Asker
from services.feedback_tagger.asking.looking import Outlook
from services.feedback_tagger.bucket.memory import MemoryBucket
from services.feedback_tagger.domain.run import Terms
from services.feedback_tagger.finaliser import Finaliser
from services.feedback_tagger.ingest import Ingest
from services.feedback_tagger.pool import Pool
from services.feedback_tagger.store.migrate import migrate_database
from services.feedback_tagger.store.opened import door_to, migrate_store
from services.feedback_tagger.store.postgres import postgres_pool
from services.feedback_tagger.store.postgres_rows import PostgresRows
from services.feedback_tagger.store.postgres_runs import PostgresRuns
from services.feedback_tagger.store.postgres_upkeep import PostgresUpkeep
from services.feedback_tagger.sweeper import Sweeper
from shared.errors import PermanentError
from shared.idempotency.memory import MemoryIdempotency
from shared.idempotency.standing import StandingClaim
from shared.model.day_blocks import DayBlocks
from shared.model.limited import LimitedModel
from shared.model.limiter import Limiter
from shared.model.memory import MemorySpend
from shared.model.port import Reply, Request, Text, Usage
from shared.model.quota import Limits, Quota
from shared.notifications.memory import MemoryNotifications
from shared.queue.consumer import Consumer, ConsumerSettings
from shared.queue.failures import MemoryFailureCounts
from shared.queue.memory import MemoryQueue
from shared.queue.message import Message, Outgoing
from shared.queue.sending import send_all
from tests.support.alarm_proofs import (
    COUNTS,
    DATABASE_AWAY,
    FEEDBACK_DAY_BUDGET,
    MIGRATION_STOPPED,
    ROWS_GIVEN_UP,
    RUN_GIVEN_UP,
    alarms_named,
    watching,
)
from tests.support.databases import Sql
from tests.support.feedback import a_file, many_rows
from tests.support.queues import a_message
from tests.support.terraform import Whole
from tests.support.waiting import wait_until

ROWS_PER_PROMPT = 4
SERVICE = "feedback_tagger"


@dataclass(slots=True)
class Labeller:
    """Finds the first category everywhere, or raises what it is told to."""

    error: Exception | None = None

    async def converse(self, request: Request) -> Reply:
        if self.error is not None:
            raise self.error
        (text,) = request.turns[0].blocks
        assert isinstance(text, Text)
        answer = "\n".join(f"{row}:1" for row in range(1, text.text.count("\n")))
        return Reply(
            blocks=(Text(answer),), stop_reason="end_turn", usage=Usage(input_tokens=9, output_tokens=3), latency_ms=1
        )


async def until_empty(queue: MemoryQueue) -> None:
    await asyncio.to_thread(wait_until, lambda: not queue.stored, what="an empty queue")


@dataclass(slots=True)
class Desk:
    """The tagger's loops on one database, one turn at a time."""

    database: Any
    model: Labeller = field(default_factory=Labeller)
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    mail: MemoryNotifications = field(default_factory=MemoryNotifications)
    chunks: MemoryQueue = field(default_factory=lambda: MemoryQueue("feedback-chunks"))
    dead: MemoryQueue = field(default_factory=lambda: MemoryQueue("feedback-chunks-dead"))

    async def upload(self, name: str, *, prefix: str = "r") -> None:
        """Read a file of two chunks in."""
        key = f"uploads/{name}"
        self.bucket.objects[key] = a_file(many_rows(2 * ROWS_PER_PROMPT, prefix=prefix))
        thing = {"key": key, "eTag": self.bucket.etag(key), "sequencer": name}
        s3 = {"bucket": {"name": self.bucket.name}, "object": thing}
        ingest = Ingest(
            store=PostgresRuns(self.database),
            bucket=self.bucket,
            chunks=self.chunks,
            notifications=self.mail,
            rows_per_prompt=ROWS_PER_PROMPT,
            now=lambda: 1_700_000_000.0,
            uniform=lambda low, _: low,
        )
        await ingest.handle(a_message(json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]})))

    def pool(self, model: Any = None) -> Pool:
        rows = PostgresRows(self.database)
        return Pool(
            store=rows,
            upkeep=PostgresUpkeep(self.database),
            asker=Asker(
                model=model or self.model,
                model_id="m",
                rows_per_prompt=ROWS_PER_PROMPT,
                token_hex=lambda size: "ab" * size,
            ),
            taxonomy=rows.taxonomy,
            outlook=Outlook(
                runs=PostgresRuns(self.database), rows=rows, run_usd=None, now=lambda: 1_700_000_000.0, seconds=5
            ),
            uniform=lambda low, _: low,
            chunks=self.chunks,
        )

    async def work_off(self) -> None:
        """The pool takes every chunk that waits, as its consumer does, dead letters included."""
        pool, stop = self.pool(), asyncio.Event()
        consumer = Consumer(
            queue=self.chunks,
            dead_letters=self.dead,
            handle=pool.handle,
            failures=MemoryFailureCounts(),
            settings=ConsumerSettings(workers=2, deadline_seconds=30, wait_seconds=1, linger_seconds=0.0),
            on_dead_letter=pool.bury,
        )
        running = asyncio.create_task(consumer.run(stop))
        await until_empty(self.chunks)
        stop.set()
        await running

    async def letters(self) -> list[Message]:
        return await self.dead.receive(at_most=10, wait_seconds=0, visibility_seconds=30)

    async def finalise(self) -> None:
        await Finaliser(
            store=PostgresRuns(self.database),
            bucket=self.bucket,
            notifications=self.mail,
            taxonomy=PostgresRows(self.database).taxonomy,
            terms=lambda _: Terms("2026-11-01", ROWS_PER_PROMPT),
            now=lambda: 1_700_000_000.0,
            beat=lambda: None,
        ).turn()

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads(notification.body) for notification in self.mail.published]


@pytest.fixture
async def desk(database: str) -> AsyncIterator[Desk]:
    await migrate_database(database)
    async with postgres_pool(database, connections=4) as pool:
        yield Desk(pool)


async def test_rows_that_no_model_labels_ring_until_their_letters_are_moved_back(whole: Whole, desk: Desk) -> None:
    """Lets the model refuse every prompt of a file for good, then mends it and moves the dead letters back."""
    with watching(whole, *ROWS_GIVEN_UP, service=SERVICE) as watch:
        await desk.upload("march.csv")
        desk.model.error = PermanentError("there is no such model")
        await desk.work_off()
        await desk.finalise()
        assert watch.minute_passes() == alarms_named(*ROWS_GIVEN_UP)
        assert desk.results[-1]["status"] == "failed"
        # The page: the reasons, and which run; mend it, then move the dead letters back.
        assert "no such model" in watch.seen("chunk_dead")[0]["reason"]
        desk.model.error = None
        await send_all(desk.chunks, [Outgoing(body=letter.body) for letter in await desk.letters()])
        await desk.work_off()
        await desk.finalise()
        assert watch.minute_passes() == set()
        assert (desk.results[-1]["status"], desk.results[-1]["revision"]) == ("complete", 2)


async def test_a_run_whose_chunks_are_gone_rings_and_the_same_file_makes_up_for_it(whole: Whole, desk: Desk) -> None:
    """Purges the queue of chunks after a file was read in, and lets the time pass after which a run is given up."""
    with watching(whole, *RUN_GIVEN_UP, service=SERVICE) as watch:
        await desk.upload("march.csv")
        desk.chunks = MemoryQueue("feedback-chunks")
        sweeper = Sweeper(
            claim=StandingClaim(claims=MemoryIdempotency(), key="sweeper", owner="me", ttl_seconds=60.0),
            upkeep=PostgresUpkeep(desk.database),
            rows=PostgresRows(desk.database),
            dead_chunks=desk.dead,
            sweep_seconds=1.0,
            stuck_seconds=0.0,
            beat=lambda: None,
        )
        await sweeper.sweep()
        await desk.finalise()
        assert watch.minute_passes() == alarms_named(*RUN_GIVEN_UP)
        # The page: upload the same file again; exactly the missing rows are asked about.
        await desk.upload("march-again.csv")
        await desk.work_off()
        await desk.finalise()
        assert (desk.results[-1]["status"], desk.results[-1]["stored"]) == ("complete", 2 * ROWS_PER_PROMPT)
        assert watch.minute_passes() == set()


async def test_counts_that_do_not_add_up_ring_and_a_sound_run_does_not(whole: Whole, desk: Desk) -> None:
    """Makes the database forget a row of a run before it is told."""
    with watching(whole, *COUNTS, service=SERVICE) as watch:
        await desk.upload("march.csv")
        await desk.work_off()
        await desk.database.execute("update feedback_run set rows_read = rows_read + 1")
        await desk.finalise()
        assert watch.minute_passes() == alarms_named(*COUNTS)
        # The page: the line names the run, whose document is the evidence.
        [line] = watch.seen("counts_do_not_add_up")
        assert f"runs/{line['run_id']}.json" in desk.bucket.objects
        await desk.upload("april.csv", prefix="april")
        await desk.work_off()
        await desk.finalise()
        assert watch.minute_passes() == set()


async def test_a_spent_day_of_feedback_rings_until_it_is_raised(whole: Whole, desk: Desk) -> None:
    """Leaves no dollar for the day, then raises the setting and lets the chunks come again."""
    spend = MemorySpend()

    def allowed(limit: int) -> LimitedModel:
        def cost(used: Usage) -> int:
            return used.input_tokens + used.output_tokens

        day = DayBlocks(spend=spend, account="feedback-usd", limit=limit, cost=cost, now=lambda: 1_700_000_000.0)
        limiter = Limiter(Quota(Limits()), monotonic=time.monotonic)
        return LimitedModel(desk.model, limiter, lane="files", uniform=lambda low, _: low, budgets=[day])

    with watching(whole, *FEEDBACK_DAY_BUDGET, service=SERVICE) as watch:
        await desk.upload("march.csv")
        waiting = await desk.chunks.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
        poor, rich = desk.pool(allowed(1)), desk.pool(allowed(10_000_000))
        for chunk in waiting:
            assert await poor.handle(chunk) is not None
        assert watch.minute_passes() == alarms_named(*FEEDBACK_DAY_BUDGET)
        # The page: raise it; waiting rows go on by themselves.
        for chunk in waiting:
            assert await rich.handle(chunk) is None
        await desk.finalise()
        assert desk.results[-1]["status"] == "complete"
        assert watch.minute_passes() == set()


async def test_a_database_that_is_away_rings_for_a_task_that_runs(
    whole: Whole, desk: Desk, database: str, postgres: Any
) -> None:
    """Closes the database to everybody for five minutes while a task looks after its runs."""
    name = urlsplit(database).path.removeprefix("/")
    server = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        with watching(whole, *DATABASE_AWAY, service=SERVICE) as watch:
            await server.execute(f'alter database "{name}" allow_connections false')
            await server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
            for _ in range(5):
                assert watch.ringing == set()
                await desk.finalise()
                watch.minute_passes()
            assert watch.ringing == alarms_named(*DATABASE_AWAY)
            # The page: the reason speaks of what it is; wait, or mend it.
            assert watch.seen("database_away")[0]["reason"]
            await server.execute(f'alter database "{name}" allow_connections true')
            await desk.finalise()
            assert watch.minute_passes() == set()
    finally:
        await server.close()


async def test_a_migration_that_stops_half_way_rings_until_what_it_names_is_mended(
    whole: Whole, mysql_database: str
) -> None:
    """Puts a table in the way of a migration, and takes it away."""
    sql, door = Sql(mysql_database), door_to(mysql_database)
    with watching(whole, *MIGRATION_STOPPED, service=SERVICE) as watch:
        await sql.run("create table feedback_upload (in_the_way int)")
        with pytest.raises(Exception, match="feedback_upload"):
            await migrate_store(door)
        assert watch.minute_passes() == alarms_named(*MIGRATION_STOPPED)
        # The page: the reason, the file and the step; mend what it names, run it again.
        [stopped] = watch.seen("migration_stopped")
        assert "feedback_upload" in stopped["reason"]
        await sql.run("drop table feedback_upload")
        assert await migrate_store(door)
        assert watch.minute_passes() == set()
