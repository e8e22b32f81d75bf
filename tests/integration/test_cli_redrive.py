"""`deskhand redrive` on real queues: letters that our consumer made, moved back by somebody else."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from botocore.exceptions import EndpointConnectionError
from typer.testing import CliRunner, Result

from cli.app import app
from cli.cloud import Cloud, CloudChoice, open_cloud
from cli.letters import Pace, queue_named
from cli.redrive import move_back
from local.provisioning import Provisioned
from shared.queue.dead_letters import dead_letter
from shared.queue.message import DeadLetter
from tests.support.queues import a_message

Deskhand: TypeAlias = Callable[..., Result]
PACE = Pace(1000.0, lambda: 0.0, lambda seconds: None)


@pytest.fixture
def deskhand(resources: Provisioned) -> Deskhand:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--cloud", "aws", "--name", resources.name])

    return run


def put_letter(resources: Provisioned, queue: str, body: str, *, reason: str = "gone", group: str = "") -> None:
    """A dead letter as a task of ours leaves it."""
    message = a_message(body, message_id=f"id-of-{body}", sender_id="AIDA111", group=group or None)
    letter = dead_letter(
        message, DeadLetter(reason, "PermanentError"), source_queue=queue, first_failure_at="", fifo=bool(group)
    )
    attributes = {n: {"DataType": "String", "StringValue": v} for n, v in letter.attributes.items() if v}
    more = {"MessageGroupId": letter.group_id, "MessageDeduplicationId": letter.deduplication_id} if group else {}
    url = resources.queues[f"{queue}-dead"]
    resources.client("sqs").send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes, **more)


def bodies(resources: Provisioned, queue: str) -> list[str]:
    return [message["Body"] for message in taken(resources, queue)]


def taken(resources: Provisioned, queue: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while (
        more := resources.client("sqs")
        .receive_message(
            QueueUrl=resources.queues[queue],
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        .get("Messages")
    ):
        found += more
    return found


def the_cloud(resources: Provisioned) -> Cloud:
    return open_cloud(CloudChoice.AWS, resources.name)


def test_letters_are_shown_with_reasons_and_stay_where_they_are(deskhand: Deskhand, resources: Provisioned) -> None:
    put_letter(resources, "feedback-items", "secret", reason="no column")
    first = json.loads(deskhand("redrive", "feedback-items", "--json").stdout)
    second = deskhand("redrive", "feedback-items")

    assert [letter["reason"] for letter in first["letters"]] == ["no column"]
    assert "no column" in second.stdout
    assert "secret" not in second.output
    assert "--yes" in second.stderr
    assert bodies(resources, "feedback-items") == []


def test_letters_of_one_reason_are_moved_back_and_the_others_given_back(
    deskhand: Deskhand, resources: Provisioned
) -> None:
    for number in range(12):
        put_letter(resources, "feedback-items", f"a{number}", reason="the database was away")
    put_letter(resources, "feedback-items", "b", reason="is no JSON")

    result = deskhand("redrive", "feedback-items", "--reason", "database", "--yes", "--rate", "300", "--json")

    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["moved"]) == 12
    assert sorted(bodies(resources, "feedback-items")) == sorted(f"a{number}" for number in range(12))
    assert bodies(resources, "feedback-items-dead") == ["b"]


def test_no_more_than_asked_for_are_moved(deskhand: Deskhand, resources: Provisioned) -> None:
    for number in range(3):
        put_letter(resources, "feedback-items", str(number))
    deskhand("redrive", "feedback-items", "--yes", "--limit", "2", "--rate", "300")

    assert len(bodies(resources, "feedback-items")) == 2
    assert len(bodies(resources, "feedback-items-dead")) == 1


def test_a_ticket_at_the_door_keeps_saying_who_sent_it(deskhand: Deskhand, resources: Provisioned) -> None:
    put_letter(resources, "ticket-intake", "{}")
    assert deskhand("redrive", "ticket-intake", "--yes").exit_code == 0

    (message,) = taken(resources, "ticket-intake")
    assert set(message["MessageAttributes"]) == {"redriven_from"}
    assert message["MessageAttributes"]["redriven_from"]["StringValue"] == "AIDA111"


def test_a_letter_that_says_no_sender_stays_outside_the_door(deskhand: Deskhand, resources: Provisioned) -> None:
    resources.client("sqs").send_message(QueueUrl=resources.queues["ticket-intake-dead"], MessageBody="{}")
    result = deskhand("redrive", "ticket-intake", "--yes")

    assert result.exit_code == 1
    assert "send it again" in result.stdout
    assert bodies(resources, "ticket-intake") == []
    assert bodies(resources, "ticket-intake-dead") == ["{}"]


class _LosesTheDelete:
    """An SQS client that dies between the send and the delete."""

    def __init__(self, sqs: Any) -> None:
        self._sqs = sqs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sqs, name)

    def delete_message(self, **_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://gone")


def test_killed_between_send_and_delete_a_fifo_letter_is_still_one_message(
    resources: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_letter(resources, "ticket-work", "one", group="T-1")
    put_letter(resources, "ticket-work", "two", group="T-1")
    cloud, queue = the_cloud(resources), queue_named("ticket-work", resources.name)
    assert queue is not None
    with monkeypatch.context() as patch:
        patch.setitem(cloud._clients, "sqs", _LosesTheDelete(cloud.client("sqs")))
        with pytest.raises(EndpointConnectionError):
            move_back(cloud, queue, reason="", limit=9, pace=PACE)
    move_back(cloud, queue, reason="", limit=9, pace=PACE)

    assert bodies(resources, "ticket-work") == ["one", "two"]
    assert bodies(resources, "ticket-work-dead") == []


def test_what_follows_a_letter_that_stays_does_not_overtake_it(resources: Provisioned) -> None:
    put_letter(resources, "ticket-work", "one", group="T-1", reason="keep me")
    put_letter(resources, "ticket-work", "two", group="T-1")
    put_letter(resources, "ticket-work", "three", group="T-2")
    cloud, queue = the_cloud(resources), queue_named("ticket-work", resources.name)
    assert queue is not None
    done = move_back(cloud, queue, reason="gone", limit=9, pace=PACE)

    assert [letter.body for letter in done.moved] == ["three"]
    assert bodies(resources, "ticket-work-dead") == ["one", "two"]


def test_a_queue_that_is_none_is_named_with_those_that_are(deskhand: Deskhand) -> None:
    result = deskhand("redrive", "mailbox")

    assert result.exit_code == 1
    assert "feedback-chunks" in result.stderr
