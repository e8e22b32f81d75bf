"""One promise of the store, on real PostgreSQL and real MySQL or MariaDB.

Each row once, each chunk once, each run closed once, whoever races.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.feedback_tagger.domain.feedback import Feedback, Row, content_digest, row_identity
from services.feedback_tagger.domain.run import RunState
from services.feedback_tagger.domain.spent import Agreement, Spent
from services.feedback_tagger.store.migrations import migrations
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.store.port import (
    ChunkResult,
    FailedRow,
    Ingested,
    LabelledRow,
    NewRun,
    OpenRun,
    RowStore,
    RunStore,
)
from shared.errors import PermanentError, TransientError
from tests.support.databases import Sql
from tests.support.waiting import eventually

TASKS_AT_ONCE = 6


@pytest.fixture
def sql(any_database: str) -> Sql:
    return Sql(any_database)


@pytest.fixture
async def store(any_database: str) -> AsyncIterator[Store]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=TASKS_AT_ONCE) as store:
        yield store


@pytest.fixture
async def each_task(any_database: str, store: Store) -> AsyncIterator[Sequence[RowStore]]:
    """The rows of several tasks: within one of them, chunks of one moment share a transaction."""
    async with AsyncExitStack() as opened:
        yield [
            (await opened.enter_async_context(open_store(door_to(any_database), connections=1))).rows
            for _ in range(TASKS_AT_ONCE)
        ]


@pytest.fixture
def runs(store: Store) -> RunStore:
    return store.runs


@pytest.fixture
def rows(store: Store) -> RowStore:
    return store.rows


def a_run(run_id: str = "run-1", *, sequencer: str = "1", rows_per_chunk: int = 20) -> NewRun:
    key = f"uploads/{run_id}.csv"
    return NewRun(
        run_id=run_id, bucket="b", key=key, task="categorise", rows_per_chunk=rows_per_chunk, sequencer=sequencer
    )


def labelled(*texts: str, label: str = "Payment", twin: int = 1) -> list[LabelledRow]:
    found = []
    for line, text in enumerate(texts, start=2):
        feedback = Feedback(feedback=text, create_date=datetime(2024, 3, 25, tzinfo=UTC), extra={"Region": "north"})
        found.append(
            LabelledRow(Row(line=line, identity=row_identity(content_digest(feedback), twin), feedback=feedback), label)
        )
    return found


def a_chunk(
    number: int, found: Sequence[LabelledRow], *, run_id: str = "run-1", row_count: int | None = None
) -> ChunkResult:
    return ChunkResult(
        run_id=run_id,
        chunk_no=number,
        row_count=len(found) if row_count is None else row_count,
        labelled=found,
        spent=Spent(calls=1, input_tokens=100, output_tokens=10),
    )


async def state_of(runs: RunStore, run_id: str = "run-1") -> RunState:
    state = await runs.run_state(run_id)
    assert state is not None
    return state


async def ingested(runs: RunStore, *, chunks: int, rows_read: int, rejected: int = 0, run_id: str = "run-1") -> None:
    progress = Ingested(rows_read=rows_read, rows_rejected=rejected, chunks_sent=chunks, total_chunks=chunks)
    await runs.note_ingest(run_id, progress)


async def test_migrations_run_once_whoever_starts_together_and_again_change_nothing(any_database: str) -> None:
    door = door_to(any_database)
    applied = await asyncio.gather(*(migrate_store(door) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, len(migrations(door.address.engine))]
    assert await migrate_store(door) == []


async def test_a_database_of_the_reference_is_taken_over_with_its_rows_and_categories(sql: Sql) -> None:
    for statement in migrations(door_to(sql.url).address.engine)[0].statements:
        await sql.run(statement)
    await sql.run("insert into customer_feedback_category (category_name) values ('Our own')")
    await sql.run("insert into customer_feedback (feedback) values ('old one'), ('old two')")
    await migrate_store(door_to(sql.url))
    assert await sql.value("select count(*) from feedback_latest") == 2
    assert await sql.rows("select category_name from customer_feedback_category") == [("Our own",)]


async def test_a_new_database_has_the_five_default_categories_in_order(rows: RowStore) -> None:
    assert (await rows.taxonomy()).names == (
        "Application issues",
        "Cloud backup issues",
        "Payment",
        "Package shipment",
        "Hardware failures",
    )


async def test_two_workers_on_one_chunk_store_it_once(runs: RunStore, each_task: Sequence[RowStore]) -> None:
    await runs.open_run(a_run())
    chunk = a_chunk(0, labelled("a", "b", "c"))
    finished = await asyncio.gather(*(rows.finish_chunk(chunk) for rows in each_task))
    assert sorted(finished) == [False] * (TASKS_AT_ONCE - 1) + [True]
    state = await state_of(runs)
    assert (state.stored, state.duplicates, state.chunks_done, state.spent.calls) == (3, 0, 1, 1)
    assert await each_task[0].chunk_is_done("run-1", 0)
    assert not await each_task[0].chunk_is_done("run-1", 1)


async def test_two_runs_with_the_same_rows_in_other_orders_store_each_once(
    runs: RunStore, rows: RowStore, each_task: Sequence[RowStore]
) -> None:
    found = labelled(*(f"text {n}" for n in range(200)))
    for number in range(TASKS_AT_ONCE):
        await runs.open_run(a_run(f"run-{number}"))
    await asyncio.gather(
        *(
            task.finish_chunk(a_chunk(0, found[:: 1 if number % 2 else -1], run_id=f"run-{number}"))
            for number, task in enumerate(each_task)
        )
    )
    states = [await state_of(runs, f"run-{number}") for number in range(TASKS_AT_ONCE)]
    assert sum(state.stored for state in states) == 200
    assert sum(state.duplicates for state in states) == 200 * (TASKS_AT_ONCE - 1)
    assert await rows.known([row.row.identity for row in found] + ["other"]) == {row.row.identity for row in found}


async def test_two_runs_that_meet_the_same_rows_from_both_ends_wait_and_do_not_deadlock(
    runs: RunStore, each_task: Sequence[RowStore], sql: Sql
) -> None:
    found = [
        replace(one, row=replace(one.row, identity=letter)) for one, letter in zip(labelled(*"amz"), "amz", strict=True)
    ]
    await runs.open_run(a_run("run-1"))
    await runs.open_run(a_run("run-2"))

    async def both_wait() -> bool:
        return await sql.waiting() >= 2

    async with sql.holding("insert into customer_feedback (feedback, row_identity) values ('not to stay', 'm')"):
        forth = asyncio.ensure_future(each_task[0].finish_chunk(a_chunk(0, found, run_id="run-1")))
        back = asyncio.ensure_future(each_task[1].finish_chunk(a_chunk(0, found[::-1], run_id="run-2")))
        await eventually(both_wait, what="both runs at the middle row or behind each other")
    assert [await forth, await back] == [True, True]
    assert sorted([(await state_of(runs, "run-1")).stored, (await state_of(runs, "run-2")).stored]) == [0, 3]


async def test_twins_are_two_rows(runs: RunStore, rows: RowStore, sql: Sql) -> None:
    await runs.open_run(a_run())
    await rows.finish_chunk(a_chunk(0, labelled("same") + labelled("same", twin=2)))
    assert await sql.value("select count(*) from customer_feedback where feedback = 'same'") == 2


async def test_a_chunk_that_the_database_refuses_leaves_no_trace(runs: RunStore, rows: RowStore) -> None:
    await runs.open_run(a_run())
    (bad,) = labelled("bad")
    too_long = replace(bad, row=replace(bad.row, feedback=replace(bad.row.feedback, store="x" * 21)))
    with pytest.raises(PermanentError, match="refuses the values"):
        await rows.finish_chunk(a_chunk(0, [*labelled("good"), too_long]))
    assert (await state_of(runs)).stored == 0
    assert not await rows.chunk_is_done("run-1", 0)


async def test_chunks_of_one_moment_end_each_in_its_own_way(runs: RunStore, rows: RowStore) -> None:
    """One is refused, one was dead, one done, one comes twice, one is of no run, and two have a row in common."""
    await runs.open_run(a_run())
    (bad,) = labelled("bad")
    too_long = replace(bad, row=replace(bad.row, feedback=replace(bad.row.feedback, store="x" * 21)))
    await rows.bury_chunk("run-1", 1, lines=[2], reason="no model")
    await rows.finish_chunk(a_chunk(2, labelled("done")))
    ended = await asyncio.gather(
        rows.finish_chunk(a_chunk(0, [too_long])),
        rows.finish_chunk(a_chunk(1, labelled("dead", label="Other"))),
        rows.finish_chunk(a_chunk(2, labelled("done"))),
        rows.finish_chunk(a_chunk(3, labelled("twice"))),
        rows.finish_chunk(a_chunk(3, labelled("twice"))),
        rows.finish_chunk(a_chunk(0, labelled("lost"), run_id="run-9")),
        rows.finish_chunk(a_chunk(4, labelled("mine", "shared"))),
        rows.finish_chunk(a_chunk(5, labelled("shared", "yours", label="Other"))),
        return_exceptions=True,
    )
    assert [isinstance(end, PermanentError) for end in ended] == [True, *[False] * 4, True, False, False]
    assert (ended[1], ended[2], set(ended[3:5]), ended[6:]) == (True, False, {False, True}, [True, True])
    state = await state_of(runs)
    assert (state.chunks_done, state.chunks_dead, state.stored, state.duplicates) == (5, 0, 6, 1)
    assert sum(state.by_label.values()) == 6
    assert state.by_label["Other"] in (2, 3)


@pytest.mark.parametrize("url", ["postgresql://nobody@/none?host=/nowhere", "mysql://nobody@/none?socket=/nowhere"])
async def test_a_database_that_is_away_is_a_transient_error(url: str) -> None:
    async with open_store(door_to(url), connections=1) as store:
        with pytest.raises(TransientError):
            await store.rows.taxonomy()


async def test_exactly_one_closes_a_run_and_only_when_all_its_chunks_have_ended(runs: RunStore, rows: RowStore) -> None:
    await runs.open_run(a_run())
    await rows.finish_chunk(a_chunk(0, labelled("a")))
    assert await runs.open_runs() == [OpenRun("run-1", False)]
    await ingested(runs, chunks=2, rows_read=2)
    assert not await runs.close_if_ready("run-1")
    await rows.finish_chunk(a_chunk(1, labelled("b")))
    assert await runs.open_runs() == [OpenRun("run-1", True)]
    assert sorted(await asyncio.gather(*(runs.close_if_ready("run-1") for _ in range(TASKS_AT_ONCE)))).count(True) == 1
    state = await state_of(runs)
    assert (state.status, state.by_label, state.spent.input_tokens) == ("complete", {"Payment": 2}, 200)
    assert state.finished_at is not None
    assert state.finished_at >= state.started_at
    assert await runs.open_runs() == []


async def test_one_task_announces_and_a_crashed_one_is_replaced(runs: RunStore, sql: Sql) -> None:
    await runs.open_run(a_run())
    await ingested(runs, chunks=0, rows_read=0)
    await runs.close_if_ready("run-1")
    claims = await asyncio.gather(*(runs.claim_announcement(claim_seconds=60) for _ in range(TASKS_AT_ONCE)))
    assert [claim.run_id for claim in claims if claim] == ["run-1"]
    await sql.run("update feedback_run set announcer_until = '2001-01-01 00:00:00'")
    again = await runs.claim_announcement(claim_seconds=60)
    assert again is not None
    await runs.announced("run-1", revision=again.revision)
    await sql.run("update feedback_run set announcer_until = null")
    assert await runs.claim_announcement(claim_seconds=60) is None


async def test_dead_chunks_close_a_run_and_their_rows_are_listed(runs: RunStore, rows: RowStore) -> None:
    await runs.open_run(a_run())
    await rows.finish_chunk(a_chunk(0, labelled(*(f"t{n}" for n in range(9)))))
    await rows.bury_chunk("run-1", 1, lines=[11, 12], reason="no such model")
    await rows.bury_chunk("run-1", 1, lines=[11, 12], reason="told twice")
    await rows.bury_chunk("run-1", 0, lines=[2], reason="done long ago")
    await ingested(runs, chunks=2, rows_read=11)
    assert await runs.close_if_ready("run-1")
    state = await state_of(runs)
    assert (state.status, state.stored, state.rows_dead) == ("partial", 9, 2)
    assert await runs.dead_rows("run-1") == [(11, "no such model"), (12, "no such model")]


async def test_what_a_chunk_cost_its_failed_rows_and_its_second_looks_are_the_runs(
    runs: RunStore, rows: RowStore
) -> None:
    await runs.open_run(a_run())
    spent = Spent(
        calls=2, throttles=3, input_tokens=5, output_tokens=7, cache_read_tokens=11, cache_write_tokens=13,
        nano_usd=17_000_000_000, unpriced_calls=1,
    )  # fmt: skip
    failed = [FailedRow(9, "the model refuses"), FailedRow(8, "no answer\x00")]
    looks = [Agreement(rows_per_prompt=20, checked=4, agreed=3), Agreement(rows_per_prompt=5, checked=2, agreed=2)]
    found = [*labelled("a", "b"), *labelled("c", label="unknown")]
    for number, some in enumerate((found, labelled("d"))):
        result = replace(a_chunk(number, some, row_count=len(some) + 3), spent=spent, failed=failed, agreement=looks)
        assert await rows.finish_chunk(result)
        assert not await rows.finish_chunk(result)
    state = await state_of(runs)
    assert state.spent == spent + spent
    assert (state.stored, state.rows_dead, state.duplicates) == (4, 4, 2)
    assert state.by_label == {"Payment": 3, "unknown": 1}
    twice = [Agreement(rows_per_prompt=5, checked=4, agreed=4), Agreement(rows_per_prompt=20, checked=8, agreed=6)]
    assert state.agreement == twice
    assert await rows.agreement("run-1") == twice
    assert await runs.dead_rows("run-1") == [(8, "no answer"), (9, "the model refuses")] * 2


async def test_a_run_keeps_its_quote_until_a_later_one(runs: RunStore) -> None:
    await runs.open_run(a_run())
    await runs.note_ingest("run-1", Ingested(quote='{"nano_usd": 5}'))
    await runs.note_ingest("run-1", Ingested(rows_read=3))
    assert ((await state_of(runs)).quote, (await state_of(runs)).rows_read) == ('{"nano_usd": 5}', 3)


async def test_a_dead_chunk_that_comes_back_opens_its_run_again_at_the_next_revision(
    runs: RunStore, rows: RowStore
) -> None:
    await runs.open_run(a_run())
    await rows.bury_chunk("run-1", 0, lines=[2], reason="no such model")
    await ingested(runs, chunks=1, rows_read=1)
    await runs.close_if_ready("run-1")
    claimed = await runs.claim_announcement(claim_seconds=60)
    assert claimed is not None
    assert (claimed.status, claimed.revision) == ("failed", 1)
    await runs.announced("run-1", revision=1)

    assert await rows.finish_chunk(a_chunk(0, labelled("a")))
    assert await runs.open_runs() == [OpenRun("run-1", True)]
    assert await runs.close_if_ready("run-1")
    corrected = await runs.claim_announcement(claim_seconds=60)
    assert corrected is not None
    assert (corrected.status, corrected.revision, corrected.rows_dead) == ("complete", 2, 0)
    assert await runs.dead_rows("run-1") == []


async def test_a_run_keeps_the_chunk_size_it_was_opened_with(runs: RunStore) -> None:
    assert not (await runs.open_run(a_run(rows_per_chunk=20))).ingested
    again = await runs.open_run(a_run(rows_per_chunk=5))
    assert (again.rows_per_chunk, again.repeated, again.ingested) == (20, False, False)


async def test_a_later_upload_of_a_finished_run_is_a_repeat_and_a_redelivery_is_not(runs: RunStore) -> None:
    await runs.open_run(a_run())
    assert not (await runs.open_run(a_run(sequencer="2"))).repeated
    await ingested(runs, chunks=0, rows_read=0)
    await runs.close_if_ready("run-1")
    assert not (await runs.open_run(a_run())).repeated
    assert (await runs.open_run(a_run(sequencer="2"))).repeated
    await runs.note_repeat("run-1", "2")
    await runs.note_repeat("run-1", "2")
    seen = await runs.open_run(a_run(sequencer="2"))
    assert (seen.repeated, seen.state.repeats) == (False, 1)


async def test_a_later_upload_gives_dead_rows_another_chance(runs: RunStore, rows: RowStore) -> None:
    await runs.open_run(a_run())
    await rows.finish_chunk(a_chunk(0, labelled("a")))
    await rows.bury_chunk("run-1", 1, lines=[3], reason="away for too long")
    await ingested(runs, chunks=2, rows_read=2)
    await runs.close_if_ready("run-1")
    opened = await runs.open_run(a_run(sequencer="2"))
    assert (opened.ingested, opened.repeated, opened.state.revision, opened.state.chunks_done) == (False, False, 2, 1)
    await ingested(runs, chunks=2, rows_read=2)
    await rows.finish_chunk(a_chunk(1, labelled("b")))
    assert await runs.close_if_ready("run-1")
    assert ((await state_of(runs)).status, (await state_of(runs)).stored) == ("complete", 2)


async def test_an_abandoned_ingest_closes_with_what_was_sent(runs: RunStore, rows: RowStore) -> None:
    await runs.open_run(a_run())
    await runs.note_ingest("run-1", Ingested(rows_read=20, chunks_sent=1))
    await runs.abandon_ingest("run-1", "the bucket is gone")
    await runs.note_ingest("run-1", Ingested(rows_read=40, chunks_sent=2, total_chunks=2))
    assert not await runs.close_if_ready("run-1")
    await rows.finish_chunk(a_chunk(0, labelled("a")))
    assert await runs.close_if_ready("run-1")
    state = await state_of(runs)
    assert (state.status, state.problem, state.total_chunks) == ("failed", "the bucket is gone", 1)


async def test_reports_of_an_open_run_are_claimed_by_one_at_a_time(runs: RunStore) -> None:
    await runs.open_run(a_run())
    claims = await asyncio.gather(*(runs.claim_report("run-1", every_seconds=60) for _ in range(TASKS_AT_ONCE)))
    assert sorted(claims) == [False] * (TASKS_AT_ONCE - 1) + [True]
    assert await runs.claim_report("run-1", every_seconds=0)


async def test_single_rows_belong_to_no_run_and_are_stored_once(rows: RowStore, sql: Sql) -> None:
    found = labelled("a", "b")
    assert await rows.add_singles(found, execution_ids=["m-1", "m-2"]) == 2
    assert await rows.add_singles([*found, *found], execution_ids=["m-3"] * 4) == 0
    assert await rows.add_singles([], execution_ids=[]) == 0
    stored = await sql.rows("select run_id, execution_id, extra from customer_feedback order by execution_id")
    assert [(run, message, json.loads(extra)) for run, message, extra in stored] == [
        (None, "m-1", {"Region": "north"}),
        (None, "m-2", {"Region": "north"}),
    ]


async def test_dashboards_see_the_latest_row_of_an_id_and_the_best_label(store: Store, sql: Sql) -> None:
    await sql.run(
        "insert into customer_feedback (ref_id, feedback, stars, label_llm, label_post_processing, label_correction,"
        " create_date) values"
        " ('7', 'old', '1', 'Payment', null, null, '2024-01-31 23:00:00'),"
        " ('7', 'new', '4,5', 'Payment', 'New theme', null, '2024-02-01 01:00:00'),"
        " ('8', 'one', 'many', 'unknown', 'New theme', 'Package shipment', '2024-02-03'),"
        " ('ab', 'case', null, 'Payment', null, 'Payment', '2024-03-05'),"
        " ('AB', 'another case', null, 'Payment', null, null, '2024-03-05'),"
        " (null, 'a', '2', 'unknown', '', '', '2024-02-04'), (null, 'b', null, null, null, null, '2024-03-04')"
    )
    latest = await sql.rows("select feedback, label, label_source, stars_number from feedback_latest order by id")
    assert [tuple(row) for row in latest] == [
        ("new", "New theme", "post-processing", 4.5),
        ("one", "Package shipment", "correction", None),
        ("case", "Payment", "correction", None),
        ("another case", "Payment", "model", None),
        ("a", "unknown", "model", 2.0),
        ("b", "unknown", "model", None),
    ]
    months = await sql.rows("select month, label, feedback_count from feedback_by_month order by 1, 2")
    assert [(str(month), label, count) for month, label, count in months] == [
        ("2024-02-01", "New theme", 1),
        ("2024-02-01", "Package shipment", 1),
        ("2024-02-01", "unknown", 1),
        ("2024-03-01", "Payment", 2),
        ("2024-03-01", "unknown", 1),
    ]
    assert await sql.value("select sum(feedback_count) from feedback_by_category") == 6
    unknown = await sql.rows("select feedback_count, unknown_count, unknown_share from feedback_unknown_by_month")
    assert sorted((count, some, float(share)) for count, some, share in unknown) == [(3, 1, 0.3333), (3, 1, 0.3333)]
    accuracy = await sql.rows("select label_before, corrected_count, agreed_count from feedback_accuracy order by 1")
    assert accuracy == [("New theme", 1, 0), ("Payment", 1, 1)]


async def test_dashboards_see_what_runs_cost(runs: RunStore, rows: RowStore, sql: Sql) -> None:
    await runs.open_run(a_run())
    spent = Spent(calls=2, throttles=1, input_tokens=100, output_tokens=10, nano_usd=2_500_000, unpriced_calls=1)
    for number, text in enumerate("ab"):
        failed = [FailedRow(9, "no")]
        await rows.finish_chunk(replace(a_chunk(number, labelled(text), row_count=2), spent=spent, failed=failed))
    await rows.bury_chunk("run-1", 2, lines=[7, 8, 9], reason="gone")
    await ingested(runs, chunks=3, rows_read=7)
    summary = await sql.rows(
        "select run_id, status, rows_read, rows_stored, rows_duplicate, rows_failed, calls, throttles, input_tokens,"
        " output_tokens, unpriced_calls, cost_usd from feedback_run_summary"
    )
    assert [(*row[:-1], float(row[-1])) for row in summary] == [("run-1", "open", 7, 2, 0, 5, 4, 2, 200, 20, 2, 0.005)]
    ((runs_count, stored, cost, per_million),) = await sql.rows(
        "select run_count, rows_stored, cost_usd, cost_usd_per_million_rows from feedback_cost_by_month"
    )
    assert (runs_count, stored, float(cost), float(per_million)) == (1, 2, 0.005, 2500.0)


AWKWARD = (
    "emoji \U0001f4a5\U0001f468\u200d\U0001f469 and beyond the first plane \U00020bb7",
    "quotes ' \" ` and \\ back\\slashes \\' %s %(name)s %% ; -- not a comment",
    "line\nbreaks\tand\rtabs \x01\x1a\x7f",
    "e\u0301 is not \u00e9, \u00df is not ss, trailing dot.",
)


async def test_every_text_comes_back_as_it_went_in(rows: RowStore, sql: Sql) -> None:
    found = labelled(*AWKWARD)
    assert await rows.add_singles(found, execution_ids=[f"m-{n}" for n in range(len(found))]) == len(found)
    stored = await sql.rows("select feedback from customer_feedback order by line_no")
    assert [text for (text,) in stored] == list(AWKWARD)


async def test_columns_take_as_many_characters_as_they_are_said_to(rows: RowStore, sql: Sql) -> None:
    wide = "\U0001f4a5"
    feedback = Feedback(
        feedback=wide * 20_000, product_name=wide * 255, store=wide * 20, ref_id=wide * 100, stars=wide * 5,
        title=wide * 255, extra={wide * 100: wide * 19_900},
    )  # fmt: skip
    row = Row(line=2, identity=row_identity(content_digest(feedback), 1), feedback=feedback)
    assert await rows.add_singles([LabelledRow(row, wide * 255)], execution_ids=["m-1"]) == 1
    ((text, product, label, extra),) = await sql.rows(
        "select feedback, product_name, label_llm, extra from customer_feedback"
    )
    assert (text, product, label) == (wide * 20_000, wide * 255, wide * 255)
    assert json.loads(extra) == feedback.extra


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (datetime(1900, 1, 1, tzinfo=UTC), "1900-01-01"),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "1969-12-01"),
        (datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC), "2038-01-01"),
        (datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC), "2199-12-01"),
        # An hour that summer time leaves out or repeats somewhere is an hour like any other in UTC.
        (datetime(2024, 3, 31, 2, 30, tzinfo=UTC), "2024-03-01"),
        (datetime(2024, 11, 3, 1, 30, tzinfo=UTC), "2024-11-01"),
        # Still July where it was written.
        (datetime(2024, 7, 31, 23, 30, tzinfo=timezone(-timedelta(hours=4))), "2024-08-01"),
    ],
)
async def test_a_moment_is_kept_to_the_microsecond_in_utc(
    rows: RowStore, sql: Sql, moment: datetime, month: str
) -> None:
    (one,) = labelled("dated")
    dated = replace(one, row=replace(one.row, feedback=replace(one.row.feedback, create_date=moment)))
    await rows.add_singles([dated], execution_ids=["m-1"])
    ((stored, shown),) = await sql.rows("select create_date, month from feedback_latest")
    assert stored.replace(tzinfo=UTC) == moment
    assert str(shown) == month


async def test_a_row_without_a_date_gets_the_moment_of_its_writing(rows: RowStore, sql: Sql) -> None:
    (one,) = labelled("undated")
    undated = replace(one, row=replace(one.row, feedback=replace(one.row.feedback, create_date=None)))
    before = datetime.now(UTC)
    await rows.add_singles([undated], execution_ids=["m-1"])
    stored = (await sql.value("select create_date from customer_feedback")).replace(tzinfo=UTC)
    assert before - timedelta(seconds=5) <= stored <= datetime.now(UTC) + timedelta(seconds=5)


async def test_a_deleted_category_is_gone_and_may_come_back_and_two_of_one_name_may_not(
    rows: RowStore, sql: Sql
) -> None:
    await sql.run("update customer_feedback_category set deleted = true where category_name = 'Payment'")
    assert "Payment" not in (await rows.taxonomy()).names
    await sql.run("insert into customer_feedback_category (category_name) values ('Payment')")
    assert (await rows.taxonomy()).names[-1] == "Payment"
    with pytest.raises(Exception, match=r"(?i)duplicate"):
        await sql.run("insert into customer_feedback_category (category_name) values (' pAYMENT ')")


async def test_a_chunk_of_a_run_that_nobody_opened_is_refused(rows: RowStore) -> None:
    with pytest.raises(PermanentError):
        await rows.finish_chunk(a_chunk(0, labelled("a"), run_id="run-unknown"))
    with pytest.raises(PermanentError):
        await rows.bury_chunk("run-unknown", 0, lines=[2], reason="late")
    assert not await rows.known([labelled("a")[0].row.identity])


async def test_labels_of_a_chunk_with_rows_of_others_count_only_its_own(runs: RunStore, rows: RowStore) -> None:
    await runs.open_run(a_run("run-1"))
    await runs.open_run(a_run("run-2"))
    await rows.finish_chunk(a_chunk(0, labelled("a", "b"), run_id="run-1"))
    mixed = [*labelled("b", "c"), *labelled("d", label="unknown")]
    await rows.finish_chunk(a_chunk(0, mixed, run_id="run-2"))
    await rows.finish_chunk(a_chunk(1, labelled("a", "b"), run_id="run-2"))
    state = await state_of(runs, "run-2")
    assert (state.stored, state.duplicates, state.by_label) == (2, 3, {"Payment": 1, "unknown": 1})


async def test_noting_the_same_progress_twice_is_noted_twice_and_a_late_reader_is_told(runs: RunStore) -> None:
    await runs.open_run(a_run())
    progress = Ingested(rows_read=5, chunks_sent=1, cuts=(0, 3, 5))
    assert await runs.note_ingest("run-1", progress, after=0)
    assert not await runs.note_ingest("run-1", progress, after=0)
    assert await runs.note_ingest("run-1", progress)
    opened = await runs.open_run(a_run())
    assert (opened.chunks_sent, list(opened.cuts)) == (1, [0, 3, 5])


async def test_many_chunks_at_once_of_overlapping_files_store_each_row_once(
    runs: RunStore, each_task: Sequence[RowStore], sql: Sql
) -> None:
    """Six tasks, four files that share every row, in pieces that begin elsewhere in each: waits, perhaps deadlocks."""
    found = labelled(*(f"text {n}" for n in range(120)))
    for number in range(4):
        await runs.open_run(a_run(f"run-{number}"))
    pieces = [
        a_chunk(start, (found[number * 7 :] + found[: number * 7])[start : start + 15], run_id=f"run-{number}")
        for start in range(0, 120, 15)
        for number in range(4)
    ]
    tasks = itertools.cycle(each_task)
    assert all(await asyncio.gather(*(next(tasks).finish_chunk(piece) for piece in pieces)))
    states = [await state_of(runs, f"run-{number}") for number in range(4)]
    assert sum(state.stored for state in states) == 120
    assert all(state.stored + state.duplicates == 120 for state in states)
    assert all(sum(state.by_label.values()) == state.stored for state in states)
    assert await sql.value("select count(*) from customer_feedback") == 120
