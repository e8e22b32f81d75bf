"""Tells people what became of a ticket: one notification a status version, in order, each with a stable id."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.ticket_agent.domain.state import AWAITING
from services.ticket_agent.domain.ticket import TicketKey
from services.ticket_agent.store.port import Directory, Ledger, StatusChange
from shared.clock import Now
from shared.errors import PermanentError
from shared.logs import about, logger
from shared.notifications.port import Notification, Notifications
from shared.queue.message import Ack, Message, Settlement

log = logger("notifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contacts:
    """How the people of one notification are reached, and where decisions go; empty where the directory is silent."""

    requester: str = ""
    assignee: str = ""
    service_desk: str = ""
    decisions_queue: str = ""


NOBODY = Contacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """``decisions_queue`` is the name of the queue that takes decisions, ``service_desk`` the group that helps people
    who have no tools."""

    ledger: Ledger
    directory: Directory
    notifications: Notifications
    decisions_queue: str
    service_desk: str
    now: Now

    async def handle(self, message: Message) -> Settlement:
        """Handler of the ticket-updates queue. Raises TransientError or PermanentError."""
        key, version = read_update(message.body)
        about(ticket_id=key.ticket_id)
        if version <= await self.ledger.notified_version(key.ticket_id):
            # A stream reader that lost its lease can still send late: telling an old status would undo the new one.
            log.info("update_already_told", ticket_id=key.ticket_id, version=version)
            return Ack()
        change = await self.ledger.status_change(key.ticket_id, version)
        if change is None:
            raise PermanentError(f"the ledger has no status {version} of ticket {key.ticket_id}")
        await self.notifications.publish(as_notification(change, await self._contacts(change)))
        # After the publication: a crash between the two repeats it under the same id, and loses nothing.
        await self.ledger.record_notified(key.ticket_id, version, at=self.now())
        log.info("ticket_told", ticket_id=key.ticket_id, version=version, state=change.state)
        return Ack()

    async def _contacts(self, change: StatusChange) -> Contacts:
        requester = await self.directory.employee(change.key.employee_id)
        desk = await self.directory.resolver_group(self.service_desk) if _waits(change) else None
        return Contacts(
            requester=(requester.contact if requester else None) or "",
            assignee=await self._contact_of(change) if _waits(change) else "",
            service_desk=(desk.contact if desk else None) or "",
            decisions_queue=self.decisions_queue,
        )

    async def _contact_of(self, change: StatusChange) -> str:
        if change.resolver_group:
            group = await self.directory.resolver_group(change.resolver_group)
            return (group.contact if group else None) or ""
        person = await self.directory.employee(change.assignee) if change.assignee else None
        return (person.contact if person else None) or ""


def read_update(body: str) -> tuple[TicketKey, int]:
    """Ticket and status version in one of our own messages. Raises PermanentError."""
    try:
        message: Mapping[str, Any] = json.loads(body)
        key = TicketKey(ticket_id=str(message["ticketId"]), employee_id=str(message["employeeId"]))
        return key, int(message["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(f"not a message about a status: {type(error).__name__}: {error}") from None


def as_notification(change: StatusChange, contacts: Contacts = NOBODY) -> Notification:
    """What subscribers get; the attributes are what they filter on."""
    ticket_id = change.key.ticket_id
    lines = [
        f"Ticket: {ticket_id}",
        f"Requester: {_reached(change.key.employee_id, contacts.requester)}",
        f"Status: {change.assign_status}",
        *([f"In charge: {_reached(change.assignee, contacts.assignee)}"] if _waits(change) and change.assignee else []),
        "",
        change.communication,
        "",
        f"Next step: {change.next_step}",
        *how_to_decide(change, contacts),
    ]
    return Notification(
        notification_id=f"{ticket_id}:{change.version}",
        subject=f"Ticket {ticket_id}: {change.headline or change.assign_status}",
        body="\n".join(lines) + "\n",
        attributes={
            "employee": change.key.employee_id,
            "status": change.state,
            **({"owner": change.owner} if change.owner else {}),
            **({"resolverGroup": change.resolver_group} if change.resolver_group else {}),
        },
    )


def how_to_decide(change: StatusChange, contacts: Contacts) -> list[str]:
    """The exact next step for whoever has the ticket: with our command, with any tool, and with none."""
    if not _waits(change) or not change.assignee:
        return []
    ticket_id, who = change.key.ticket_id, change.assignee
    if change.resolver_group:
        command = f"deskhand tickets reassign {ticket_id} --by {who} --to ANOTHER-GROUP"
        message = {"version": 1, "ticketId": ticket_id, "decidedBy": who, "decision": "reassign", "to": "ANOTHER-GROUP"}
        lines = ["", "If it is not yours, pass it on:", f"  {command}"]
    else:
        message = {"version": 1, "ticketId": ticket_id, "decidedBy": who, "decision": "approve"}
        lines = [
            "",
            "How to decide, with the deskhand command (one of these):",
            f"  deskhand tickets approve {ticket_id} --by {who}",
            f"  deskhand tickets decline {ticket_id} --by {who}",
            f"  deskhand tickets reassign {ticket_id} --by {who} --to SOMEBODY",
        ]
    if contacts.decisions_queue:
        lines += ["", f"Or send this message to the queue {contacts.decisions_queue}:", f"  {json.dumps(message)}"]
    if not change.resolver_group:
        desk = f" ({contacts.service_desk})" if contacts.service_desk else ""
        lines += [
            "",
            f"Without either: forward this message to the service desk{desk} with the one word approve or decline.",
        ]
    return lines


def _waits(change: StatusChange) -> bool:
    return change.state in {state.value for state in AWAITING}


def _reached(who: str | None, contact: str) -> str:
    return f"{who} ({contact})" if contact else str(who)
