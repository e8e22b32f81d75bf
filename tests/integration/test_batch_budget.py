"""What batch jobs may cost and how long they may live, around a real database.

The day's budget is in memory: tests/contract/test_spend_contract.py holds DynamoDB to the same promise.
"""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from services.feedback_tagger.domain.spent import NANO
from services.feedback_tagger.store.batches import Part
from services.feedback_tagger.store.opened import door_to, migrate_store, open_store
from shared.errors import PermanentError, TransientError
from shared.model.day_blocks import FEEDBACK_USD
from shared.model.prices import BatchLimits
from tests.support.batching import AT_ONCE, IN_JOB, MODEL, USAGE, BatchDesk
from tests.support.databases import Sql
from tests.support.feedback import a_file, many_rows
from tests.support.ingesting import Crash, Strikes


@pytest.fixture
async def desk(postgres_database: str) -> AsyncIterator[BatchDesk]:
    await migrate_store(door_to(postgres_database))
    async with open_store(door_to(postgres_database), connections=8) as store:
        yield BatchDesk(store, Sql(postgres_database))


async def parts_of(desk: BatchDesk) -> list[Part]:
    return list(await desk.store.batches.parts((await desk.state()).run_id))


async def test_what_a_job_may_cost_counts_from_its_creation_and_what_it_did_cost_from_its_end(desk: BatchDesk) -> None:
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(15))))
    (part,) = await parts_of(desk)
    assert part.nano_usd > 0
    assert await desk.spent() == 0
    await desk.a_loop().turn()
    assert await desk.spent() == part.nano_usd
    desk.now += 86_400
    with capture_logs() as lines:
        await desk.all_of()
    # Three prompts, settled on the day on which they were set aside.
    cost = 3 * desk.price_of(MODEL).nano_usd(USAGE, batch=True)
    assert await desk.spent(days_ago=1) == cost
    assert await desk.spent() == 0
    assert [line["usd"] for line in lines if line["event"] == "part"] == [cost / NANO]


@pytest.mark.parametrize(("ends_as", "prompts"), [("Failed", 0), ("Stopped", 1)])
async def test_a_job_that_ends_badly_costs_what_it_has_answered(desk: BatchDesk, ends_as: str, prompts: int) -> None:
    desk.jobs.ends_as = ends_as
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(15))))
    await desk.look()
    assert await desk.spent() == prompts * desk.price_of(MODEL).nano_usd(USAGE, batch=True)


async def test_a_job_that_was_refused_costs_nothing_and_one_that_is_forgotten_all_it_might(desk: BatchDesk) -> None:
    desk.jobs.refusal = PermanentError("ValidationException: no")
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(15))))
    await desk.look()
    assert await desk.spent() == 0
    desk.jobs.refusal = None
    await desk.an_ingest().handle(desk.uploaded("b.csv", a_file(many_rows(15, prefix="other"))))
    await desk.a_loop().turn()
    held = await desk.spent()
    desk.jobs.jobs.clear()
    await desk.look()
    assert await desk.spent() == held > 0


async def test_a_job_without_room_in_the_days_budget_waits_for_the_next_day(desk: BatchDesk) -> None:
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(15))))
    (part,) = await parts_of(desk)
    desk.day_limit = part.nano_usd
    assert await desk.spend.reserve(FEEDBACK_USD, 1, limit=desk.day_limit, at=desk.now) is not None
    assert await desk.a_loop().turn()
    assert (desk.jobs.jobs, desk.queue.bodies) == ({}, [])
    assert "of the day's budget" in (await parts_of(desk))[0].progress.reason
    desk.now += 86_400
    await desk.all_of()
    assert await desk.labels() == {IN_JOB: 15}


async def test_a_job_that_waited_for_room_outlives_one_refusal_that_may_pass(desk: BatchDesk) -> None:
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(15))))
    await aged(desk, "created_at", 30)
    desk.jobs.refusal = TransientError("ThrottlingException: too many")
    await desk.a_loop().turn()
    assert desk.queue.bodies == []
    desk.jobs.refusal = None
    await desk.all_of()
    assert await desk.labels() == {IN_JOB: 15}


