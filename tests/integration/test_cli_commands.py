"""The command line against real queues, tables and a bucket, found by name in the ordinary AWS environment."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.cloud import CloudChoice, open_cloud
from local.demo.sample import DIRECTORY, FEEDBACK
from local.emulator import Emulator
from local.provisioning import Provisioned
from services.feedback_tagger.domain.run import run_id
from shared.aws.items import to_item
from tests.support.run_documents import put_run
from tests.support.waiting import wait_until

Deskhand: TypeAlias = Callable[..., Result]

TICKET_TEXT = "Title: [red]a[/red]\nEnvironmentId: 1\nAccess duration: 8 days\nAccess Type: Read\n"


@pytest.fixture
def deskhand(resources: Provisioned) -> Deskhand:
    """The command, pointed at this test's resources as a user would point it at an account."""

    def run(*arguments: str, name: str = resources.name, text: str = "") -> Result:
        return CliRunner().invoke(app, [*arguments, "--cloud", "aws", "--name", name], input=text)

    return run


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def put_ticket(resources: Provisioned, **changes: Any) -> None:
    row = {
        "ticketId": "T-1",
        "employeeId": "111",
        "assignStatus": "unassigned",
        "ticket_content": "\x1b[2J secret",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "statusVersion": 0,
    }
    table = resources.tables["Ticket"]
    resources.client("dynamodb").put_item(TableName=table, Item=to_item({**row, **changes}))


def test_every_command_says_on_stderr_which_cloud_it_talks_to(deskhand: Deskhand, resources: Provisioned) -> None:
    result = deskhand("tickets", "list", "--json")

    assert resources.account in result.stderr
    assert resources.name in result.stderr
    assert said(result) == []


def test_a_submitted_ticket_is_a_message_at_the_door(
    deskhand: Deskhand, resources: Provisioned, tmp_path: Path
) -> None:
    (tmp_path / "ticket.txt").write_text(TICKET_TEXT, encoding="utf-8")
    sent = said(deskhand("tickets", "submit", "--employee", "111", "--file", str(tmp_path / "ticket.txt"), "--json"))
    url = resources.queues["ticket-intake"]
    (message,) = wait_until(lambda: resources.client("sqs").receive_message(QueueUrl=url).get("Messages"))

    assert message["MessageId"] == sent["messageId"]
    assert json.loads(message["Body"]) == {
        "version": 1,
        "ticketId": sent["ticketId"],
        "employeeId": "111",
        "content": TICKET_TEXT,
    }


def test_a_ticket_comes_from_standard_input_too(deskhand: Deskhand, resources: Provisioned) -> None:
    result = deskhand("tickets", "submit", "--employee", "111", "--file", "-", "--id", "T-7", text=TICKET_TEXT)
    url = resources.queues["ticket-intake"]
    (message,) = wait_until(lambda: resources.client("sqs").receive_message(QueueUrl=url).get("Messages"))

    assert result.stdout == "T-7\n"
    assert json.loads(message["Body"])["content"] == TICKET_TEXT


def test_a_ticket_is_shown_with_its_ledger(deskhand: Deskhand, resources: Provisioned) -> None:
    put_ticket(resources, assignStatus="assigned to @sam", communication="[bold]Ask \x1b]0;@sam")
    entry = {"ticketId": "T-1", "entry": "status#0001", "at": "2026-01-01T00:00:01.000Z", "toolCalls": 4}
    resources.client("dynamodb").put_item(TableName=resources.tables["Ledger"], Item=to_item(entry))

    shown = deskhand("tickets", "show", "T-1")
    ledger = said(deskhand("tickets", "show", "T-1", "--json"))["ledger"]

    assert "assigned to @sam" in shown.stdout
    assert "[bold]Ask" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "toolCalls=4" in shown.stdout
    assert ledger == [entry]


