"""The feedback flow as its users meet it: files and rows go in by S3 and SQS, PostgreSQL and SNS show the outcome.

The service is a process of its own; nothing is replaced but the cloud beneath it.
"""

import asyncio
import csv
import io
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from local.bedrock_endpoint import BedrockEndpoint, running_bedrock
from local.cloud import FEEDBACK_MODEL_ID
from local.emulator import Emulator
from local.postgres import Postgres
from local.provisioning import Provisioned, provision
from tests.support.feedback import a_file, a_row, many_rows
from tests.support.tagger_process import Analyst, running_tagger
from tests.support.waiting import wait_until

CATEGORIES = {"Application issues", "Cloud backup issues", "Payment", "Package shipment", "Hardware failures"}


def query(dsn: str, sql: str, *arguments: Any) -> list[dict[str, Any]]:
    async def fetch() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [dict(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def settings_of(resources: Provisioned, database: str, **more: str) -> dict[str, str]:
    return resources.feedback_tagger(
        DATABASE_URL=database, FEEDBACK_MODEL_ID=FEEDBACK_MODEL_ID, DRAIN_SECONDS="30", **more
    )


@pytest.fixture(scope="module")
def served(
    emulator: Emulator, postgres: Postgres, bedrock_endpoint: BedrockEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Analyst, str]]:
    """A running tagger and its database; tests keep apart by the names of their files and rows."""
    name = f"test-{secrets.token_hex(4)}"
    resources = provision(emulator.environment(), name)
    database = postgres.create_database(name)
    settings = settings_of(resources, database, **bedrock_endpoint.environment())
    with running_tagger(settings, tmp_path_factory.mktemp("tagger")):
        yield Analyst(resources), database


@pytest.fixture
def analyst(served: tuple[Analyst, str]) -> Analyst:
    return served[0]


@pytest.fixture
def stored_in(served: tuple[Analyst, str]) -> str:
    """The DSN of the database that the running tagger stores in."""
    return served[1]


def test_every_row_of_a_file_is_stored_once_or_rejected_with_its_line(analyst: Analyst, stored_in: str) -> None:
    rows = many_rows(50)
    rows[7]["feedback"] = "  "
    rows[11]["date"] = ""
    rows[13]["date"] = "31/2/2024"
    rows[17]["store"] = "a store with a name of more than twenty characters"
    twin = a_row(id="", feedback="Where is my parcel, it never came.")
    run = analyst.upload("spring sale, ünïcode+plus.csv", a_file([*rows, twin, twin]))

    result = analyst.result_of(run)
    assert (result["status"], result["rows"], result["stored"], result["duplicates"]) == ("partial", 52, 48, 0)
    assert (result["rejected"], result["failed"], result["problem"]) == (4, 0, "")
    assert sum(result["by_label"].values()) == 48
    assert result["tokens"]["calls"] > 0
    assert result["tokens"]["input"] > 0
    assert result == analyst.document_of(run)

    stored = query(stored_in, "select * from customer_feedback where run_id = $1 order by line_no", run)
    assert len(stored) == 48
    assert {row["label_llm"] for row in stored} <= CATEGORIES | {"unknown"}
    assert {row["run_id"] for row in stored} == {run}
    assert [row["feedback"] for row in stored[-2:]] == [twin["feedback"]] * 2
    assert stored[0]["create_date"].isoformat() == "2024-03-25T14:30:00+00:00"
    assert stored[0]["ref_id"] == "r-0"
    labels = {row["ref_id"]: row["label_llm"] for row in stored}
    assert (labels["r-2"], labels["r-3"]) == ("Payment", "Package shipment")

    listed = list(csv.DictReader(io.StringIO(analyst.object(result["rejects"][0]).decode("utf-8-sig"))))
    assert [(row["line"], row["column"]) for row in listed] == [
        ("9", "feedback"),
        ("13", "date"),
        ("15", "date"),
        ("19", "store"),
    ]
    taxonomy = json.loads(analyst.object("runs/taxonomy.json"))
    assert {category["name"] for category in taxonomy["categories"]} == CATEGORIES


def test_the_same_file_and_an_overlapping_one_add_only_what_is_new(analyst: Analyst, stored_in: str) -> None:
    first = analyst.upload("march.csv", a_file(many_rows(30, prefix="same")))
    assert analyst.result_of(first)["stored"] == 30

    again = analyst.upload("march.csv", a_file(many_rows(30, prefix="same")))
    assert again == first
    repeat = analyst.result_of(first, number=2)
    assert (repeat["status"], repeat["stored"], repeat["duplicates"], repeat["repeats"]) == ("complete", 0, 30, 1)
    shown = analyst.document_of(first)
    assert (shown["stored"], shown["duplicates"], shown["repeats"]) == (30, 0, 1)

    renamed = analyst.upload(
        "march (1).csv", a_file(many_rows(30, prefix="same"), delimiter=";", line_end="\n", encoding="utf-16")
    )
    same_rows = analyst.result_of(renamed)
    assert (same_rows["status"], same_rows["stored"], same_rows["duplicates"]) == ("complete", 0, 30)
    assert same_rows["tokens"]["calls"] == 0

    overlapping = analyst.upload("april.csv", a_file(many_rows(30, first=20, prefix="same")))
    partly_new = analyst.result_of(overlapping)
    assert (partly_new["stored"], partly_new["duplicates"]) == (20, 10)
    assert len(query(stored_in, "select id from customer_feedback where ref_id like 'same-%'")) == 50


def test_single_rows_share_prompts_and_belong_to_no_run(analyst: Analyst, stored_in: str) -> None:
    for number in range(12):
        text = f"I was charged twice on my credit card, order {number}."
        analyst.send_item({"version": 1, "id": f"s-{number}", "feedback": text, "date": "2024-03-25"})
    repeated = {
        "version": 1,
        "id": "s-0",
        "feedback": "I was charged twice on my credit card, order 0.",
        "date": "2024-03-25",
    }
    analyst.send_item(repeated)
    analyst.send_item({"version": 1, "feedback": "Great!"})
    analyst.send_item({"version": 1, "feedback": "Great!"})

    rows = wait_until(
        lambda: len(found := query(stored_in, "select * from customer_feedback where run_id is null")) == 14 and found,
        what="14 single rows",
    )
    assert rows
    assert {row["line_no"] for row in rows} == {None}
    assert {row["label_llm"] for row in rows if row["ref_id"]} == {"Payment"}
    assert len({row["execution_id"] for row in rows}) == 14


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("{not json", "body: is not JSON"),
        ({"version": 1}, "feedback: is missing"),
        ({"version": 1, "feedback": "late", "colour": "red"}, "colour: is not a field"),
        ({"version": 1, "feedback": "late", "date": "3/4/2024"}, "date: does not begin with the year"),
        ({"version": 1, "feedback": " \n "}, "feedback: is blank"),
        ({"version": 1, "feedback": "a \ud800 b"}, "feedback: is not Unicode text"),
    ],
)
def test_a_single_row_that_cannot_be_taken_is_dead_lettered_with_the_field_and_the_remedy(
    analyst: Analyst, item: Any, reason: str
) -> None:
    analyst.send_item(item)
    (letter,) = analyst.dead_letters("feedback-items", count=1)
    assert letter["reason"].startswith(reason)
    assert ";" in letter["reason"]