@pytest.mark.parametrize(
    ("limit", "age_hours", "deadline_minutes", "reason"),
    [
        (0.5, 0, None, "more than the budget of a whole day"),
        (1.0, 61, None, "no room"),
        (1.0, 59, None, "waits for"),
        (1.0, 2, 25 * 60.0, "no room"),
        (1.0, 2, 60.0, "waits for"),
    ],
)
async def test_a_job_that_cannot_or_must_not_wait_for_room_is_asked_at_once(
    desk: BatchDesk, limit: float, age_hours: int, deadline_minutes: float | None, reason: str
) -> None:
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(15))))
    (part,) = await parts_of(desk)
    desk.day_limit, desk.deadline_minutes = int(part.nano_usd * limit), deadline_minutes
    await desk.spend.reserve(FEEDBACK_USD, 1, limit=10**12, at=desk.now)
    await aged(desk, "created_at", age_hours)
    await desk.a_loop().turn()
    assert reason in (await parts_of(desk))[0].progress.reason
    assert len(desk.queue.bodies) == (0 if reason == "waits for" else 3)
    assert desk.jobs.jobs == {}


async def aged(desk: BatchDesk, column: str, hours: float) -> None:
    """As if so many hours had passed since."""
    past = datetime.now(tz=UTC) - timedelta(hours=hours, minutes=1)
    await desk.sql.run(f"update feedback_batch_job set {column} = '{past:%Y-%m-%d %H:%M:%S}'")


async def test_a_file_is_cut_into_jobs_that_the_day_has_room_for(desk: BatchDesk) -> None:
    desk.limits = BatchLimits(least_records=1, most_records=1000, most_bytes=10_000_000)
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(20))))
    (whole,) = await parts_of(desk)
    other = BatchDesk(desk.store, desk.sql, limits=desk.limits, most_nano_usd=whole.nano_usd // 2)
    await desk.sql.run("delete from feedback_batch_job")
    await desk.sql.run("delete from feedback_run")
    await other.an_ingest().handle(other.uploaded("b.csv", a_file(many_rows(20, prefix="other"))))
    parts = await parts_of(other)
    assert len(parts) > 1
    assert all(0 < part.nano_usd <= whole.nano_usd // 2 for part in parts)
    assert sum(part.chunks for part in parts) == whole.chunks


async def test_a_kill_between_the_budget_and_the_job_counts_once(desk: BatchDesk) -> None:
    """Kills the task at each effect of a job's creation, and lets the next life create it."""
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(15))))
    (part,) = await parts_of(desk)
    for moment in range(1, 9):
        desk.strikes = Strikes(at=moment)
        with contextlib.suppress(Crash):
            await desk.a_loop().turn()
        if (await parts_of(desk))[0].progress.state == "submitted":
            break
    else:
        pytest.fail("the job was never created")
    assert moment > 6
    desk.strikes = Strikes()
    assert (len(desk.jobs.jobs), await desk.spent()) == (1, part.nano_usd)
    await desk.all_of()
    assert await desk.spent() == 3 * desk.price_of(MODEL).nano_usd(USAGE, batch=True)


async def test_a_job_that_outlives_its_time_is_stopped_and_what_it_answered_counts(desk: BatchDesk) -> None:
    desk.jobs.ends_as = "InProgress"
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(20))))
    await desk.a_loop().turn()
    for hours, stopped in ((24, 0), (25, 1)):
        await aged(desk, "submitted_at", hours)
        await desk.a_loop().turn()
        assert len(desk.jobs.stopped) == stopped
    await desk.all_of()
    assert (await parts_of(desk))[0].progress.status == "Stopped"
    assert await desk.labels() == {IN_JOB: 10, AT_ONCE: 10}


async def test_a_job_that_does_not_even_stop_keeps_its_run_no_longer(desk: BatchDesk) -> None:
    desk.jobs.ends_as, desk.jobs.stops = "InProgress", False
    await desk.an_ingest().handle(desk.uploaded("a.csv", a_file(many_rows(15))))
    await desk.a_loop().turn()
    held = await desk.spent()
    await aged(desk, "submitted_at", 27)
    await desk.a_loop().turn()
    await desk.ask_what_was_sent()
    await desk.a_finaliser().turn()
    assert (await desk.state()).status == "complete"
    assert await desk.labels() == {AT_ONCE: 15}
    # Nobody knows what it will have cost.
    assert await desk.spent() == held
