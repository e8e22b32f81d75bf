"""Carries changes of the Ticket table from its stream to the queues: a pure rule says where each goes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.ticket_agent.domain.state import State
from services.ticket_agent.domain.ticket import Ticket, TicketKey
from services.ticket_agent.store.port import Agenda, Ledger
from shared.logs import logger
from shared.queue.dead_letters import ERROR_CLASS, MOST_REASON_CHARACTERS, REASON, SOURCE_MESSAGE_ID, SOURCE_QUEUE
from shared.queue.message import Outgoing
from shared.queue.port import Queue
from shared.queue.sending import send_all
from shared.stream.record import Item, Record
from shared.tracing import TRACEPARENT

log = logger("bridge")


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
    """``work_dead`` is where a record that cannot be routed is set aside."""

    work: Queue
    updates: Queue
    work_dead: Queue
    agenda: Agenda
    ledger: Ledger

    async def deliver(self, records: Sequence[Record]) -> None:
        """Put the records into their queues; returns when all are stored. Raises TransientError or PermanentError."""
        routed = [routed for record in records if (routed := route(record)) is not None]
        for destination, queue in ((Destination.WORK, self.work), (Destination.UPDATES, self.updates)):
            messages = [each.message for each in routed if each.destination is destination]
            if messages:
                await send_all(queue, messages)

    async def quarantine(self, record: Record, reason: str) -> None:
        """Show a record that cannot be routed among the dead letters of ticket-work, by its keys and the reason.

        Its ticket is not lost with it: it is on the agenda, and the sweeper goes by its state.
        """
        keys = {name: str(value) for name, value in record.keys.items()}
        letter = Outgoing(
            body=json.dumps(keys),
            attributes={
                REASON: reason[:MOST_REASON_CHARACTERS] or "not said",
                ERROR_CLASS: "PoisonRecord",
                SOURCE_MESSAGE_ID: record.event_id,
                SOURCE_QUEUE: f"the table's stream, {record.shard_id}, {record.sequence_number}"[:200],
            },
            group_id=keys.get("ticketId", record.event_id),
            deduplication_id=record.event_id,
        )
        await send_all(self.work_dead, [letter])

    async def on_gap(self, shard_id: str, after: str | None) -> None:
        """Records were trimmed unread: send again what the table says is open, and what the ledger says is untold.

        Reads the whole table, which a stream that nobody read for a day is worth.
        """
        sent = 0
        async for ticket in self.agenda.everything():
            again = await self._missed(ticket, f"gap-{shard_id}-{after}")
            sent += again
        log.warning("gap_filled", shard=shard_id, after=after, messages=sent)

    async def _missed(self, ticket: Ticket, gap: str) -> int:
        # As long as an id may be; what distinguishes the gap comes last.
        prefix = f"{ticket.key.ticket_id}-{gap}"[-110:]
        if ticket.state is State.OPEN:
            await send_all(self.work, [_outgoing(ticket.key, ticket.status_version, prefix, ticket.context)])
            return 1
        notified = await self.ledger.notified_version(ticket.key.ticket_id)
        untold = range(notified + 1, ticket.status_version + 1)
        if untold:
            messages = [_outgoing(ticket.key, version, f"{prefix}-{version}", ticket.context) for version in untold]
            await send_all(self.updates, messages)
        return len(untold)


def _message(record: Record, item: Item) -> Outgoing:
    key = TicketKey(ticket_id=str(item["ticketId"]), employee_id=str(item["employeeId"]))
    # The event id drops a record that is read twice within five minutes; what comes later is the reader's to drop.
    context = {TRACEPARENT: str(item[TRACEPARENT])} if item.get(TRACEPARENT) else {}
    return _outgoing(key, _version(item), record.event_id, context)


def _outgoing(key: TicketKey, version: int, deduplication_id: str, context: Mapping[str, str]) -> Outgoing:
    body = {"ticketId": key.ticket_id, "employeeId": key.employee_id, "version": version}
    return Outgoing(
        body=json.dumps(body), attributes=context, group_id=key.ticket_id, deduplication_id=deduplication_id
    )


def _version(item: Item | None) -> int:
    return int(item.get("statusVersion", 0)) if item else 0
