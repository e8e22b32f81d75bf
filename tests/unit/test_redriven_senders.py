"""A message that was moved back from the dead letters is judged by everybody who ever sent it."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.ticket_agent.domain.directory import Employee
from services.ticket_agent.intake import Intake
from services.ticket_agent.store.port import NewTicket, Submission
from shared.errors import BadInput
from shared.queue.dead_letters import dead_letter
from shared.queue.message import DeadLetter, Message
from tests.support.queues import a_message

RELAY = "relay"
BODY = json.dumps({"version": 1, "ticketId": "T-1", "employeeId": "111", "content": "help"})


@dataclass
class Desk:
    """What intake asks for: one employee, and where tickets go."""

    stored: list[NewTicket] = field(default_factory=list)

    async def employee(self, employee_id: str) -> Employee:
        return Employee(employee_id=employee_id, sender_id="AIDA111")

    async def submit(self, ticket: NewTicket, *, at: float) -> Submission:
        self.stored.append(ticket)
        return Submission.ACCEPTED


def message(sender_id: str, *before: str) -> Message:
    return a_message(BODY, sender_id=sender_id, attributes={"redriven_from": " ".join(before)} if before else {})


async def stored(message: Message) -> NewTicket:
    desk = Desk()
    there: Any = desk
    await Intake(directory=there, tickets=there, trusted_relays=(RELAY,), now=lambda: 0.0).handle(message)
    (ticket,) = desk.stored
    return ticket


@pytest.mark.parametrize(
    "before", [("stranger",), ("stranger", "AIDA111"), (RELAY, "stranger"), ("AIDA111", "stranger")]
)
async def test_a_relay_that_moves_a_stranger_s_ticket_back_does_not_vouch_for_it(before: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="is not the employee of the sender stranger"):
        await stored(message(RELAY, *before))


async def test_nor_does_one_that_lets_sqs_move_the_letter_back() -> None:
    letter = dead_letter(
        message("stranger"),
        DeadLetter("not the employee", "BadInput"),
        source_queue="ticket-intake",
        first_failure_at="2026-01-01T00:00:00.000Z",
        fifo=False,
    )

    with pytest.raises(BadInput, match="is not the employee of the sender stranger"):
        await stored(a_message(BODY, sender_id=RELAY, attributes=dict(letter.attributes)))


async def test_what_the_employee_sent_is_theirs_when_a_relay_moves_it_back() -> None:
    assert (await stored(message(RELAY, RELAY, "AIDA111"))).sender_id == "AIDA111"


async def test_nobody_gains_by_claiming_to_have_moved_it() -> None:
    with pytest.raises(BadInput, match="sender stranger"):
        await stored(message("stranger", "AIDA111"))


async def test_an_employee_cannot_put_a_relay_into_the_record() -> None:
    assert (await stored(message("AIDA111", RELAY))).sender_id == "AIDA111"
