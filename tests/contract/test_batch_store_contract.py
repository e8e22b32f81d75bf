"""One promise of what is kept of batch jobs, on real PostgreSQL and real MySQL or MariaDB."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.feedback_tagger.store.batches import BatchStore, NewPart, Part, Progress
from services.feedback_tagger.store.opened import door_to, migrate_store, open_store
from tests.support.databases import Sql


@pytest.fixture
async def batches(any_database: str) -> AsyncIterator[BatchStore]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=6) as store:
        yield store.batches


def a_part(number: int = 0, *, run_id: str = "run-1", prefix: str = "batch/run-1/0/") -> NewPart:
    return NewPart(
        run_id=run_id,
        part=number,
        model_id="amazon.nova-lite-v1:0",
        prefix=prefix,
        first_chunk=10 * number,
        chunks=10,
        last_place=200 * (number + 1),
        records=12,
        nano_usd=3_000_000_000_000,
    )


async def only(batches: BatchStore) -> Part:
    (part,) = await batches.parts("run-1")
    return part


async def test_a_part_is_added_once_whoever_writes_it_at_the_same_time(batches: BatchStore) -> None:
    added = await asyncio.gather(*(batches.add(a_part(prefix=f"batch/{writer}/")) for writer in range(5)))
    assert sorted(added) == [False] * 4 + [True]
    assert (await only(batches)).prefix == f"batch/{added.index(True)}/"


async def test_parts_come_in_order_with_what_they_were_made_of(batches: BatchStore) -> None:
    for number in (2, 0, 1):
        await batches.add(a_part(number))
    await batches.add(a_part(run_id="run-2"))
    parts = await batches.parts("run-1")
    assert [part.part for part in parts] == [0, 1, 2]
    assert (parts[1].first_chunk, parts[1].chunks, parts[1].last_place, parts[1].records) == (10, 10, 400, 12)
    assert parts[1].nano_usd == 3_000_000_000_000
    assert parts[1].progress == Progress()
    assert 0 <= parts[1].age_seconds < 3600


async def test_a_due_part_is_held_by_one_task(batches: BatchStore) -> None:
    await batches.add(a_part(0))
    await batches.add(a_part(1))
    taken = await asyncio.gather(*(batches.take_due(hold_seconds=60) for _ in range(4)))
    assert sorted(part.part for part in taken if part is not None) == [0, 1]
    assert await batches.take_due(hold_seconds=60) is None


async def test_a_part_that_a_killed_task_held_comes_back(batches: BatchStore) -> None:
    await batches.add(a_part())
    assert await batches.take_due(hold_seconds=0) is not None
    assert await batches.take_due(hold_seconds=0) is not None


async def test_progress_is_kept_and_sets_the_next_look(batches: BatchStore) -> None:
    await batches.add(a_part())
    progress = Progress(
        state="submitted",
        job_arn="arn:1",
        status="InProgress",
        processed=5,
        succeeded=4,
        failed=1,
        merged=3,
        spent_day="2026-11-22",
    )
    assert await batches.note("run-1", 0, progress, look_in=60)
    assert (await only(batches)).progress == progress
    assert await batches.take_due(hold_seconds=1) is None
    assert await batches.note("run-1", 0, progress, look_in=0)
    assert await batches.take_due(hold_seconds=1) is not None


async def test_a_slow_task_takes_nothing_back(batches: BatchStore) -> None:
    """Two tasks at one part: the one that was paused notes what it knew before."""
    await batches.add(a_part())
    ahead = Progress(
        state="submitted", job_arn="arn:1", status="Completed", merged=7, asked_again=2, spent_day="2026-11-22"
    )
    await batches.note("run-1", 0, ahead, look_in=0)
    await batches.note("run-1", 0, Progress(status="Completed", merged=4, asked_again=1), look_in=0)
    assert (await only(batches)).progress == ahead


async def test_an_ended_part_stays_as_it_is(batches: BatchStore) -> None:
    await batches.add(a_part())
    over = Progress(state="ended", job_arn="arn:1", status="Failed", reason="no records\x00", merged=10)
    assert await batches.note("run-1", 0, over, look_in=0)
    assert not await batches.note("run-1", 0, replace(over, status="Completed"), look_in=0)
    kept = await only(batches)
    assert (kept.progress.status, kept.progress.reason, kept.progress.state) == ("Failed", "no records", "ended")
    assert await batches.take_due(hold_seconds=0) is None
    # And a part of the same number is not written anew.
    assert not await batches.add(a_part())


async def test_the_wait_for_a_job_counts_from_when_it_was_created(batches: BatchStore, any_database: str) -> None:
    await batches.add(a_part())
    early = "'2024-01-01 00:00:00'"
    await Sql(any_database).run(f"update feedback_batch_job set created_at = {early}")  # a constant
    assert (await only(batches)).age_seconds > 1000
    await batches.note("run-1", 0, Progress(state="submitted", job_arn="arn:1"), look_in=0)
    assert (await only(batches)).age_seconds < 1000
