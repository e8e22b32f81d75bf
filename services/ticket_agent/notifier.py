"""Tells people what became of a ticket: one notification a status version, in order, each with a stable id."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.ticket_agent.domain.ticket import TicketKey
from services.ticket_agent.store.port import Ledger, StatusChange
from shared.clock import Now
from shared.errors import PermanentError
from shared.logs import logger
from shared.notifications.port import Notification, Notifications
from shared.queue.message import Ack, Message, Settlement

log = logger("notifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    ledger: Ledger
    notifications: Notifications
    now: Now

    async def handle(self, message: Message) -> Settlement:
        """Handler of the ticket-updates queue. Raises TransientError or PermanentError."""
        key, version = read_update(message.body)
        if version <= await self.ledger.notified_version(key.ticket_id):
            # A stream reader that lost its lease can still send late: telling an old status would undo the new one.
            log.info("update_already_told", ticket_id=key.ticket_id, version=version)
            return Ack()
        change = await self.ledger.status_change(key.ticket_id, version)
        if change is None:
            raise PermanentError(f"the ledger has no status {version} of ticket {key.ticket_id}")
        await self.notifications.publish(as_notification(change))
        # After the publication: a crash between the two repeats it under the same id, and loses nothing.
        await self.ledger.record_notified(key.ticket_id, version, at=self.now())
        log.info("ticket_told", ticket_id=key.ticket_id, version=version, state=change.state)
        return Ack()


def read_update(body: str) -> tuple[TicketKey, int]:
    """Ticket and status version in one of our own messages. Raises PermanentError."""
    try:
        message: Mapping[str, Any] = json.loads(body)
        key = TicketKey(ticket_id=str(message["ticketId"]), employee_id=str(message["employeeId"]))
        return key, int(message["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(f"not a message about a status: {type(error).__name__}: {error}") from None


def as_notification(change: StatusChange) -> Notification:
    """What subscribers get; the attributes are what they filter on."""
    ticket_id = change.key.ticket_id
    group = change.assignee if change.assignee and change.assignee != change.owner else None
    return Notification(
        notification_id=f"{ticket_id}:{change.version}",
        subject=f"Ticket {ticket_id}: {change.assign_status}",
        body=(
            f"Ticket: {ticket_id}\n"
            f"Requester: {change.key.employee_id}\n"
            f"Status: {change.assign_status}\n"
            f"\n{change.communication}\n"
            f"\nNext step: {change.next_step}\n"
        ),
        attributes={
            "employee": change.key.employee_id,
            "status": change.state,
            **({"owner": change.owner} if change.owner else {}),
            **({"resolverGroup": group} if group else {}),
        },
    )