def test_tickets_are_listed_newest_first_and_by_status(deskhand: Deskhand, resources: Provisioned) -> None:
    put_ticket(resources, ticketId="old")
    put_ticket(resources, ticketId="new", createdAt="2026-02-01T00:00:00.000Z")
    put_ticket(resources, ticketId="done", assignStatus="auto-resolved")

    assert next(row["ticketId"] for row in said(deskhand("tickets", "list", "--json"))) == "new"
    only = said(deskhand("tickets", "list", "--status", "auto", "--json"))
    assert [row["ticketId"] for row in only] == ["done"]


def test_waiting_for_an_outcome_that_does_not_come_ends_with_a_remedy(deskhand: Deskhand) -> None:
    result = deskhand("tickets", "submit", "--employee", "111", "--text", "help", "--id", "T-9", "--wait", "1")

    assert result.exit_code == 1
    assert "deskhand tickets show T-9" in result.stderr


def test_an_upload_is_the_run_that_the_tagger_will_call_it(deskhand: Deskhand, resources: Provisioned) -> None:
    sent = said(deskhand("feedback", "upload", str(FEEDBACK), "--json"))
    stored = resources.client("s3").get_object(Bucket=resources.bucket, Key="uploads/feedback.csv")

    assert stored["Body"].read() == FEEDBACK.read_bytes()
    assert sent["run_id"] == run_id(resources.bucket, "uploads/feedback.csv", etag=stored["ETag"])
    assert said(deskhand("feedback", "upload", str(FEEDBACK), "--json")) == sent


def test_an_upload_for_a_task_goes_under_its_prefix(deskhand: Deskhand, resources: Provisioned) -> None:
    sent = said(deskhand("feedback", "upload", "--task", "sentiment", str(FEEDBACK), "--json"))
    key = "uploads/sentiment/feedback.csv"
    stored = resources.client("s3").get_object(Bucket=resources.bucket, Key=key)

    assert (sent["key"], sent["run_id"]) == (key, run_id(resources.bucket, key, etag=stored["ETag"]))


def test_status_watches_a_run_to_its_end(deskhand: Deskhand, resources: Provisioned) -> None:
    put_run(resources, "run-1")

    assert "partial: 3 rows, 2 stored" in deskhand("feedback", "status", "--watch").stderr
    assert said(deskhand("feedback", "status", "run-1", "--json"))["stored"] == 2
    assert [run["run_id"] for run in said(deskhand("feedback", "status", "--json"))] == ["run-1"]


def test_a_failed_run_ends_with_status_one(deskhand: Deskhand, resources: Provisioned) -> None:
    put_run(resources, "run-2", status="failed", problem="has no column named 'feedback'")
    result = deskhand("feedback", "status", "run-2")

    assert result.exit_code == 1
    assert "has no column named 'feedback'" in result.stdout


def test_categories_are_counted_over_the_runs_in_the_bucket(deskhand: Deskhand, resources: Provisioned) -> None:
    put_run(resources, "run-1")
    put_run(resources, "run-2")
    taxonomy = {"version": 1, "categories": [{"id": 1, "name": "Payment"}]}
    resources.client("s3").put_object(
        Bucket=resources.bucket, Key="runs/taxonomy.json", Body=json.dumps(taxonomy).encode()
    )

    assert said(deskhand("feedback", "categories", "--json")) == [
        {"category": "Payment", "rows": 2},
        {"category": "unknown", "rows": 2},
    ]


