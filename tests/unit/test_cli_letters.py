"""What a dead letter says, and the message that it becomes again."""

import json
from typing import Any

import pytest

from cli.letters import MOVED_BY_SQS, Pace, moved_back, queue_named, read_letter, refusal
from cli.redrive import Letters
from local.provisioning import Queue
from shared.queue.dead_letters import dead_letter
from shared.queue.message import DeadLetter, Message
from tests.support.queues import a_message

CHUNKS = Queue("feedback-chunks", "feedback_tagger")
INTAKE = Queue("ticket-intake", "ticket_agent")
WORK = Queue("ticket-work", "ticket_agent", fifo=True)


def received(message: Message, *, letter_id: str = "letter-1", fifo: bool = False) -> dict[str, Any]:
    """``message`` as SQS hands it out of the dead letters."""
    verdict = DeadLetter("no such thing", "PermanentError")
    letter = dead_letter(message, verdict, source_queue="q", first_failure_at="2026-01-01T00:00:00.000Z", fifo=fifo)
    return {
        "MessageId": letter_id,
        "ReceiptHandle": "handle",
        "Body": letter.body,
        "Attributes": {"SenderId": "the task", **({"MessageGroupId": letter.group_id} if fifo else {})},
        "MessageAttributes": attributes(letter.attributes),
    }


def attributes(of: Any) -> dict[str, Any]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in of.items()}


def again(entry: dict[str, Any], sender_id: str) -> Message:
    """The message that a redrive by ``sender_id`` makes of the letter."""
    sent = moved_back(read_letter(entry), INTAKE)
    said = {name: value["StringValue"] for name, value in sent["MessageAttributes"].items()}
    return a_message(sent["MessageBody"], attributes=said, sender_id=sender_id)


@pytest.mark.parametrize("text", ["feedback-chunks", "feedback-chunks-dead", "desk-feedback-chunks-dead"])
def test_a_queue_may_be_named_by_its_dead_letters_too(text: str) -> None:
    assert queue_named(text, "desk") == CHUNKS


def test_a_fifo_queue_s_full_name_is_one() -> None:
    assert queue_named("desk-ticket-work-dead.fifo", "desk") == WORK
    assert queue_named("mailbox", "desk") is None


def test_a_message_goes_back_as_it_came() -> None:
    original = {f"a{number}": str(number) for number in range(10)}
    letter = read_letter(received(a_message("body", attributes=original)))

    assert (letter.reason, letter.error_class) == ("no such thing", "PermanentError")
    assert moved_back(letter, CHUNKS) == {"MessageBody": "body", "MessageAttributes": attributes(original)}


def test_a_letter_keeps_its_group_and_one_letter_is_one_message_however_often_it_is_moved() -> None:
    entry = received(a_message(group="ticket-1"), fifo=True)
    sent = moved_back(read_letter(entry), WORK)

    assert (sent["MessageGroupId"], sent["MessageDeduplicationId"]) == ("ticket-1", "redrive-letter-1")
    assert (
        moved_back(read_letter({**entry, "MessageId": "letter-2"}), WORK)["MessageDeduplicationId"]
        != "redrive-letter-1"
    )


def test_at_a_door_it_says_who_sent_it_before() -> None:
    sent = moved_back(read_letter(received(a_message(sender_id="AIDA111"))), INTAKE)

    assert sent["MessageAttributes"] == attributes({"redriven_from": "AIDA111"})


def test_however_often_it_is_moved_no_sender_is_forgotten() -> None:
    """An operator who is a relay would else be its only sender the second time, and be believed."""
    once = again(received(a_message(sender_id="stranger")), "operator")
    twice = again(received(once), "operator")

    assert read_letter(received(once)).senders == ("operator", "stranger")
    assert read_letter(received(twice)).senders == ("operator", "stranger")


@pytest.mark.parametrize("others", range(6))
def test_no_attribute_of_a_stranger_s_own_takes_their_name_off_the_letter(others: int) -> None:
    """``further_attributes`` is unpacked where we packed it: a sender may have written it first, in itself, too."""
    claim = json.dumps({"redriven_from": "AIDA111", "sender_id": "AIDA111"})
    claims = {"further_attributes": claim, **{f"a{number}": "x" for number in range(others)}}
    nested = {**dict(reversed(claims.items())), "further_attributes": json.dumps({"further_attributes": claim})}

    for attributes_of_theirs in (claims, nested):
        sent = again(received(a_message(sender_id="stranger", attributes=attributes_of_theirs)), "operator")
        twice = again(received(sent), "operator")
        assert sent.attributes["redriven_from"] == "stranger"
        assert twice.attributes["redriven_from"] == "operator stranger"


def test_a_letter_that_nobody_of_ours_wrote_stops_no_other() -> None:
    entry = received(a_message())
    entry["MessageAttributes"]["reason"] = {"DataType": "Binary", "BinaryValue": b"x"}

    assert read_letter(entry).reason == "not said"


def test_a_letter_without_room_for_its_senders_is_not_moved_to_a_door() -> None:
    body = " " * (1_048_576 - 20)
    letter = read_letter(received(again(received(a_message(body, sender_id="stranger")), "operator")))

    assert refusal(letter, INTAKE)
    assert not refusal(letter, CHUNKS)


def test_what_sqs_moved_by_itself_was_sent_by_whom_sqs_names() -> None:
    """What the message says about itself are its sender's own words."""
    claims = attributes({"sender_id": "AIDA111", "reason": "none", "redriven_from": "relay"})
    entry = {
        "MessageId": "m-1",
        "ReceiptHandle": "handle",
        "Body": "body",
        "Attributes": {"SenderId": "stranger", "DeadLetterQueueSourceArn": "arn"},
        "MessageAttributes": claims,
    }
    letter = read_letter(entry)

    assert letter.reason == MOVED_BY_SQS
    assert letter.senders == ("stranger", "relay")
    assert "stranger" in moved_back(letter, INTAKE)["MessageAttributes"]["redriven_from"]["StringValue"].split()


class Handing:
    """Hands out these batches, then nothing."""

    def __init__(self, *batches: list[str]) -> None:
        self._batches = [[received(a_message(), letter_id=each) for each in batch] for batch in batches]
        self.asked = 0

    def receive_message(self, **_: Any) -> dict[str, Any]:
        self.asked += 1
        return {"Messages": self._batches.pop(0)} if self._batches else {}


def test_letters_that_come_back_before_the_others_do_not_end_the_look() -> None:
    sqs = Handing(["1", "2"], ["2", "1"], ["3"])

    assert [letter.letter_id for letter in Letters(sqs, "url", 60)] == ["1", "2", "3"]


def test_a_queue_that_hands_out_nothing_but_old_letters_is_left_some_time() -> None:
    sqs = Handing(["1", "2"], *[["1"]] * 50)

    assert [letter.letter_id for letter in Letters(sqs, "url", 60)] == ["1", "2"]
    assert sqs.asked < 10


def test_what_is_shown_of_a_letter_does_not_hold_its_text() -> None:
    assert "secret" not in json.dumps(read_letter(received(a_message("secret"))).as_document())


def test_letters_leave_evenly() -> None:
    clock = [0.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    pace = Pace(4.0, lambda: clock[0], sleep)
    for _ in range(3):
        pace.wait()
    clock[0] += 10.0
    pace.wait()

    assert waits == [0.25, 0.25]
