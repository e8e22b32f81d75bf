"""`deskhand forget` on real tables, a bucket and both engines: what there is, what goes, and what is left."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.cloud import CloudChoice, open_cloud
from cli.trace import read_ticket
from local.provisioning import Provisioned
from services.feedback_tagger.command_line import main
from services.feedback_tagger.discovery.texts import digest_of
from services.feedback_tagger.store.migrate import migrate_database
from services.ticket_agent.domain.chain import Head, head_after, linked
from shared.aws.items import to_item
from tests.support.databases import Sql

Deskhand: TypeAlias = Callable[..., Result]


@pytest.fixture
def deskhand(resources: Provisioned) -> Deskhand:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--json", "--cloud", "aws", "--name", resources.name])

    return run


def put(resources: Provisioned, table: str, **row: Any) -> None:
    resources.client("dynamodb").put_item(TableName=resources.tables[table], Item=to_item(row))


def put_ticket(resources: Provisioned, ticket_id: str, employee: str, state: str) -> None:
    put(
        resources, "Ticket", ticketId=ticket_id, employeeId=employee, state=state, ticket_content="secret", owner="@sam"
    )
    head = Head()
    for name, content in (
        ("intake", {"employeeId": employee, "digest": "d"}),
        ("attempt#0001", {}),
        ("turn#1", {"text": "secret"}),
    ):
        entry = linked(head, {"ticketId": ticket_id, "entry": name, "at": "2026-01-01", **content}, salt="salt")
        put(resources, "Ledger", **entry)
        head = head_after(entry, attempt=1)
    put(resources, "Ledger", ticketId=ticket_id, entry="head", number=head.number, digest=head.digest, attempt=1)


def everything(resources: Provisioned) -> str:
    dynamodb = resources.client("dynamodb")
    return json.dumps(
        [
            dynamodb.scan(TableName=resources.tables[table])["Items"]
            for table in ("Ticket", "Ledger", "User", "UserAccess")
        ]
    )


def places(result: Result) -> dict[str, int]:
    return {place: count for place, count in json.loads(result.stdout)["places"].items() if count}


def test_an_employee_is_counted_first_then_gone_and_the_ledger_still_verifies(
    deskhand: Deskhand, resources: Provisioned, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(migrate_database(database))
    monkeypatch.setenv("DATABASE_URL", database)
    sql = Sql(database)
    for employee in ("emp-7", "emp-8"):
        asyncio.run(
            sql.run(
                "insert into ticket_outcome (ticket_id, version, state, outcome, employee, told_at)"
                f" values ('of {employee}', 1, 'resolved', 'resolved', '{employee}', '2026-01-01')"
            )
        )
    for employee in ("emp-7", "emp-8"):
        put(resources, "User", employeeId=employee, manager="@sam", contact="extension 7")
        put(resources, "UserAccess", employeeId=employee, environmentId="2#grant#T-1")
        put_ticket(resources, f"T-{employee}", employee, "resolved")
    put(resources, "User", employeeId="under", manager="emp-7")
    before = everything(resources)

    counted = deskhand("forget", "--employee", "emp-7")

    assert counted.exit_code == 0, counted.output
    assert everything(resources) == before
    expected = {
        "database, ticket_outcome": 1,
        "table Ledger, entries whose texts go": 2,
        "table Ticket": 1,
        "table UserAccess": 1,
        "table User": 1,
    }
    assert places(counted) == expected
    assert json.loads(counted.stdout)["kept"] == ["kept: employee under, whose manager they are"]

    assert places(deskhand("forget", "--employee", "emp-7", "--yes")) == expected

    left = json.loads(everything(resources))
    assert json.dumps(left).count("emp-8") == before.count("emp-8")
    assert [item for rows in left for item in rows if {"S": "emp-7"} in item.values()] == left[2][:0] + [
        item for item in left[2] if item.get("manager") == {"S": "emp-7"}
    ]
    reading = read_ticket(open_cloud(CloudChoice.AWS, resources.name), "T-emp-7", None)
    assert (reading.problems, reading.verdict.erased) == ([], ("intake", "turn#1"))
    assert asyncio.run(sql.rows("select employee from ticket_outcome")) == [("emp-8",)]
    assert places(deskhand("forget", "--employee", "emp-7", "--yes")) == {}


def test_whoever_has_a_ticket_under_way_stays_until_it_is_over(deskhand: Deskhand, resources: Provisioned) -> None:
    put(resources, "User", employeeId="emp-7")
    put_ticket(resources, "T-over", "emp-7", "declined")
    put_ticket(resources, "T-open", "emp-7", "assigned")

    result = deskhand("forget", "--employee", "emp-7", "--yes")

    assert result.exit_code == 1
    problems = json.loads(result.stdout)["problems"]
    assert any("T-open is not over" in problem for problem in problems)
    assert any("DATABASE_URL" in problem for problem in problems)
    assert places(result) == {"table Ledger, entries whose texts go": 2, "table Ticket": 1}
    assert "T-open" in everything(resources)
    assert resources.client("dynamodb").scan(TableName=resources.tables["User"])["Count"] == 1


LONG_ID = f"<{'x' * 120}@example.com>"
ROW = "insert into customer_feedback (feedback, ref_id, row_identity) values ('{text}', '{ref}', '{ref}{text}')"


def test_rows_go_with_what_was_made_of_their_texts_alone(
    any_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a task inside the VPC does it, on both engines."""
    asyncio.run(migrate_database(any_database))
    sql = Sql(any_database)
    for ref, text in (("F-1", "mine"), ("F-1", "shared"), ("f-1", "shared"), ("F-2", "other")):
        asyncio.run(sql.run(ROW.format(ref=ref, text=text)))
    rows = asyncio.run(sql.rows("select id, ref_id, feedback from customer_feedback"))
    for row_id, _, text in rows:
        asyncio.run(sql.run(f"insert into feedback_unknown_row (row_id, text_digest) values ({row_id}, '{text}')"))
    for text in ("mine", "shared", "other"):
        asyncio.run(sql.run(f"insert into feedback_text (text_digest, problem) values ('{text}', '')"))
    asyncio.run(
        sql.run(
            "insert into feedback_sentiment (row_identity, part, ref_id, polarity, aspect)"
            " values ('i', 1, 'F-1', 'positive', 'price')"
        )
    )
    # A row with a category, embedded as an example of it; an e-mail whose id is too long a reference.
    asyncio.run(sql.run(ROW.format(ref="F-1", text="labelled")))
    for text in ("labelled", "other's"):
        asyncio.run(
            sql.run(
                "insert into feedback_embedding (text_digest, model_id, vector, tokens)"
                f" values ('{digest_of(text)}', 'm', 'v', 1)"
            )
        )
    asyncio.run(
        sql.run(
            "insert into feedback_email (row_identity, part, department, priority, language, message_id, attachments)"
            f" values ('e', 1, 'sales', 'low', 'en', '{LONG_ID}', '[]')"
        )
    )
    other = next(row_id for row_id, ref, _ in rows if ref == "F-2")
    arguments = ["forget", "--ref-id", "F-1", "--ref-id", LONG_ID, "--row", str(other)]
    environment = {"DATABASE_URL": any_database}

    def said(*more: str) -> dict[str, int]:
        assert main([*arguments, *more], environment) == 0
        return {table: count for table, count in json.loads(_last_line(capsys))["rows"].items() if count}

    expected = {
        "feedback_unknown_row": 3,
        "feedback_text": 2,
        "feedback_embedding": 1,
        "customer_feedback": 4,
        "feedback_sentiment": 1,
        "feedback_email": 1,
    }
    assert said() == expected
    assert len(asyncio.run(sql.rows("select id from customer_feedback"))) == 5
    assert said("--yes") == expected
    assert asyncio.run(sql.rows("select ref_id, feedback from customer_feedback")) == [("f-1", "shared")]
    assert asyncio.run(sql.rows("select text_digest from feedback_text")) == [("shared",)]
    assert asyncio.run(sql.rows("select text_digest from feedback_embedding")) == [(digest_of("other's"),)]
    assert said("--yes") == {}
    assert main(["forget", "--ref-id", "", "--yes"], environment) == 1


