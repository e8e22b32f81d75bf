"""Carries changes of the Ticket table from its stream to the queues: a pure rule says where each goes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.queue.message import Outgoing
from shared.queue.port import Queue
from shared.queue.sending import send_all
from shared.stream.record import Item, Record


class Destination(StrEnum):
    WORK = "ticket-work"
    UPDATES = "ticket-updates"


@dataclass(frozen=True, slots=True)
class Routed:
    destination: Destination
    message: Outgoing


def route(record: Record) -> Routed | None:
    """A new ticket is work, a new status version is news, everything else (an attempt, a removal) is nobody's."""
    match record.change:
        case "INSERT" if record.new is not None:
            return Routed(Destination.WORK, _message(record, record.new))
        case "MODIFY" if record.new is not None and _version(record.new) > _version(record.old):
            return Routed(Destination.UPDATES, _message(record, record.new))
        case _:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    work: Queue
    updates: Queue

    async def deliver(self, records: Sequence[Record]) -> None:
        """Put the records into their queues; returns when all are stored. Raises TransientError or PermanentError."""
        routed = [routed for record in records if (routed := route(record)) is not None]
        for destination, queue in ((Destination.WORK, self.work), (Destination.UPDATES, self.updates)):
            messages = [each.message for each in routed if each.destination is destination]
            if messages:
                await send_all(queue, messages)


def _message(record: Record, item: Item) -> Outgoing:
    body = {"ticketId": item["ticketId"], "employeeId": item["employeeId"], "version": _version(item)}
    # The event id drops a record that is read twice within five minutes; what comes later is the reader's to drop.
    return Outgoing(body=json.dumps(body), group_id=str(item["ticketId"]), deduplication_id=record.event_id)


def _version(item: Item | None) -> int:
    return int(item.get("statusVersion", 0)) if item else 0