def test_files_that_cannot_be_read_end_as_failed_runs_and_stop_nothing(analyst: Analyst) -> None:
    bad = {
        "empty.csv": (b"", "is empty"),
        "no-feedback.csv": (a_file([a_row()], header=("id", "date", "comment")), "has no column named 'feedback'"),
        "sheet.csv": (b"PK\x03\x04 xl/workbook.xml", "is an Excel workbook"),
        "header-only.csv": (a_file([]), "has a header line and no rows"),
        "no-good-row.csv": (a_file([a_row(date="yesterday")] * 3), "has no usable row among its 3"),
    }
    runs = {name: analyst.upload(name, body) for name, (body, _) in bad.items()}
    good = analyst.upload("good.csv", a_file(many_rows(3, prefix="good")))
    for name, run in runs.items():
        result = analyst.result_of(run)
        assert (result["status"], result["stored"]) == ("failed", 0), name
        assert result["problem"].startswith(bad[name][1]), name
    assert (analyst.result_of(good)["status"], analyst.result_of(good)["stored"]) == ("complete", 3)


def test_a_message_that_is_no_upload_is_dead_lettered_and_the_test_event_is_not(
    analyst: Analyst,
) -> None:
    resources = analyst.resources
    sqs, url = resources.client("sqs"), resources.queues["feedback-files"]
    test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": resources.bucket}
    for body in (json.dumps(test_event), "hello", '{"Records": [{"eventName": "ObjectCreated:Put"}]}'):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    letters = analyst.dead_letters("feedback-files", count=2)
    assert sorted(letter["reason"].split(",")[0] for letter in letters) == [
        "body: has a record without eventName",
        "body: is not JSON",
    ]

    def all_settled() -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return set(counts.values()) == {"0"}

    wait_until(all_settled, what="an empty queue")


def test_a_model_that_is_away_mid_run_costs_no_row(resources: Provisioned, database: str, tmp_path: Path) -> None:
    """What: the Bedrock endpoint's port closes in the middle of a run and opens again.

    How: the endpoint is stopped once the first chunks are stored, and started on the same port when the pool has met
    the closed door and given messages back.
    """
    slow = {"models": {"*": {"latency": {"fixed_ms": 150}}}}
    rows = many_rows(300)
    analyst = Analyst(resources)

    def stored() -> int:
        return int(query(database, "select count(*) from customer_feedback")[0]["count"])

    with running_bedrock(tmp_path / "first", slow) as first:
        port = int(first.url.rsplit(":", 1)[1])
        settings = settings_of(resources, database, **first.environment(), POOL_WORKERS="2")
        with running_tagger(settings, tmp_path / "tagger") as tagger:
            run = analyst.upload("long.csv", a_file(rows))
            wait_until(lambda: stored() >= 40, what="the first chunks")
            first.process.stop()
            assert stored() < len(rows)
            wait_until(lambda: b'"outcome":"retry' in tagger.process.log.read_bytes(), what="a message given back")
            assert analyst.document_of(run)["status"] == "open"
            with running_bedrock(tmp_path / "second", port=port):
                result = analyst.result_of(run, within=90)
    assert (result["status"], result["stored"], result["rejected"]) == ("complete", 300, 0)
    assert {row["ref_id"] for row in query(database, "select ref_id from customer_feedback")} == {
        row["id"] for row in rows
    }