def test_a_directory_is_imported_once_and_what_else_a_row_holds_stays(
    deskhand: Deskhand, resources: Provisioned
) -> None:
    dynamodb, table = resources.client("dynamodb"), resources.tables["User"]
    dynamodb.put_item(TableName=table, Item=to_item({"employeeId": "111", "manager": "@kirk", "contact": "desk 4"}))

    first = said(deskhand("directory", "import", str(DIRECTORY), "--json"))
    second = said(deskhand("directory", "import", str(DIRECTORY), "--json"))
    (shown,) = [row for row in said(deskhand("directory", "show", "--json"))["employees"] if row["employeeId"] == "111"]

    assert first["employees"] == {"added": 6, "changed": 1, "unchanged": 0}
    assert first["access"] == {"added": 4, "changed": 0, "unchanged": 0}
    assert second["employees"] == {"added": 0, "changed": 0, "unchanged": 7}
    assert shown == {"employeeId": "111", "manager": "@sam", "contact": "desk 4"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("tickets", "submit", "--employee", "111", "--text", "help"),
        ("tickets", "list"),
        ("tickets", "decline", "T-1", "--by", "@sam"),
        ("tickets", "show", "T-1"),
        ("feedback", "upload", str(FEEDBACK)),
        ("feedback", "status"),
        ("feedback", "status", "run-1"),
        ("feedback", "categories"),
        ("directory", "import", str(DIRECTORY)),
        ("directory", "show"),
    ],
)
def test_a_wrong_name_is_named_together_with_what_was_looked_for(
    deskhand: Deskhand, arguments: tuple[str, ...]
) -> None:
    result = deskhand(*arguments, name="elsewhere")

    assert result.exit_code == 1
    assert "there is no" in result.stderr
    assert "elsewhere-" in result.stderr
    assert "--name" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("tickets", "show", "nobody"), "ticket-intake-dead"),
        (("feedback", "status", "run-0"), "--watch"),
        (("feedback", "status", "--watch"), "feedback upload"),
        (("feedback", "categories"), "tagger"),
    ],
)
def test_what_is_not_there_yet_says_what_to_do(deskhand: Deskhand, arguments: tuple[str, ...], remedy: str) -> None:
    result = deskhand(*arguments)

    assert result.exit_code == 1
    assert remedy in result.stderr


def test_an_endpoint_that_does_not_answer_is_said_in_words(deskhand: Deskhand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = deskhand("tickets", "list")

    assert result.exit_code == 1
    assert "AWS_ENDPOINT_URL" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        (("approve", "T-1", "--days", "8", "--comment", "Once."), {"days": 8, "comment": "Once."}),
        (("approve", "T-1"), {}),
        (("decline", "T-1"), {}),
        (("reassign", "T-1", "--to", "@kirk"), {"to": "@kirk"}),
    ],
)
def test_a_decision_is_a_message_at_the_door(
    deskhand: Deskhand, resources: Provisioned, arguments: tuple[str, ...], fields: dict[str, Any]
) -> None:
    sent = said(deskhand("tickets", *arguments, "--by", "@sam", "--json"))
    url = resources.queues["ticket-decisions"]
    (message,) = wait_until(lambda: resources.client("sqs").receive_message(QueueUrl=url).get("Messages"))

    assert message["MessageId"] == sent["decisionId"]
    usual = {"version": 1, "ticketId": "T-1", "decidedBy": "@sam", "decision": arguments[0]}
    assert json.loads(message["Body"]) == {**usual, **fields}


def test_a_decision_that_the_door_would_refuse_is_not_sent(deskhand: Deskhand) -> None:
    result = deskhand("tickets", "approve", "T-1", "--by", "@sam", "--days", "400")

    assert result.exit_code == 1
    assert "days" in result.stderr
    assert "1 to 365" in result.stderr


def test_waiting_for_a_decision_that_nobody_carries_out_names_the_dead_letters(deskhand: Deskhand) -> None:
    result = deskhand("tickets", "decline", "T-1", "--by", "@sam", "--wait", "1")

    assert result.exit_code == 1
    assert "ticket-decisions-dead" in result.stderr


@pytest.mark.parametrize(
    ("given", "other"), [("AWS_REGION", "AWS_DEFAULT_REGION"), ("AWS_DEFAULT_REGION", "AWS_REGION")]
)
def test_the_region_may_come_from_either_variable(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, given: str, other: str
) -> None:
    monkeypatch.setenv(given, "eu-west-1")
    monkeypatch.delenv(other, raising=False)

    assert open_cloud(CloudChoice.AWS, "deskhand").names.region == "eu-west-1"
