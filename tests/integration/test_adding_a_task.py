"""A fifth task, made of what docs/feedback_tagger.md says and of nothing else, through ingest, pool and finaliser on
both engines."""

import importlib.util
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.tasks import TASKS, Tasks
from services.feedback_tagger.tasks.task import Task
from shared.errors import BadInput
from tests.support.databases import Sql
from tests.support.feedback import a_file, a_row
from tests.support.task_desk import RowModel, TaskDesk

DOCUMENT = Path(__file__).parents[2] / "docs" / "feedback_tagger.md"
SECTION = DOCUMENT.read_text(encoding="utf-8").split("\n## Adding a task\n", 1)[1].split("\n## ", 1)[0]
TODAY = "Call me back today, the alarm does not stop."


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def urgency(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """The task as the document's first block of Python defines it."""
    file = tmp_path_factory.mktemp("tasks") / "urgency.py"
    file.write_text(blocks("python")[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("urgency_of_the_document", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert isinstance(module.URGENCY, Task)
    return module.URGENCY


@pytest.fixture
async def store(any_database: str) -> AsyncIterator[Store]:
    """A migrated database with the document's table for this engine."""
    await migrate_store(door_to(any_database))
    sql = Sql(any_database)
    postgres, mysql = blocks("sql")
    await sql.run(postgres if sql.engine == "postgres" else mysql)
    async with open_store(door_to(any_database), connections=4) as opened:
        yield opened


@pytest.fixture
def model() -> RowModel:
    return RowModel(lambda text, _: "2" if text == TODAY else "1")


@pytest.fixture
def desk(store: Store, model: RowModel, urgency: Task) -> TaskDesk:
    return TaskDesk(store, model, Tasks((*TASKS.all, urgency)))


FILE = [
    a_row(id="r-1", feedback=TODAY),
    a_row(id="r-2", feedback="The manual could be longer."),
    a_row(id="r-3", feedback="Lovely.", stars="5"),
    a_row(id="r-4", feedback=" "),
]


async def test_a_file_of_the_new_task_goes_through_like_any_other(
    desk: TaskDesk, model: RowModel, any_database: str
) -> None:
    result = await desk.result("uploads/urgency/march.csv", a_file(FILE))
    assert (result["task"], result["status"]) == ("urgency", "partial")
    assert (result["rows"], result["stored"], result["rejected"]) == (4, 3, 1)
    assert result["by_label"] == {"none": 1, "today": 1, "week": 1}
    assert result["answers"] == {"model": 2, "known": 1}
    assert model.asked == [[TODAY, "The manual could be longer."]]
    assert "<levels>" in model.requests[0].system

    rows = await Sql(any_database).rows("select ref_id, part, wanted, line_no from feedback_urgency order by line_no")
    assert rows == [("r-1", 1, "today", 2), ("r-2", 1, "week", 3), ("r-3", 1, "none", 4)]
    assert await Sql(any_database).value("select count(*) from customer_feedback") == 0


async def test_the_same_rows_again_add_nothing_and_cost_nothing(desk: TaskDesk, model: RowModel) -> None:
    await desk.result("uploads/urgency/march.csv", a_file(FILE))
    again = await desk.result("uploads/urgency/renamed.csv", a_file(FILE, delimiter=";"))
    assert (again["stored"], again["duplicates"], again["tokens"]["calls"]) == (0, 3, 0)
    assert len(model.asked) == 1


async def test_the_same_rows_of_another_task_are_rows_of_that_task(desk: TaskDesk, any_database: str) -> None:
    await desk.result("uploads/urgency/march.csv", a_file(FILE))
    categorised = await desk.result("uploads/march.csv", a_file(FILE))
    assert (categorised["task"], categorised["stored"], categorised["duplicates"]) == ("categorise", 3, 0)
    assert categorised["answers"] == {"model": 3, "known": 0}
    assert await Sql(any_database).value("select count(*) from customer_feedback") == 3


async def test_a_model_that_answers_nonsense_leaves_the_fallback_and_nothing_else(
    store: Store, urgency: Task, any_database: str
) -> None:
    desk = TaskDesk(store, RowModel(lambda text, _: "DROP TABLE"), Tasks((*TASKS.all, urgency)))
    result = await desk.result("uploads/urgency/march.csv", a_file(FILE[:2]))
    assert (result["by_label"], result["unknown"]) == ({"unknown": 2}, 2)
    assert await Sql(any_database).rows("select distinct wanted from feedback_urgency") == [("unknown",)]


async def test_single_rows_name_their_task_in_a_field_or_an_attribute_and_the_attribute_wins(
    desk: TaskDesk, model: RowModel, any_database: str
) -> None:
    item = {"version": 1, "feedback": TODAY, "id": "s-1"}
    assert await desk.send({**item, "task": "urgency"}) == [None]
    assert await desk.send({**item, "id": "s-2", "task": "categorise"}, task="urgency") == [None]
    assert await desk.send({**item, "id": "s-3"}) == [None]
    happy = {"version": 1, "feedback": "Thanks!", "stars": "5", "task": "urgency"}
    assert await desk.send(happy, {**item, "id": "s-1", "task": "urgency"}) == [None, None]

    sql = Sql(any_database)
    assert await sql.rows("select ref_id, wanted from feedback_urgency where ref_id is not null order by ref_id") == [
        ("s-1", "today"),
        ("s-2", "today"),
    ]
    assert await sql.value("select count(*) from feedback_urgency where run_id is null") == 3
    assert await sql.rows("select ref_id from customer_feedback") == [("s-3",)]
    assert len(model.asked) == 3, "one known, one there already"


async def test_a_task_that_nobody_knows_is_refused_with_the_names_of_those_there_are(desk: TaskDesk) -> None:
    (refusal,) = await desk.send({"version": 1, "feedback": "late"}, task="translate")
    assert isinstance(refusal, BadInput)
    assert (refusal.field, "urgency" in refusal.remedy) == ("task", True)
