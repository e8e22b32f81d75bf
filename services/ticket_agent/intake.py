"""Takes tickets in: reads the message strictly, checks who sent it, and stores the ticket once."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from services.ticket_agent.domain.directory import Employee
from services.ticket_agent.domain.ticket import TicketKey
from services.ticket_agent.store.port import Directory, NewTicket, Submission, Tickets
from shared.clock import Now
from shared.errors import BadInput
from shared.logs import about, logger
from shared.messages import MessageSchema
from shared.queue.dead_letters import senders
from shared.queue.message import Ack, Message, Settlement

log = logger("intake")

TICKET_SCHEMA = MessageSchema.from_package("services.ticket_agent.messages", "ticket.schema.json")

NOISE_TYPES = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})
"""What SNS posts by itself to an endpoint that is subscribed or taken off (guide, "Parsing message formats")."""


def unknown_employee() -> BadInput:
    return BadInput(
        field="employeeId",
        problem="is not in the directory",
        remedy="send an employee id of the directory, or add the employee with 'deskhand directory import'",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """``trusted_relays`` are senders that vouch for the employees whose tickets they pass on."""

    directory: Directory
    tickets: Tickets
    trusted_relays: tuple[str, ...]
    now: Now

    async def handle(self, message: Message) -> Settlement:
        """Handler of the ticket-intake queue. Raises BadInput for a message that can never be taken."""
        if is_noise(message.body):
            log.info("no_message_of_ours", message_id=message.message_id)
            return Ack()
        ticket = read_ticket(message)
        about(ticket_id=ticket.key.ticket_id)
        employee = await self.directory.employee(ticket.key.employee_id)
        if employee is None:
            raise unknown_employee()
        stranger = next((each for each in senders(message) if not may_send(each, employee, self.trusted_relays)), None)
        if stranger is not None:
            raise BadInput(
                field="employeeId",
                problem=f"is not the employee of the sender {stranger}",
                remedy="send with the identity that the directory has for this employee, or through a trusted relay",
            )
        ticket = replace(ticket, sender_id=first_sender(message, self.trusted_relays))
        submission = await self.tickets.submit(ticket, at=self.now())
        log.info("ticket_taken_in", ticket_id=ticket.key.ticket_id, result=submission.value)
        return settled(submission)


def read_ticket(message: Message) -> NewTicket:
    """Raises BadInput naming the field at fault and the remedy."""
    fields = TICKET_SCHEMA.read(message.body)
    return NewTicket(
        key=TicketKey(ticket_id=fields["ticketId"], employee_id=fields["employeeId"]),
        content=fields["content"],
        sender_id=message.sender_id,
        message_id=message.message_id,
    )


def settled(submission: Submission) -> Settlement:
    """How the message ends. Raises BadInput if it cannot be taken."""
    match submission:
        case Submission.ACCEPTED | Submission.REPEAT:
            return Ack()
        case Submission.TAKEN:
            raise BadInput(
                field="ticketId", problem="belongs to another ticket", remedy="send this ticket under an id of its own"
            )
        case Submission.SENDER_GONE:
            raise unknown_employee()


def first_sender(message: Message, trusted_relays: Iterable[str]) -> str:
    """Who goes into the record: the first sender of a message that a relay moved back, else who sent it.

    What anybody else says about earlier senders could put another's name into the record.
    """
    *_, first = hands = senders(message)
    return first if any(is_sender(hands[0], relay) for relay in trusted_relays) else hands[0]


def may_send(sender_id: str, employee: Employee, trusted_relays: Iterable[str]) -> bool:
    """Whether SQS's SenderId is the employee's own, or a relay's that vouches for its users."""
    own = () if employee.sender_id is None else (employee.sender_id,)
    return any(is_sender(sender_id, allowed) for allowed in (*own, *trusted_relays))


def is_sender(sender_id: str, allowed: str) -> bool:
    """Whether ``sender_id`` is ``allowed``: the exact text, or any session of the role in ``AROA...:*``.

    The session name is the caller's own choice unless the role's trust policy pins it, so ``:*`` trusts everybody who
    may assume the role.
    """
    role, colon, session = allowed.partition(":")
    if session == "*" and role:
        return sender_id.startswith(role + colon)
    return bool(allowed) and sender_id == allowed


def is_noise(body: str) -> bool:
    """Whether a service sent this by itself: S3's test event, or SNS about a subscription."""
    try:
        message: Any = json.loads(body)
    except ValueError:
        return False
    if not isinstance(message, dict):
        return False
    from_s3 = message.get("Service") == "Amazon S3" and message.get("Event") == "s3:TestEvent"
    from_sns = message.get("Type") in NOISE_TYPES and "TopicArn" in message
    return from_s3 or from_sns
