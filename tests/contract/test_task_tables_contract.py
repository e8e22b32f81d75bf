"""The promise of the store for tasks with a table of their own, on real PostgreSQL and real MySQL or MariaDB.

A row's records are stored all or none, once, whoever races; what a run counts is rows, not records.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.domain.run import RunState
from services.feedback_tagger.domain.task_table import COMMON_COLUMNS, Record, TaskTable, Value
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.store.port import ChunkResult, Ingested, LabelledRow, NewRun, RowStore, RunStore
from services.feedback_tagger.tasks.email_routing import TABLE as EMAILS
from services.feedback_tagger.tasks.product_facts import TABLE as FACTS
from services.feedback_tagger.tasks.sentiment import TABLE as SENTIMENT
from shared.errors import PermanentError
from tests.support.databases import Sql
from tests.support.waiting import eventually

KINDS = TaskTable(
    "feedback_kinds",
    (
        ("word", "text"), ("number", "integer"), ("amount", "decimal"), ("sure", "boolean"), ("at", "moment"),
        ("facts", "json"),
    ),
)  # fmt: skip
COMMON = """
    row_identity varchar(255) not null, part integer not null, execution_id text, run_id varchar(100), chunk_no integer,
    line_no integer, ref_id varchar(100), unique (row_identity, part)
