"""What the tagger reads of a ticket's news, and what it does with the news that it cannot read."""

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback_tagger.domain.outcome import DECIDED, EXPIRED, OTHER, RESOLVED, WAITING, TicketStatus
from services.feedback_tagger.messages.ticket_update import read_ticket_update
from services.feedback_tagger.outcomes import Outcomes
from services.ticket_agent.domain.state import State
from services.ticket_agent.domain.ticket import TicketKey
from services.ticket_agent.notifier import as_notification
from services.ticket_agent.store.port import StatusChange
from shared.errors import BadInput, TransientError
from shared.queue.message import Ack, Message

SECRET = "the payroll figures of Ms. Example"


def told(*, without: str = "", **attributes: str) -> str:
    """A notification of the ticket agent's as SNS hands it to a queue."""
    change = StatusChange(
        key=TicketKey(ticket_id="T-7", employee_id="111"),
        version=3,
        state="assigned",
        assign_status="assigned to @sam",
        assignee="@sam",
        owner="@sam",
        communication=SECRET,
        next_step="Somebody decides.",
    )
    note = as_notification(change)
    values = {"notification_id": note.notification_id, **note.attributes, **attributes}
    envelope = {
        "Type": "Notification",
        "MessageId": "5d1c",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:deskhand-ticket-updates",
        "Subject": note.subject,
        "Message": note.body,
        "Timestamp": "2026-03-31T23:59:59.250Z",
        "MessageAttributes": {
            name: {"Type": "String", "Value": value} for name, value in values.items() if name != without
        },
    }
    return json.dumps({name: value for name, value in envelope.items() if name != without})


def received(body: str) -> Message:
    return Message(
        message_id="m", receipt_handle="r", body=body, receive_count=1, sent_at=0, first_received_at=0, sender_id="sns"
    )


class Kept:
    """A store that may lose its connection after it has committed."""

    def __init__(self, *, breaks: int = 0) -> None:
        self.rows: dict[tuple[str, int], TicketStatus] = {}
        self.breaks = breaks

    async def note(self, status: TicketStatus) -> bool:
        place = (status.ticket_id, status.version)
        new = self.rows.setdefault(place, status) is status
        if self.breaks:
            self.breaks -= 1
            raise TransientError("the connection went")
        return new


def test_what_the_notifier_tells_is_what_the_tagger_reads() -> None:
    assert read_ticket_update(told()) == TicketStatus(
        ticket_id="T-7",
        version=3,
        state="assigned",
        employee="111",
        owner="@sam",
        resolver_group=None,
        told_at=datetime(2026, 3, 31, 23, 59, 59, 250_000, tzinfo=UTC),
    )


def test_no_word_of_the_ticket_is_taken_along() -> None:
    assert SECRET not in repr(read_ticket_update(told()))


def test_attributes_that_this_build_does_not_know_are_ignored() -> None:
    assert read_ticket_update(told(mood="sunny")) == read_ticket_update(told())


@pytest.mark.parametrize("owner", ["employee", "owner", "resolverGroup"])
def test_who_has_the_ticket_may_be_missing(owner: str) -> None:
    assert read_ticket_update(told(without=owner)).ticket_id == "T-7"


@pytest.mark.parametrize("needed", ["notification_id", "status", "MessageAttributes", "Timestamp"])
def test_news_without_a_ticket_a_state_or_a_time_is_refused(needed: str) -> None:
    with pytest.raises(BadInput):
        read_ticket_update(told(without=needed))


@pytest.mark.parametrize("name", ["T-7", "T-7:", ":3", "T-7:x", "T-7:-1", "T-7:²", "T-7:" + "9" * 5000, "run:1.5"])
def test_a_notification_of_something_else_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="notification_id"):
        read_ticket_update(told(notification_id=name))


def test_a_ticket_id_may_hold_colons() -> None:
    assert read_ticket_update(told(notification_id="a:b:12")).ticket_id == "a:b"


@pytest.mark.parametrize(
    "body", ["", "[]", "null", "7", '"x"', "{}", "[" * 100_000, '{"MessageAttributes": [], "Timestamp": 5}']
)
def test_what_sns_would_not_send_is_refused(body: str) -> None:
    with pytest.raises(BadInput):
        read_ticket_update(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["Value", "notification_id", "status", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.none() | st.integers() | st.text(max_size=30) | st.just("2026-03-31T23:59:59Z"),
)
def test_whatever_comes_is_read_or_refused(attributes: Any, timestamp: Any) -> None:
    body = json.dumps({"MessageAttributes": attributes, "Timestamp": timestamp})
    with contextlib.suppress(BadInput):
        assert read_ticket_update(body).ticket_id


def test_every_state_that_is_told_has_an_outcome() -> None:
    outcome = {state: replace(read_ticket_update(told()), state=state.value).outcome for state in State}

    assert outcome[State.RESOLVED] == RESOLVED
    assert {state for state, name in outcome.items() if name == WAITING} == {
        State.ASSIGNED,
        State.HANDED_OVER,
        State.REASSIGNED,
        State.ESCALATED,
    }
    assert outcome[State.APPROVED] == outcome[State.DECLINED] == DECIDED
    assert outcome[State.EXPIRED] == EXPIRED
    # Nobody is told of an open ticket.
    assert {state for state, name in outcome.items() if name == OTHER} == {State.OPEN}


def test_a_state_of_a_newer_ticket_agent_is_counted_as_other() -> None:
    assert read_ticket_update(told(status="sent to the moon")).outcome == OTHER


async def test_news_that_comes_twice_is_kept_once() -> None:
    kept = Kept()
    for _ in range(2):
        assert await Outcomes(store=kept).handle(received(told())) == Ack()
    assert list(kept.rows) == [("T-7", 3)]


async def test_a_commit_whose_answer_was_lost_is_found_by_the_next_delivery() -> None:
    kept = Kept(breaks=1)
    with pytest.raises(TransientError):
        await Outcomes(store=kept).handle(received(told()))
    assert await Outcomes(store=kept).handle(received(told())) == Ack()
    assert list(kept.rows) == [("T-7", 3)]
