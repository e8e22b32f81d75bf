"""Runs that stand still: found, waited with, given up, and taken up again, on real databases."""

from collections.abc import AsyncIterator

import pytest

from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.store.port import ChunkResult, Ingested, NewRun
from services.feedback_tagger.store.upkeep import ChunkId
from tests.support.databases import Sql

HOUR = 3600.0


class Desk:
    def __init__(self, store: Store, sql: Sql) -> None:
        self.runs, self.rows, self.upkeep = store.runs, store.rows, store.upkeep
        self.sql = sql

    async def a_run(self, run_id: str = "run-1", *, sent: int = 3, total: int | None = 3, rows: int = 30) -> None:
        await self.runs.open_run(
            NewRun(run_id=run_id, bucket="b", key="uploads/a", task="categorise", rows_per_chunk=10, sequencer="1")
        )
        await self.runs.note_ingest(run_id, Ingested(rows_read=rows, chunks_sent=sent, total_chunks=total))

    async def ends(self, number: int, *, rows: int = 10, run_id: str = "run-1") -> None:
        """A chunk of rows that were all there already."""
        assert await self.rows.finish_chunk(ChunkResult(run_id=run_id, chunk_no=number, row_count=rows, labelled=()))

    async def hours_pass(self, hours: float) -> None:
        """The database's clock cannot be turned, so what it remembers is moved back."""
        seconds = round(hours * HOUR)
        gone = f"interval '{seconds} seconds'" if self.sql.engine == "postgres" else f"interval {seconds} second"
        await self.sql.run(f"update feedback_upkeep set since = since - {gone}, waiting_until = waiting_until - {gone}")

    async def idle(self) -> list[str]:
        return await self.upkeep.idle_runs(idle_seconds=6 * HOUR)

    async def give_up(self, run_id: str = "run-1") -> int | None:
        return await self.upkeep.give_up(run_id, idle_seconds=6 * HOUR, problem="was not read to its end")


@pytest.fixture
async def desk(any_database: str) -> AsyncIterator[Desk]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=4) as store:
        yield Desk(store, Sql(any_database))


async def test_a_run_is_idle_once_nothing_happened_to_it_for_long_enough(desk: Desk) -> None:
    await desk.a_run()
    assert await desk.idle() == []
    await desk.hours_pass(5)
    assert await desk.idle() == []
    await desk.hours_pass(2)
    assert await desk.idle() == ["run-1"]


async def test_a_chunk_that_ends_is_progress(desk: Desk) -> None:
    await desk.a_run()
    await desk.idle()
    await desk.hours_pass(7)
    await desk.ends(0)
    assert await desk.idle() == []
    await desk.hours_pass(7)
    assert await desk.idle() == ["run-1"]


async def test_a_run_that_waits_for_its_budget_is_not_idle_until_the_wait_is_over(desk: Desk) -> None:
    await desk.a_run()
    await desk.idle()
    await desk.upkeep.note_waiting("run-1", seconds=10 * HOUR)
    await desk.hours_pass(9)
    assert await desk.idle() == []
    state = await desk.runs.run_state("run-1")
    assert state is not None
    assert state.waiting_until is not None
    await desk.hours_pass(2)
    assert await desk.idle() == ["run-1"]


async def test_a_run_that_is_given_up_closes_short_of_the_rows_of_its_lost_chunks(desk: Desk) -> None:
    await desk.a_run()
    await desk.ends(1)
    await desk.idle()
    await desk.hours_pass(7)
    assert await desk.give_up() == 2
    assert await desk.give_up() is None
    assert await desk.runs.close_if_ready("run-1")
    state = await desk.runs.run_state("run-1")
    assert state is not None
    assert (state.status, state.rows_failed, state.chunks_lost, state.adds_up) == ("failed", 20, 2, True)
    assert state.shortage.startswith("lost 20 rows in 2 chunks")


async def test_a_lost_chunk_that_turns_up_opens_the_run_again_and_nothing_is_missing_in_the_end(desk: Desk) -> None:
    await desk.a_run(rows=27)
    await desk.ends(0)
    await desk.idle()
    await desk.hours_pass(7)
    await desk.give_up()
    await desk.runs.close_if_ready("run-1")
    await desk.ends(2, rows=7)
    await desk.ends(1)
    assert await desk.runs.close_if_ready("run-1")
    state = await desk.runs.run_state("run-1")
    assert state is not None
    assert (state.status, state.duplicates, state.rows_failed, state.shortage) == ("complete", 27, 0, "")


async def test_an_ingest_that_never_ended_is_over_with_a_problem(desk: Desk) -> None:
    await desk.a_run(sent=2, total=None, rows=20)
    await desk.ends(0)
    await desk.ends(1)
    await desk.idle()
    await desk.hours_pass(7)
    assert await desk.give_up() == 0
    assert await desk.runs.close_if_ready("run-1")
    state = await desk.runs.run_state("run-1")
    assert state is not None
    assert (state.status, state.problem) == ("failed", "was not read to its end")


async def test_a_run_that_moved_after_all_is_not_given_up(desk: Desk) -> None:
    await desk.a_run()
    await desk.idle()
    await desk.hours_pass(7)
    await desk.ends(0)
    assert await desk.give_up() is None


async def test_only_chunks_of_open_runs_without_an_end_are_uncounted(desk: Desk) -> None:
    await desk.a_run()
    await desk.a_run("run-2", sent=1, total=1, rows=10)
    await desk.ends(0)
    await desk.rows.bury_chunk("run-1", 1, lines=[2, 3], reason="no")
    await desk.ends(0, run_id="run-2")
    await desk.runs.close_if_ready("run-2")
    asked = [ChunkId("run-1", 0), ChunkId("run-1", 1), ChunkId("run-1", 2), ChunkId("run-2", 5), ChunkId("run-3", 0)]
    assert await desk.upkeep.uncounted(asked) == {ChunkId("run-1", 2)}
