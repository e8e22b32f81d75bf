"""Sees to what is overdue: tickets nobody works on, statuses nobody was told, decisions nobody takes, access that ends.

One task of the fleet sweeps at a time, under a claim; the others stand by and take over when it runs out. Should two
sweep for a moment all the same, conditions on what was read let each change happen once, and a repeat is no harm.

A sweep asks a sparse index for what is due: a query reads the keys of due tickets, so an idle sweep costs half a read
unit, whatever the size of the table (docs/decisions/the-agenda-is-a-sparse-index.md).
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.ticket_agent.domain.access import Grant
from services.ticket_agent.domain.agenda import Delays, Due, look
from services.ticket_agent.domain.change import Change, end_of_access, escalation, expiration, reminder
from services.ticket_agent.domain.state import AWAITING, State
from services.ticket_agent.domain.ticket import Ticket, TicketKey, parse_access_request
from services.ticket_agent.store.port import (
    AccessBook,
    Agenda,
    Changes,
    Directory,
    Ledger,
    Superseded,
    Tickets,
    Warrant,
)
from shared.clock import Now
from shared.errors import DeskhandError
from shared.idempotency.port import Claimed, ClaimLost, Idempotency
from shared.logs import about, logger
from shared.queue.message import Outgoing
from shared.queue.port import Queue
from shared.queue.sending import send_all
from shared.waiting import is_set_within

log = logger("sweeper")

CLAIM: Final = "ticket-sweeper"
SWEEPER: Final = "sweeper"
"""Stands where the ledger names the tool."""

PAGE = 100
AT_ONCE = 8


def _no_beat() -> None: ...


@dataclass(slots=True, kw_only=True)
class Sweeper:
    """``owner`` names this task's life in the claim; ``sweep_seconds`` pass between two sweeps."""

    claims: Idempotency
    agenda: Agenda
    tickets: Tickets
    ledger: Ledger
    directory: Directory
    access: AccessBook
    changes: Changes
    work: Queue
    updates: Queue
    delays: Delays
    owner: str
    sweep_seconds: float
    now: Now
    beat: Callable[[], None] = _no_beat
    _held: Claimed | None = field(default=None, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until ``stop`` is set; then let another task have the claim at once."""
        while not stop.is_set():
            self.beat()
            try:
                if await self._is_ours():
                    await self._sweep(stop)
            except DeskhandError as error:
                log.warning("not_swept", error=repr(error))
            await is_set_within(stop, self.sweep_seconds)
        if self._held is not None:
            try:
                await self.claims.release(self._held)
            except DeskhandError as error:
                log.warning("claim_not_released", error=repr(error))

    async def sweep_once(self) -> int:
        """See to everything that is due now, without a claim; how many tickets were looked at."""
        return await self._sweep(asyncio.Event())

    @property
    def _claim_seconds(self) -> float:
        return max(15.0, 3 * self.sweep_seconds)  # three chances to renew

    async def _is_ours(self) -> bool:
        if self._held is not None:
            try:
                self._held = await self.claims.renew(self._held, ttl_seconds=self._claim_seconds)
            except ClaimLost:
                self._held = None
        if self._held is None:
            claim = await self.claims.claim(CLAIM, owner=self.owner, ttl_seconds=self._claim_seconds)
            if isinstance(claim, Claimed):
                log.info("sweeping", owner=self.owner)
                self._held = claim
        return self._held is not None

    async def _sweep(self, stop: asyncio.Event) -> int:
        seen = 0
        async for due in self.agenda.due(self.now(), page=PAGE):
            for first in range(0, len(due), AT_ONCE):
                await asyncio.gather(*(self._see_to(key) for key in due[first : first + AT_ONCE]))
            seen += len(due)
            self.beat()
            if stop.is_set() or (self._held is not None and not await self._is_ours()):
                break
        return seen

    async def _see_to(self, key: TicketKey) -> None:
        about(ticket_id=key.ticket_id)  # gather gives each a context of its own
        try:
            await self._act_on(key)
        except Superseded:
            log.info("ticket_moved_on", ticket_id=key.ticket_id)
        except DeskhandError as error:
            # One ticket that cannot be seen to must not keep the others waiting; it stays due.
            log.warning("ticket_not_seen_to", ticket_id=key.ticket_id, error=repr(error))

    async def _act_on(self, key: TicketKey) -> None:
        ticket = await self.tickets.load(key)
        if ticket is None:
            return
        now = self.now()
        notified = await self.ledger.notified_version(key.ticket_id) if ticket.state is not State.OPEN else 0
        manager = await self._manager_above(ticket)
        found = look(ticket, notified=notified, can_escalate=manager is not None, now=now, delays=self.delays)
        match found.due:
            case Due.NOTHING:
                await self.agenda.put_off(ticket, found.again_at)
                return
            case Due.WORK:
                await send_all(self.work, [_work(ticket)])
                await self.agenda.put_off(ticket, found.again_at, repeated=True)
            case Due.TELL:
                await send_all(
                    self.updates,
                    [_update(ticket, version) for version in range(notified + 1, ticket.status_version + 1)],
                )
                await self.agenda.put_off(ticket, found.again_at, repeated=True)
            case Due.REMIND:
                await self._apply(ticket, reminder(ticket, days=now - ticket.since))
            case Due.ESCALATE if manager is not None:
                await self._apply(ticket, escalation(ticket, manager=manager, days=now - ticket.since))
            case Due.EXPIRE:
                await self._apply(ticket, expiration(ticket, days=now - ticket.since))
            case Due.END_ACCESS:
                await self._apply(ticket, end_of_access(ticket, await self._grant_of(ticket)))
        log.info("ticket_seen_to", ticket_id=key.ticket_id, due=found.due.value, state=ticket.state.value)

    async def _apply(self, ticket: Ticket, change: Change) -> None:
        owner = await self._owner_of(ticket)
        await self.changes.apply(ticket, change, owner=owner, at=self.now(), warrant=Warrant(tool=SWEEPER))

    async def _manager_above(self, ticket: Ticket) -> str | None:
        """Who gets the ticket if its assignee does not decide; nobody above a group, and one step is all."""
        if ticket.state not in AWAITING or ticket.state is State.ESCALATED:
            return None
        if ticket.resolver_group or not ticket.assignee:
            return None
        assignee = await self.directory.employee(ticket.assignee)
        manager = assignee.manager if assignee else None
        # Nobody decides on a request of their own.
        return None if manager == ticket.key.employee_id else manager

    async def _owner_of(self, ticket: Ticket) -> str | None:
        asked = parse_access_request(ticket.content).environment_id
        environment = await self.directory.environment(asked) if asked else None
        return environment.owner if environment else None

    async def _grant_of(self, ticket: Ticket) -> Grant | None:
        asked = parse_access_request(ticket.content).environment_id
        holdings = await self.access.holdings(ticket.key.employee_id, asked) if asked else ()
        grants = (held for held in holdings if isinstance(held, Grant))
        return next((grant for grant in grants if grant.ticket_id == ticket.key.ticket_id), None)


def _work(ticket: Ticket) -> Outgoing:
    return _message(ticket, ticket.status_version, f"sweep-{ticket.key.ticket_id}-{ticket.attempt}-{ticket.looks}")


def _update(ticket: Ticket, version: int) -> Outgoing:
    return _message(ticket, version, f"sweep-{ticket.key.ticket_id}-{version}-{ticket.looks}")


def _message(ticket: Ticket, version: int, deduplication_id: str) -> Outgoing:
    body = {"ticketId": ticket.key.ticket_id, "employeeId": ticket.key.employee_id, "version": version}
    return Outgoing(
        body=json.dumps(body),
        attributes=ticket.context,
        group_id=ticket.key.ticket_id,
        deduplication_id=deduplication_id,
    )
