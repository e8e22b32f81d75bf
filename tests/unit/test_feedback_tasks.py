"""Which task a file is for, who reads it, what needs no model, and what that means for a quote."""

import json
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from services.feedback_tagger.asking.asker import known_and_open
from services.feedback_tagger.domain.feedback import Fault, Feedback, Row, content_digest, row_identity
from services.feedback_tagger.domain.reading import Contents, Source
from services.feedback_tagger.domain.task_table import TaskTable
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.upload import CountOccurrence, Rejected
from services.feedback_tagger.files.quoting import ALL_ROWS, Sample
from services.feedback_tagger.messages.item import read_item, task_in
from services.feedback_tagger.planner.quote import Tally, quote_of
from services.feedback_tagger.tasks import TASKS, TaskOptions, Tasks, tasks_of
from services.feedback_tagger.tasks.categorise import CATEGORISE
from services.feedback_tagger.tasks.task import Task
from tests.support.feedback import a_file, many_rows
from tests.support.ingesting import Desk

PRAISE = Task(
    name="praise",
    upload_prefix="uploads/praise/",
    system=lambda _: "Is it praise?",
    question=lambda feedback: feedback.feedback,
    read=lambda answer, rows, _: dict.fromkeys(range(1, rows + 1), answer),
    fallback="no",
    counted=lambda answer: answer.upper(),
    table=TaskTable("feedback_praise", (("praise", "text"),)),
    records=lambda row, answer, votes: [{"praise": answer}],
    known=lambda feedback: "yes" if feedback.stars == "5" else None,
)
BOTH = Tasks((CATEGORISE, PRAISE))


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("uploads/march.csv", "categorise"),
        ("uploads/sentiment.csv", "categorise"),
        ("uploads/sentiment/march.csv", "sentiment"),
        ("uploads/sentiment/2024/03.jsonl", "sentiment"),
        ("uploads/Sentiment/march.csv", "categorise"),
    ],
)
def test_a_file_is_for_the_task_with_the_longest_prefix_that_fits(key: str, name: str) -> None:
    assert TASKS.of_upload(key).name == name


def test_a_key_outside_of_all_prefixes_and_a_name_that_is_none_are_refused() -> None:
    with pytest.raises(KeyError):
        TASKS.of_upload("runs/sentiment/march.csv")
    with pytest.raises(KeyError):
        TASKS.named("translate")


def test_names_prefixes_and_tables_are_each_tasks_own() -> None:
    for values in (
        [task.name for task in TASKS.all],
        [task.upload_prefix for task in TASKS.all],
        [task.table.name for task in TASKS.all if task.table is not None],
    ):
        assert len(set(values)) == len(values)


def test_every_task_records_its_fallback_and_counts_it_in_a_text_that_the_store_takes() -> None:
    row = Row(line=2, identity="i", feedback=Feedback(feedback="x"))
    for task in TASKS.all:
        assert len(task.counted(task.fallback)) <= 255
        if task.table is not None:
            task.table.check(task.records(row, task.fallback, ()))


def test_a_newer_builds_run_can_be_reported_on() -> None:
    assert BOTH.fallback_of("praise") == "NO"
    assert BOTH.fallback_of("categorise") == "unknown"
    assert BOTH.fallback_of("of next year") == "unknown"


def test_options_change_the_task_that_they_are_about() -> None:
    tasks = tasks_of(TaskOptions(sentiment_aspects=("noise",), sentiment_votes=5))
    assert "1 noise" in tasks.named("sentiment").system(Taxonomy(()))
    assert tasks.named("sentiment").votes == 5
    assert tasks.named("categorise") is CATEGORISE


# Answers that need no model


def rows_with(*stars: str | None) -> list[Row]:
    return [
        Row(line=n, identity=str(n), feedback=Feedback(feedback=f"text {n}", stars=each))
        for n, each in enumerate(stars, start=2)
    ]


def test_rows_whose_answer_is_known_are_not_asked_about() -> None:
    known, unanswered = known_and_open(PRAISE, rows_with("5", "1", None, "5"))
    assert [row.line for row in unanswered] == [3, 4]
    assert [(each.row.line, each.label, each.counts_as, each.known) for each in known] == [
        (2, "yes", "YES", True),
        (5, "yes", "YES", True),
    ]
    assert known[0].records == [{"praise": "yes"}]


def test_a_quote_leaves_out_what_needs_no_model() -> None:
    asked, all_of_them = Sample(PRAISE, rows_per_prompt=4, prompt_tokens=0), Tally(rows_per_prompt=4)
    for number in range(20):
        asked.add({"feedback": f"text {number}", "stars": "5" if number % 2 else "1"})
        if number % 2 == 0:
            all_of_them.add(f"text {number}")
    assert asked.counts() == all_of_them.counts()