"""
CREATE = {
    "postgres": f"create table feedback_kinds ({COMMON}, create_date timestamptz not null default now(),"
    " word varchar(10), number integer, amount numeric(12, 4), sure boolean, at timestamptz, facts jsonb)",
    "mysql": f"create table feedback_kinds ({COMMON}, create_date datetime(6) not null default current_timestamp(6),"
    " word varchar(10), number integer, amount decimal(12, 4), sure boolean, at datetime(6), facts json)"
    " engine = InnoDB default character set utf8mb4 collate utf8mb4_bin",
}


@pytest.fixture
def sql(any_database: str) -> Sql:
    return Sql(any_database)


@pytest.fixture
async def store(any_database: str, sql: Sql) -> AsyncIterator[Store]:
    await migrate_store(door_to(any_database))
    await sql.run(CREATE[sql.engine])
    async with open_store(door_to(any_database), connections=6) as store:
        for number in range(1, 4):
            await store.runs.open_run(
                NewRun(run_id=f"run-{number}", bucket="b", key="k", task="kinds", rows_per_chunk=20, sequencer="1")
            )
        yield store


@pytest.fixture
def runs(store: Store) -> RunStore:
    return store.runs


@pytest.fixture
def rows(store: Store) -> RowStore:
    return store.rows


def a_row(identity: str, *records: Record, counted: str = "", known: bool = False) -> LabelledRow:
    feedback = Feedback(feedback=identity, ref_id=f"ref-{identity}", create_date=datetime(2024, 3, 25, tzinfo=UTC))
    row = Row(line=2, identity=identity, feedback=feedback)
    return LabelledRow(row, "an answer", records=records or ({"word": "w"},), counted=counted, known=known)


def a_chunk(number: int, *labelled: LabelledRow, run_id: str = "run-1", table: TaskTable = KINDS) -> ChunkResult:
    return ChunkResult(run_id=run_id, chunk_no=number, row_count=len(labelled), labelled=labelled, table=table)


async def state_of(runs: RunStore, run_id: str = "run-1") -> RunState:
    state = await runs.run_state(run_id)
    assert state is not None
    return state


async def test_every_kind_of_value_is_kept_and_what_is_left_out_is_null(rows: RowStore, sql: Sql) -> None:
    at = datetime(2024, 3, 31, 2, 30, 0, 123_456, tzinfo=UTC)
    full: Record = {
        "word": "später 💥", "number": -7, "amount": Decimal("1234.5600"), "sure": True, "at": at,
        "facts": '{"a": ["b", 1]}',
    }  # fmt: skip
    await rows.finish_chunk(a_chunk(3, a_row("one", full, {"sure": False})))
    first, second = await sql.dicts("select * from feedback_kinds order by part")
    assert (first["word"], first["number"], first["amount"]) == ("später 💥", -7, Decimal("1234.56"))
    assert (bool(first["sure"]), first["at"].replace(tzinfo=UTC)) == (True, at)
    assert first["facts"].replace(" ", "") == '{"a":["b",1]}'
    assert (first["row_identity"], first["part"], first["ref_id"], first["line_no"]) == ("one", 1, "ref-one", 2)
    assert (first["run_id"], first["chunk_no"], first["execution_id"]) == ("run-1", 3, "run-1")
    assert first["create_date"].replace(tzinfo=UTC) == datetime(2024, 3, 25, tzinfo=UTC)
    assert [second[name] for name in ("word", "number", "amount", "at", "facts")] == [None] * 5
    assert (bool(second["sure"]), second["part"], second["create_date"]) == (False, 2, first["create_date"])


async def test_a_run_counts_rows_by_what_they_count_as_and_those_that_took_no_model(
    runs: RunStore, rows: RowStore
) -> None:
    chunk = a_chunk(
        0, a_row("a", {"word": "x"}, {"word": "y"}, counted="good"), a_row("b", counted="good", known=True), a_row("c")
    )
    assert await rows.finish_chunk(chunk)
    assert not await rows.finish_chunk(chunk)
    await runs.note_ingest("run-1", Ingested(rows_read=3, chunks_sent=1, total_chunks=1))
    assert await runs.close_if_ready("run-1")
    state = await state_of(runs)
    assert (state.status, state.stored, state.duplicates, state.known) == ("complete", 3, 0, 1)
    assert state.by_label == {"good": 2, "an answer": 1}


async def test_a_row_is_known_to_the_task_that_stored_it_alone(rows: RowStore) -> None:
    await rows.finish_chunk(a_chunk(0, a_row("a", {"word": "x"}, {"word": "y"})))
    assert await rows.known(["a", "b"], table=KINDS) == {"a"}
    assert await rows.known(["a", "b"]) == set()
    assert await rows.known(["a", "b"], table=SENTIMENT) == set()
    assert await rows.known([], table=KINDS) == set()


async def test_a_table_that_is_not_there_yet_is_no_trouble_of_chunks_of_other_tasks(rows: RowStore) -> None:
    await rows.finish_chunk(a_chunk(0, a_row("a")))
    missing = TaskTable("feedback_of_tomorrow", (("word", "text"),))
    found = await asyncio.gather(
        rows.known(["a"]),
        rows.known(["a"], table=missing),
        rows.known(["a"], table=KINDS),
        rows.finish_chunk(a_chunk(1, a_row("b"))),
        rows.finish_chunk(a_chunk(2, a_row("c"), table=missing)),
        return_exceptions=True,
    )
    assert [each for each in found if not isinstance(each, Exception)] == [set(), {"a"}, True]
    assert [isinstance(each, Exception) for each in found] == [False, True, False, False, True]


async def test_a_row_that_is_there_keeps_its_records_and_gets_none_of_another_answer(
    runs: RunStore, rows: RowStore, sql: Sql
) -> None:
    await rows.finish_chunk(a_chunk(0, a_row("a", {"word": "first"})))
    longer = a_chunk(0, a_row("a", {"word": "x"}, {"word": "y"}, known=True), a_row("b"), run_id="run-2")
    await rows.finish_chunk(longer)
    assert await sql.rows("select part, word from feedback_kinds where row_identity = 'a'") == [(1, "first")]
    state = await state_of(runs, "run-2")
    assert (state.stored, state.duplicates, state.known, state.by_label) == (1, 1, 0, {"an answer": 1})


async def test_of_two_answers_at_the_same_moment_one_is_stored_whole_and_the_other_not_at_all(
    runs: RunStore, rows: RowStore, sql: Sql
) -> None:
    """Both wait for the same row and go on together; neither sees it as known before it writes.

    They are two tasks: within one, chunks of one moment share a transaction.
    """

    async def both_wait() -> bool:
        return await sql.waiting() >= 2

    held = "insert into feedback_kinds (row_identity, part, word) values ('m', 1, 'held')"
    one = a_chunk(0, a_row("m", {"word": "one"}, {"word": "one"}, {"word": "one"}), a_row("a"))
    two = a_chunk(0, a_row("z"), a_row("m", {"word": "two"}, {"word": "two"}), run_id="run-2")
    async with open_store(door_to(sql.url), connections=1) as another:
        async with sql.holding(held):
            finishing = [
                asyncio.ensure_future(task.finish_chunk(chunk)) for task, chunk in ((rows, one), (another.rows, two))
            ]
            await eventually(both_wait, what="both at the row that is held")
        assert await asyncio.gather(*finishing) == [True, True]
    words = {word for (word,) in await sql.rows("select word from feedback_kinds where row_identity = 'm'")}
    assert words in ({"one"}, {"two"})
    (parts,) = await sql.rows("select count(*), min(part), max(part) from feedback_kinds where row_identity = 'm'")
    assert parts in ((3, 1, 3), (2, 1, 2))
    states = [await state_of(runs, "run-1"), await state_of(runs, "run-2")]
    assert sorted((state.stored, state.duplicates) for state in states) == [(1, 1), (2, 0)]


async def test_many_tasks_with_the_same_rows_store_each_once(runs: RunStore, rows: RowStore, sql: Sql) -> None:
    def pieces(run: int) -> list[ChunkResult]:
        found = [a_row(f"r-{n:03}", *[{"word": f"run {run}"}] * run) for n in range(60)]
        turned = found[run * 7 :] + found[: run * 7]
        return [a_chunk(start // 10, *turned[start : start + 10], run_id=f"run-{run}") for start in range(0, 60, 10)]

    await asyncio.gather(*(rows.finish_chunk(piece) for run in (1, 2, 3) for piece in pieces(run)))
    states = [await state_of(runs, f"run-{run}") for run in (1, 2, 3)]
    assert sum(state.stored for state in states) == 60
    assert all(state.stored + state.duplicates == 60 for state in states)
    mixed = await sql.rows(
        "select row_identity from feedback_kinds group by row_identity having count(distinct word) <> 1"
        " or concat('run ', count(*)) <> min(word)"
    )
    assert mixed == []


async def test_a_record_that_the_database_refuses_leaves_no_trace_of_its_chunk(runs: RunStore, rows: RowStore) -> None:
    too_long = a_row("bad", {"word": "fits"}, {"word": "too long for it"})
    with pytest.raises(PermanentError, match="refuses the values"):
        await rows.finish_chunk(a_chunk(0, a_row("good"), too_long))
    assert (await state_of(runs)).stored == 0
    assert await rows.known(["good", "bad"], table=KINDS) == set()
    assert not await rows.chunk_is_done("run-1", 0)


async def test_a_dead_chunk_that_comes_back_stores_its_records_and_opens_its_run_again(
    runs: RunStore, rows: RowStore
) -> None:
    await rows.bury_chunk("run-1", 0, lines=[2], reason="away")
    await runs.note_ingest("run-1", Ingested(rows_read=1, chunks_sent=1, total_chunks=1))
    await runs.close_if_ready("run-1")
    assert await rows.finish_chunk(a_chunk(0, a_row("a", known=True)))
    state = await state_of(runs)
    assert (state.status, state.revision, state.stored, state.known) == ("open", 2, 1, 1)


async def test_single_rows_are_stored_once_with_the_message_that_brought_them(rows: RowStore, sql: Sql) -> None:
    twice = a_row("a", {"word": "x"}, {"word": "y"})
    again = replace(twice, records=({"word": "z"}, {"word": "z"}, {"word": "z"}))
    assert await rows.add_singles([twice, again, a_row("b")], execution_ids=["m-1", "m-2", "m-3"], table=KINDS) == 2
    assert await rows.add_singles([again], execution_ids=["m-4"], table=KINDS) == 0
    assert await rows.add_singles([], execution_ids=[], table=KINDS) == 0
    stored = await sql.rows("select row_identity, part, word, execution_id, run_id from feedback_kinds order by 1, 2")
    assert stored == [("a", 1, "x", "m-1", None), ("a", 2, "y", "m-1", None), ("b", 1, "w", "m-3", None)]


@pytest.mark.parametrize("records", [(), ({"colour": "red"},), ({"row_identity": "other"},)])
async def test_a_row_without_a_record_or_with_a_column_that_is_not_there_is_a_fault_of_the_task(
    rows: RowStore, records: tuple[Record, ...]
) -> None:
    wrong = replace(a_row("a"), records=records)
    with pytest.raises(ValueError, match="feedback_kinds"):
        await rows.finish_chunk(a_chunk(0, wrong))


@pytest.mark.parametrize("name", ["", "Kinds", "feedback kinds", "a;drop", "1st"])
def test_a_name_that_is_none_is_no_table(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        TaskTable(name, ())
    with pytest.raises(ValueError, match="is no name"):
        TaskTable("fine", ((name, "text"),))


@pytest.mark.parametrize("column", [name for name, _ in COMMON_COLUMNS])
def test_a_tables_own_column_cannot_be_one_that_every_table_has(column: str) -> None:
    with pytest.raises(ValueError, match=column):
        TaskTable("feedback_kinds", ((column, "text"),))


async def test_sentiment_counts_the_latest_row_of_an_id_by_aspect_and_month(rows: RowStore, sql: Sql) -> None:
    def judged(
        identity: str, ref: str | None, day: datetime, *found: tuple[str | None, str, str | None]
    ) -> LabelledRow:
        records = [
            {"aspect": aspect, "polarity": polarity, "confidence": None if share is None else Decimal(share)}
            for aspect, polarity, share in found
        ]
        row = a_row(identity, *records)
        return replace(row, row=replace(row.row, feedback=replace(row.row.feedback, ref_id=ref, create_date=day)))

    march, april = datetime(2024, 3, 31, 23, 59, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
    await rows.finish_chunk(
        a_chunk(
            0,
            judged("old", "r-1", march, ("price", "negative", "1"), ("service", "negative", "1")),
            judged("new", "r-1", april, ("price", "positive", "0.667")),
            judged("other", "r-2", march, ("price", "negative", "1"), ("delivery", "mixed", None)),
            judged("nobody", None, march, ("price", "negative", "0.333")),
            judged("nobody too", "", april, ("price", "negative", None)),
            judged("nothing", "r-3", april, (None, "none", "1")),
            judged("no answer", "r-4", april, (None, "unknown", None)),
            table=SENTIMENT,
        )
    )
    by_aspect = await sql.dicts("select * from feedback_sentiment_by_aspect order by aspect")
    counts = ("aspect", "feedback_count", "positive_count", "negative_count", "mixed_count")
    assert [tuple(row[name] for name in counts) for row in by_aspect] == [
        ("delivery", 1, 0, 0, 1),
        ("price", 4, 1, 3, 0),
    ]
    assert (by_aspect[1]["negative_share"], by_aspect[1]["average_confidence"]) == (Decimal("0.75"), Decimal("0.6667"))
    assert by_aspect[0]["average_confidence"] is None
    by_month = await sql.rows(
        "select month, aspect, polarity, feedback_count from feedback_sentiment_by_month order by 1, 2, 3"
    )
    assert [(str(month), *rest) for month, *rest in by_month] == [
        ("2024-03-01", "delivery", "mixed", 1),
        ("2024-03-01", "price", "negative", 2),
        ("2024-04-01", "price", "negative", 1),
        ("2024-04-01", "price", "positive", 1),
    ]


@pytest.mark.parametrize(
    "record",
    [
        {"aspect": "price", "polarity": "great"},
        {"aspect": "price", "polarity": "none"},
        {"polarity": "positive"},
        {"aspect": "price", "polarity": "positive", "confidence": Decimal(2)},
    ],
)
async def test_the_table_of_sentiment_takes_no_polarity_that_is_none(rows: RowStore, record: Record) -> None:
    with pytest.raises(PermanentError, match="refuses the values"):
        await rows.finish_chunk(a_chunk(0, a_row("a", record), table=SENTIMENT))


def an_email(**changes: Value) -> Record:
    plain: Record = {
        "department": "billing", "priority": "normal", "language": "en", "subject": "Rechnung 💶",
        "sender_domain": "a.example",
        "message_id": "<1@a.example>", "sent_at": None, "attachments": "[]",
    }  # fmt: skip
    return {**plain, **changes}


async def test_emails_are_counted_by_department_and_month_with_and_without_attachments(
    rows: RowStore, sql: Sql
) -> None:
    sent = datetime(2024, 3, 31, 23, 59, 0, 123_456, tzinfo=UTC)
    mails = [
        an_email(priority="urgent", sent_at=sent, attachments='[{"name": "r.pdf", "bytes": 7}]'),
        an_email(priority="low", language="und", subject=None, sender_domain=None, message_id=None),
        an_email(department="unassigned"),
    ]
    await rows.finish_chunk(a_chunk(0, *(a_row(f"m-{place}", mail) for place, mail in enumerate(mails)), table=EMAILS))
    assert await rows.known(["m-0", "m-9"], table=EMAILS) == {"m-0"}
    (first, second, _) = await sql.dicts("select * from feedback_email order by row_identity")
    assert (first["subject"], first["sent_at"].replace(tzinfo=UTC)) == ("Rechnung 💶", sent)
    assert json.loads(first["attachments"]) == [{"name": "r.pdf", "bytes": 7}]
    assert (second["subject"], second["sent_at"], json.loads(second["attachments"])) == (None, None, [])
    counts = ("email_count", "low_count", "normal_count", "high_count", "urgent_count", "with_attachments_count")
    by_department = await sql.dicts("select * from feedback_email_by_department order by department")
    assert [(row["department"], *(int(row[name]) for name in counts)) for row in by_department] == [
        ("billing", 2, 1, 0, 0, 1, 1),
        ("unassigned", 1, 0, 1, 0, 0, 0),
    ]
    by_month = await sql.rows(
        "select month, department, priority, language, email_count from feedback_email_by_month order by 2, 3"
    )
    assert [(str(month), *rest) for month, *rest in by_month] == [
        ("2024-03-01", "billing", "low", "und", 1),
        ("2024-03-01", "billing", "urgent", "en", 1),
        ("2024-03-01", "unassigned", "normal", "en", 1),
    ]


def a_fact(name: str, value: str, *, source: str = "json-ld", url: str | None = "https://shop.example/1") -> Record:
    return {"url": url, "name": name, "value": value, "source": source, "evidence": value}


async def test_a_page_is_shown_as_it_was_read_last_and_every_reading_is_kept(rows: RowStore, sql: Sql) -> None:
    def read_on(day: int, identity: str, *facts: Record) -> LabelledRow:
        row = a_row(identity, *facts)
        moment = datetime(2024, 3, day, tzinfo=UTC)
        return replace(row, row=replace(row.row, feedback=replace(row.row.feedback, create_date=moment)))

    old = read_on(1, "old", a_fact("title", "Cam"), a_fact("price", "1299.0000"), a_fact("currency", "EUR"))
    new = read_on(2, "new", a_fact("title", "Cam"), a_fact("price", "999"), a_fact("brand", "Lumen", source="model"))
    nameless = read_on(1, "nameless", a_fact("price", "5", url=None))
    silent = read_on(1, "silent", {"url": "https://shop.example/2"})
    await rows.finish_chunk(a_chunk(0, new, old, nameless, silent, table=FACTS))
    pages = await sql.dicts("select * from product_page order by row_identity")
    shown = ("row_identity", "title", "brand", "price", "currency", "marked_count", "model_count")
    assert [tuple(page[name] for name in shown) for page in pages] == [
        ("nameless", None, None, Decimal(5), None, 1, 0),
        ("new", "Cam", "Lumen", Decimal(999), None, 2, 1),
        ("silent", None, None, None, None, 0, 0),
    ]
    readings = await sql.rows("select row_identity, price from product_page_reading where url like '%/1' order by 1")
    assert readings == [("new", Decimal(999)), ("old", Decimal(1299))]
    by_source = await sql.rows("select name, source, fact_count from product_fact_by_source order by 1, 2")
    assert by_source == [
        ("brand", "model", 1), ("currency", "json-ld", 1), ("price", "json-ld", 3), ("title", "json-ld", 2),
    ]  # fmt: skip


async def test_the_tables_of_emails_and_facts_take_nothing_that_is_none(rows: RowStore) -> None:
    # One database for all of them: making one takes longer than asking it.
    refused: tuple[tuple[TaskTable, Record], ...] = (
        (EMAILS, an_email(priority="soon")),
        (EMAILS, an_email(department=None)),
        (FACTS, a_fact("colour", "red")),
        (FACTS, a_fact("price", "5", source="a guess")),
        (FACTS, {"url": None, "name": "price", "value": None, "source": "json-ld"}),
        (FACTS, {"url": None, "value": "5", "source": "json-ld"}),
    )
    for number, (table, record) in enumerate(refused):
        with pytest.raises(PermanentError, match="refuses the values"):
            await rows.finish_chunk(a_chunk(number, a_row("a", record), table=table))
        assert await rows.known(["a"], table=table) == set()
