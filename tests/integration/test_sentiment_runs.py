"""Files for sentiment through ingest, pool and finaliser on both engines: what is stored, whatever rows and model say,
and whenever the pool is killed."""

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.store.port import ChunkResult
from services.feedback_tagger.tasks import TaskOptions, tasks_of
from services.feedback_tagger.tasks.sentiment import ASPECTS
from shared.model.port import Request
from tests.support.databases import Sql
from tests.support.feedback import a_file, a_row
from tests.support.hostile_rows import BURDENING, SPEAKING
from tests.support.task_desk import RowModel, TaskDesk

IDS = {"row_identity", "ref_id", "run_id", "execution_id"}
POLARITIES = {"positive", "negative", "mixed", "none", "unknown"}
KEY = "uploads/sentiment/march.csv"
FILE = a_file(
    [
        a_row(id="r-1", feedback="price+ service-"),
        a_row(id="r-2", feedback="delivery~"),
        a_row(id="r-3", feedback="Nothing to say."),
        a_row(id="r-4", feedback="gibberish"),
        a_row(id="r-5", feedback="price+ service-"),
        a_row(id="r-6", feedback="price-", date="3/4/2024"),
    ]
)


def literal(text: str, request: Request) -> str | None:
    """A model that finds an aspect where a row writes it with its sign."""
    if text == "Not again. gibberish":
        return "what?"
    numbers = {name: number for number, name in re.findall(r"^(\d+) (\w+)$", request.system, re.MULTILINE)}
    found = [f"{numbers[name]}{sign}" for name, sign in re.findall(r"(\w+)([+~-])", text) if name in numbers]
    return ",".join(found) or "0"


@pytest.fixture
def sql(any_database: str) -> Sql:
    return Sql(any_database)


@pytest.fixture
async def store(any_database: str) -> AsyncIterator[Store]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=4) as opened:
        yield opened


async def test_each_aspect_that_a_row_judges_is_a_record_and_a_row_that_judges_none_is_one(
    store: Store, sql: Sql
) -> None:
    result = await TaskDesk(store, RowModel(literal)).result(KEY, FILE)
    assert (result["status"], result["task"], result["stored"], result["rejected"]) == ("complete", "sentiment", 6, 0)
    assert result["by_label"] == {"mixed": 3, "negative": 1, "none": 1, "unknown": 1}
    assert (result["unknown"], result["answers"]) == (1, {"model": 6, "known": 0})
    stored = await sql.rows(
        "select ref_id, part, aspect, polarity, confidence, product_name, store from feedback_sentiment order by 1, 2"
    )
    place = ("Pocket Cam 2", "DE")
    assert stored == [
        ("r-1", 1, "price", "positive", None, *place),
        ("r-1", 2, "service", "negative", None, *place),
        ("r-2", 1, "delivery", "mixed", None, *place),
        ("r-3", 1, None, "none", None, *place),
        ("r-4", 1, None, "unknown", None, *place),
        ("r-5", 1, "price", "positive", None, *place),
        ("r-5", 2, "service", "negative", None, *place),
        ("r-6", 1, "price", "negative", None, *place),
    ]
    by_month = await sql.rows(
        "select month, aspect, polarity, feedback_count from feedback_sentiment_by_month order by 1, 2, 3"
    )
    assert [(str(month), *rest) for month, *rest in by_month] == [
        ("2024-03-01", "delivery", "mixed", 1),
        ("2024-03-01", "price", "positive", 2),
        ("2024-03-01", "service", "negative", 2),
        ("2024-04-01", "price", "negative", 1),
    ]


async def test_with_three_votes_the_confidence_is_what_the_answers_agree_on(store: Store, sql: Sql) -> None:
    def wavers(text: str, request: Request) -> str | None:
        """Sees the service's sign only where the aspects stand in their first order."""
        first_order = "\n1 price\n" in request.system
        return literal(text if first_order else text.replace("service-", "service+"), request)

    tasks = tasks_of(TaskOptions(sentiment_votes=3))
    result = await TaskDesk(store, RowModel(wavers), tasks).result(KEY, FILE)
    assert result["tokens"]["calls"] == 7, "two prompts, one row once more alone, and two votes each"
    stored = await sql.rows(
        "select aspect, polarity, confidence from feedback_sentiment where ref_id in ('r-1', 'r-3', 'r-4')"
        " order by ref_id, part"
    )
    assert stored == [
        ("price", "positive", Decimal("1.000")),
        ("service", "positive", Decimal("0.667")),
        (None, "none", Decimal("1.000")),
        (None, "unknown", None),
    ]


async def test_hostile_rows_put_nothing_but_aspects_and_polarities_into_the_table(store: Store, sql: Sql) -> None:
    texts = [text for family in (*SPEAKING.values(), *BURDENING.values()) for text in family]
    random = Random(8)

    def obeys(text: str, _: Request) -> str:
        numbers = re.findall(r"\d+", text)
        return random.choice([text, f"{(numbers or [3])[0]}+", "2-\n1:5+\n2:'; drop table feedback_sentiment; --", "0"])

    hostile = [a_row(id=f"h-{number}", feedback=text, date="") for number, text in enumerate(texts)]
    for row in hostile:
        row["date"] = "25/3/2024"
    desk = TaskDesk(store, RowModel(obeys), rows_per_prompt=20)
    result = await desk.result("uploads/sentiment/hostile.csv", a_file(hostile, encoding="utf-16"))
    assert result["stored"] + result["rejected"] == len(hostile)
    assert result["stored"] > 200
    stored = await sql.dicts("select * from feedback_sentiment")
    assert {row["aspect"] for row in stored} <= {None, *ASPECTS}
    assert {row["polarity"] for row in stored} <= POLARITIES
    assert {row["confidence"] for row in stored} == {None}
    # Nor does any of their text come in by another column.
    texts_stored = {
        value for row in stored for name, value in row.items() if isinstance(value, str) and name not in IDS
    }
    assert texts_stored <= {*ASPECTS, *POLARITIES, "Pocket Cam 2", "DE"}


class Crash(BaseException):
    """The process is gone."""


class KilledAround:
    """A store that dies before or after the chunk is finished, once."""

    def __init__(self, rows: Any, *, after: bool) -> None:
        self._rows, self._after, self._struck = rows, after, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    async def finish_chunk(self, result: ChunkResult) -> bool:
        if self._struck:
            return bool(await self._rows.finish_chunk(result))
        self._struck = True
        if self._after:
            await self._rows.finish_chunk(result)
        raise Crash


@pytest.mark.parametrize("after", [False, True])
async def test_a_pool_that_is_killed_around_its_transaction_stores_each_record_once(
    store: Store, sql: Sql, after: bool
) -> None:
    killed = Store(
        **{name: getattr(store, name) for name in store.__slots__} | {"rows": KilledAround(store.rows, after=after)}
    )
    model = RowModel(literal)
    desk = TaskDesk(killed, model)
    await desk.upload(KEY, FILE)
    bodies = list(desk.chunks.bodies)
    with pytest.raises(Crash):
        await desk.work()
    desk.chunks.bodies = bodies
    await desk.work()
    desk.chunks.bodies = bodies
    result = await TaskDesk(store, model, bucket=desk.bucket).result(KEY, FILE)
    assert (result["status"], result["stored"], result["duplicates"]) == ("complete", 6, 0)
    assert await sql.value("select count(*) from feedback_sentiment") == 8
    assert sum(result["by_label"].values()) == 6
