"""docs/messages.md is true: AWS and the services accept its commands as they stand."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.provisioning import QUEUES, Provisioned
from services.feedback_tagger.domain.run import RunState, document, run_id
from services.feedback_tagger.domain.upload import Separated, surveyed
from services.feedback_tagger.messages.item import ITEM, read_item
from shared.messages import MessageSchema
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
TICKET = MessageSchema.from_package("services.ticket_agent.messages", "ticket.schema.json")
DECISION = MessageSchema.from_package("services.ticket_agent.messages", "decision.schema.json")
RUN_RESULT = MessageSchema.from_package("services.feedback_tagger.messages", "run_result.schema.json")


@dataclass(frozen=True)
class Command:
    """One ``aws`` line of the page: service, operation, what follows in order, and options by name."""

    service: str
    operation: str
    operands: tuple[str, ...]
    options: dict[str, str]


def documented_commands(resources: Provisioned) -> Iterator[Command]:
    """Every ``aws`` line of a shell block, its variables filled in for the resources of this test."""
    queues = resources.queues["ticket-intake"].rpartition("/")[0]
    variables = {
        "QUEUES": queues,
        "NAME": resources.name,
        "ACCOUNT": resources.account,
        "REGION": resources.environment["AWS_REGION"],
    }
    for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL):
        for line in block.splitlines():
            filled = re.sub(r"\$([A-Z]+)", lambda match: variables[match[1]], line)
            words = shlex.split(filled)
            assert words[0] == "aws", line
            named = [number for number, word in enumerate(words) if word.startswith("--")]
            yield Command(
                service=words[1],
                operation=words[2],
                operands=tuple(words[3 : min(named, default=len(words))]),
                options={words[number][2:].replace("-", "_"): words[number + 1] for number in named},
            )


def commands(resources: Provisioned, service: str, operation: str) -> list[Command]:
    return [
        command
        for command in documented_commands(resources)
        if (command.service, command.operation) == (service, operation)
    ]


def only_message(resources: Provisioned, queue: str) -> dict[str, Any]:
    sqs, url = resources.client("sqs"), resources.queues[queue]
    messages = wait_until(
        lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0, MaxNumberOfMessages=10).get("Messages")
    )
    assert len(messages) == 1
    return dict(messages[0])


def test_every_documented_message_is_accepted_by_its_queue_and_its_reader(resources: Provisioned) -> None:
    sent = commands(resources, "sqs", "send-message")
    for command in sent:
        assert set(command.options) == {"queue_url", "message_body"}
        resources.client("sqs").send_message(
            QueueUrl=command.options["queue_url"], MessageBody=command.options["message_body"]
        )

    ticket = only_message(resources, "ticket-intake")
    item = only_message(resources, "feedback-items")
    decision = only_message(resources, "ticket-decisions")
    assert len(sent) == 3
    assert DECISION.read(decision["Body"])["decidedBy"] == "@sam"
    assert TICKET.read(ticket["Body"])["employeeId"] == "111"
    assert read_item(item["Body"], item["MessageId"]).feedback.create_date is not None


def test_the_documented_upload_is_accepted_and_announced(resources: Provisioned) -> None:
    (command,) = commands(resources, "s3", "cp")
    source, target = command.operands
    bucket, _, key = target.removeprefix("s3://").partition("/")
    with (ROOT / source).open("rb") as file:
        form = surveyed(file).form
        assert isinstance(form, Separated)
        assert "feedback" in form.names
        resources.client("s3").put_object(Bucket=bucket, Key=key, Body=(ROOT / source).read_bytes())

    def announced() -> bool:
        queue = resources.queues["feedback-files"]
        messages = resources.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=0).get("Messages", [])
        return any(key in message["Body"] for message in messages)

    wait_until(announced, what="S3's notification about the documented upload")


def test_the_documented_subscription_is_accepted(resources: Provisioned) -> None:
    (command,) = commands(resources, "sns", "subscribe")
    answer = resources.client("sns").subscribe(
        TopicArn=command.options["topic_arn"],
        Protocol=command.options["protocol"],
        Endpoint=command.options["notification_endpoint"],
        Attributes=json.loads(command.options["attributes"]),
    )

    assert answer["SubscriptionArn"]


@pytest.mark.parametrize(
    ("heading", "schema"),
    [("### A ticket", TICKET), ("### A decision", DECISION), ("### What became of a feedback file", RUN_RESULT)],
)
def test_the_page_lists_every_field_of_a_schema(heading: str, schema: MessageSchema) -> None:
    section = PAGE.partition(heading)[2].partition("\n### ")[0]
    listed = set(re.findall(r"`(\w+)`", section))

    assert set(schema.schema["properties"]) <= listed


def test_the_page_lists_every_column_of_feedback() -> None:
    section = PAGE.partition("### A feedback file")[2].partition("\n### ")[0]
    listed = set(re.findall(r"^\| `(\w+)`", section, flags=re.MULTILINE))

    assert listed == set(ITEM.schema["properties"]) - {"version", "task"}


def test_every_schema_that_the_page_links_to_exists_and_every_schema_is_linked() -> None:
    linked = {(ROOT / "docs" / link).resolve() for link in re.findall(r"\]\((\S+\.schema\.json)\)", PAGE)}

    assert linked == set((ROOT / "services").glob("*/messages/*.schema.json"))


def test_the_page_names_only_queues_that_exist() -> None:
    named = set(re.findall(r"\$NAME-((?:ticket|feedback)-[a-z]+)(?= |$)", PAGE)) - {"ticket-updates"}

    assert named
    assert named <= {queue.name for queue in QUEUES}


def test_a_run_result_is_as_its_schema_says() -> None:
    run = run_id("bucket", "uploads/a.csv", etag="e")
    state = RunState(
        run_id=run,
        bucket="bucket",
        key="uploads/a.csv",
        task="categorise",
        status="partial",
        revision=1,
        started_at=10.0,
        finished_at=12.5,
        rows_read=3,
        rows_rejected=1,
        total_chunks=1,
        chunks_done=1,
        stored=2,
        by_label={"Payment": 1, "unknown": 1},
    )
    result = document(state, now=13.0, unknown="unknown")

    assert RUN_RESULT.read(json.dumps(result)) == result
    assert set(result) == set(RUN_RESULT.schema["properties"])
