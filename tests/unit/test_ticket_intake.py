"""Who may send a ticket, what is no message of ours, and what a message must hold."""

import json

import pytest

from services.ticket_agent.domain.directory import Employee
from services.ticket_agent.intake import is_noise, is_sender, may_send, read_ticket, settled
from services.ticket_agent.store.port import Submission
from shared.errors import BadInput
from shared.queue.message import Ack
from tests.support.tickets import a_message

GOOD = {"version": 1, "ticketId": "T-1", "employeeId": "111", "content": "Title: Help"}


def test_a_good_message_is_read_with_its_sender() -> None:
    ticket = read_ticket(a_message(GOOD, sender_id="AIDA1", message_id="m-7"))
    assert (ticket.key.ticket_id, ticket.key.employee_id, ticket.content) == ("T-1", "111", "Title: Help")
    assert (ticket.sender_id, ticket.message_id) == ("AIDA1", "m-7")


@pytest.mark.parametrize(
    ("change", "field", "remedy"),
    [
        ({"version": 2}, "version", "the number 1"),
        ({"ticketId": ""}, "ticketId", "a ticket id of your own"),
        ({"ticketId": "T#grant"}, "ticketId", "letters, digits"),
        ({"ticketId": "T-1\n"}, "ticketId", "letters, digits"),
        ({"employeeId": "111\n"}, "employeeId", "employee id"),
        ({"ticketId": "x" * 65}, "ticketId", "1 to 64"),
        ({"employeeId": 111}, "employeeId", "employee id"),
        ({"employeeId": "a b"}, "employeeId", "employee id"),
        ({"content": "  \n "}, "content", "text of the ticket"),
        ({"content": "x" * 32_001}, "content", "1 to 32000"),
        ({"content": "half \ud83d"}, "content", "whole characters"),
        ({"urgent": True}, "urgent", "leave it out"),
    ],
)
def test_a_wrong_field_is_named_with_its_remedy(change: dict[str, object], field: str, remedy: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_ticket(a_message({**GOOD, **change}))
    assert refused.value.field == field
    assert remedy in refused.value.remedy


@pytest.mark.parametrize("missing", list(GOOD))
def test_a_missing_field_is_named_with_its_remedy(missing: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_ticket(a_message({name: value for name, value in GOOD.items() if name != missing}))
    assert (refused.value.field, refused.value.problem) == (missing, "is missing")
    assert refused.value.remedy.startswith("send ")


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"text"', "NaN"])
def test_what_is_no_json_object_says_so(body: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_ticket(a_message(body))
    assert refused.value.field == "body"


@pytest.mark.parametrize(
    ("sender", "allowed", "expected"),
    [
        ("AIDA1", "AIDA1", True),
        ("AIDA12", "AIDA1", False),
        ("AROA1:alice", "AROA1:alice", True),
        ("AROA1:mallory", "AROA1:alice", False),
        ("AROA1:anybody", "AROA1:*", True),
        ("AROA1:", "AROA1:*", True),
        ("AROA12:anybody", "AROA1:*", False),
        ("AROA1", "AROA1:*", False),
        ("AROA1:alice", "AROA1", False),
        ("AROA1:alice", "AROA1:a*", False),
        ("anybody", "*", False),
        ("anybody", ":*", False),
        (":x", ":*", False),
        ("", "", False),
    ],
)
def test_a_sender_is_matched_on_the_exact_text_or_on_any_session_of_a_role(
    sender: str, allowed: str, *, expected: bool
) -> None:
    assert is_sender(sender, allowed) is expected


def test_an_employee_without_a_sender_can_only_come_through_a_relay() -> None:
    employee = Employee(employee_id="111")
    assert not may_send("AIDA1", employee, ())
    assert may_send("AIDA1", employee, ("AIDA1",))


@pytest.mark.parametrize(
    ("body", "noise"),
    [
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}, True),
        ({"Type": "SubscriptionConfirmation", "TopicArn": "arn", "SubscribeURL": "https://x"}, True),
        ({"Type": "UnsubscribeConfirmation", "TopicArn": "arn"}, True),
        ({"Type": "Notification", "TopicArn": "arn", "Message": "m"}, False),
        ({"Event": "s3:TestEvent"}, False),
        (GOOD, False),
        ([], False),
        ("{", False),
    ],
)
def test_only_what_services_send_by_themselves_is_noise(body: object, *, noise: bool) -> None:
    assert is_noise(body if isinstance(body, str) else json.dumps(body)) is noise


def test_a_repeat_is_acknowledged_and_an_id_of_another_ticket_is_not() -> None:
    assert settled(Submission.ACCEPTED) == settled(Submission.REPEAT) == Ack()
    with pytest.raises(BadInput, match="ticketId"):
        settled(Submission.TAKEN)
    with pytest.raises(BadInput, match="employeeId"):
        settled(Submission.SENDER_GONE)