def test_versions_of_files_that_hold_a_row_go_and_no_other(
    deskhand: Deskhand, resources: Provisioned, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(migrate_database(database))
    monkeypatch.setenv("DATABASE_URL", database)
    s3, bucket = resources.client("s3"), resources.bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key, text in (
        ("uploads/a.csv", b"id,feedback\nF-1,x\n"),
        ("uploads/a.csv", b"id,feedback\nF-1,y\n"),
        ("uploads/a.csv.more", b"id,feedback\nF-10,y\n"),
        ("uploads/c.csv", b"id,feedback\nF-1,y\n"),
        ("uploads/c.csv", b"id,feedback\nF-3,y\n"),
        ("batch/run-2/00000-a/rows.jsonl", b'{"ref_id": "F-1"}'),
        ("batch/run-2/00000-a/input.jsonl", b'{"text": "what she says"}'),
        ("rejects/run-1/rows.csv", "F-1".encode("utf-16")),
        ("uploads/b.csv.gz", gzip.compress(b"id,feedback\nF-1,x\n")),
    ):
        s3.put_object(Bucket=bucket, Key=key, Body=text)

    counted = deskhand("forget", "--ref-id", "F-1", "--files")
    assert places(counted) == {"objects in the bucket": 6, "versions of them": 7}
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 7

    # A job that is under way reads its part; without it everybody else's rows in it would go unlabelled.
    s3.put_object(Bucket=bucket, Key="runs/run-2.json", Body=b'{"status": "open"}')
    waiting = deskhand("forget", "--ref-id", "F-1", "--files", "--yes")
    assert waiting.exit_code == 1
    assert "run run-2 is open" in json.loads(waiting.stdout)["problems"][0]
    assert places(waiting) == {"objects in the bucket": 4, "versions of them": 5}

    s3.put_object(Bucket=bucket, Key="runs/run-2.json", Body=b'{"status": "complete"}')
    gone = deskhand("forget", "--ref-id", "F-1", "--files", "--yes")
    assert gone.exit_code == 0, gone.output
    assert places(gone) == {"objects in the bucket": 2, "versions of them": 2}
    left = s3.list_object_versions(Bucket=bucket)
    kept = {each["Key"] for each in left["Versions"]}
    assert kept == {"uploads/a.csv.more", "uploads/c.csv", "runs/run-2.json"}
    assert b"F-3" in s3.get_object(Bucket=bucket, Key="uploads/c.csv")["Body"].read()
    assert not left.get("DeleteMarkers")


def _last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.splitlines()[-1]