def test_a_quote_of_a_large_file_scales_what_its_sample_had_to_ask() -> None:
    sample = Sample(PRAISE, rows_per_prompt=10, prompt_tokens=0)
    for number in range(3 * ALL_ROWS):
        # One row of three takes no model.
        sample.add({"feedback": f"text {number}", "stars": "5" if number % 3 == 0 else "1"})
    counts = sample.counts()
    assert abs(counts.rows - 2 * ALL_ROWS) < ALL_ROWS // 20
    nothing = Sample(PRAISE, rows_per_prompt=10, prompt_tokens=0)
    for _ in range(2 * ALL_ROWS):
        nothing.add({"feedback": "text", "stars": "5"})
    assert nothing.counts().rows == 0


def test_every_vote_is_in_the_quote() -> None:
    tally = Tally(rows_per_prompt=4)
    for number in range(8):
        tally.add(f"a text of its own {number}")
    counts = tally.counts()

    def quote(**fields: Any) -> Any:
        return quote_of(counts, model_id="m", price=None, prices_as_of="", system="Short.", **fields)

    once, thrice = quote(answer_tokens=9), quote(answer_tokens=9, votes=3)
    assert (thrice.prompts, thrice.input_tokens) == (3 * once.prompts, 3 * once.input_tokens)
    assert (once.output_tokens, thrice.output_tokens) == (72, 216)


# Readers


def a_reader_of_lines(source: Source) -> Contents:
    """Each line is a row; a blank one is a reject."""
    lines = source.file.read().decode().split("\n")
    if lines[0] != "LINES":
        raise UnusableFile("has no LINES in its first line; write it there")

    def rows(occurrence: CountOccurrence) -> Generator[Row | Rejected, None, None]:
        for number, line in enumerate(lines[1:], start=2):
            if line:
                feedback = Feedback(feedback=line, extra={"file": source.key})
                digest = content_digest(feedback)
                yield Row(line=number, identity=row_identity(digest, occurrence(digest)), feedback=feedback)
            else:
                yield Rejected(number, Fault("line", "is blank"))

    return Contents(encoding="utf-8", date_order="none", rows=rows)


LINES = replace(PRAISE, reader=a_reader_of_lines)


async def test_the_tasks_own_reader_makes_rows_of_its_files_and_the_table_reader_of_others() -> None:
    desk = Desk(ingest={"tasks": Tasks((CATEGORISE, LINES))})
    await desk.read("praise/wall.txt", b"LINES\nnice\n\nnice\nfine")
    assert desk.texts == ["nice", "nice", "fine"]
    assert {chunk.task for chunk in desk.chunks} == {"praise"}
    places = [row.identity.split(":")[1] for chunk in desk.chunks for row in chunk.rows]
    assert places == ["1", "2", "1"], "twins stay two"
    assert [row.feedback.extra["file"] for row in desk.chunks[0].rows] == ["uploads/praise/wall.txt"] * 3
    assert desk.rejects == [["3", "line", "is blank"]]
    assert (desk.outcome.rows_read, desk.outcome.rows_rejected, desk.outcome.encoding) == (4, 1, "utf-8")

    other = Desk(ingest={"tasks": Tasks((CATEGORISE, LINES))})
    await other.read("wall.csv", a_file(many_rows(3)))
    assert {chunk.task for chunk in other.chunks} == {"categorise"}
    assert len(other.texts) == 3


async def test_a_file_that_its_reader_cannot_use_ends_its_run_with_the_reason() -> None:
    desk = Desk(ingest={"tasks": Tasks((CATEGORISE, LINES))})
    await desk.read("praise/wall.csv", a_file(many_rows(3)))
    assert desk.outcome.problem.startswith("has no LINES")
    assert (desk.outcome.total_chunks, desk.chunks) == (0, [])


# Single rows


@pytest.mark.parametrize(
    ("body", "task"),
    [
        ('{"task": "sentiment"}', "sentiment"), ('{"task": 5}', None), ("[]", None), ("{", None), ("[" * 10_000, None),
        ('{"version": 1}', None), ("From: a@example.com", None),
    ],
)  # fmt: skip
def test_the_task_of_a_message_is_what_its_field_says(body: str, task: str | None) -> None:
    assert task_in(body) == task


def test_the_field_for_the_task_is_no_column_of_the_row() -> None:
    def item(**fields: str) -> Mapping[str, Any]:
        return {"version": 1, "id": "r-1", "feedback": "late", **fields}

    plain, named = (read_item(json.dumps(each), "m-1") for each in (item(), item(task="sentiment")))
    assert plain == named
