"""What a dead letter says, and that SQS always takes it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.queue.dead_letters import MOST_BYTES, dead_letter
from shared.queue.message import DeadLetter, Message, Outgoing
from tests.support.queues import a_message

OURS = {"reason", "error_class", "first_failure_at", "source_message_id", "source_queue", "sender_id"}


def letter(message: Message, reason: str = "no", *, fifo: bool = False) -> Outgoing:
    return dead_letter(
        message,
        DeadLetter(reason, "PermanentError"),
        source_queue="work",
        first_failure_at="2026-01-01T00:00:00.000Z",
        fifo=fifo,
    )


def size(message: Outgoing) -> int:
    texts = [message.body, *(text for name, value in message.attributes.items() for text in (name, value, "String"))]
    return sum(len(text.encode()) for text in texts)


def test_it_carries_the_body_the_attributes_and_six_facts() -> None:
    sent = letter(a_message("body", attributes={"trace": "1"}))

    assert sent.body == "body"
    assert set(sent.attributes) == OURS | {"trace"}
    assert (sent.group_id, sent.deduplication_id) == (None, None)


def test_on_a_fifo_queue_its_deduplication_id_is_the_source_message_id() -> None:
    sent = letter(a_message(message_id="m-7", group="ticket-1"), fifo=True)

    assert (sent.group_id, sent.deduplication_id) == ("ticket-1", "m-7")


def test_a_letter_that_failed_again_tells_of_its_last_failure() -> None:
    sent = letter(a_message(message_id="m-8", attributes={"reason": "old", "source_message_id": "m-7"}), "new")

    assert sent.attributes["reason"] == "new"
    assert sent.attributes["source_message_id"] == "m-8"


def test_attributes_beyond_ten_travel_in_one() -> None:
    original = {f"a{number}": str(number) for number in range(10)}

    sent = letter(a_message(attributes=original))

    assert len(sent.attributes) == 10
    further = json.loads(sent.attributes["further_attributes"])
    assert {**further, **{name: value for name, value in sent.attributes.items() if name[0] == "a"}} == original


def test_a_body_that_fills_the_message_leaves_out_what_does_not_fit() -> None:
    for spare in (0, 100, 200, 400, 2000):
        body = "x" * (MOST_BYTES - spare)
        sent = letter(a_message(body, attributes={"trace": "y" * 300}), "r" * 900)

        assert sent.body == body
        assert size(sent) <= MOST_BYTES


@given(
    reason=st.text(), attributes=st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.text(), max_size=10)
)
def test_no_reason_makes_a_letter_that_sqs_refuses(reason: str, attributes: dict[str, str]) -> None:
    sent = letter(a_message(attributes=attributes), reason)

    assert len(sent.attributes) <= 10
    said = sent.attributes["reason"]
    assert 0 < len(said) <= 1000
    assert all(character >= " " or character in "\t\n\r" for character in said)
    assert not {"\ufffe", "\uffff"} & set(said)
