"""What is due on a ticket, and when to look again: a rule for the sweeper, on facts alone.

Before anything else people must know the newest status; only then do their days to decide count. Nothing here acts:
whatever is answered is carried out under a condition on what was read, so that a look at old facts changes nothing.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.ticket_agent.domain.state import AWAITING, State
from services.ticket_agent.domain.ticket import Ticket

MOST_DOUBLINGS = 6


class Due(StrEnum):
    NOTHING = "nothing"
    WORK = "work"
    """Open for long and nobody at it: send it to the worker again."""
    TELL = "tell"
    """Its newest status was not told: send it to the notifier again."""
    REMIND = "remind"
    ESCALATE = "escalate"
    EXPIRE = "expire"
    END_ACCESS = "end access"
    """The access that it brought has ended: say so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Seconds. The last three count from the moment the ticket came to its assignee.

    ``run``: the most that one run of the worker takes; until it is over, the ticket is in work.
    """

    open: float = 300.0
    run: float = 300.0
    tell: float = 300.0
    remind: float = 86_400.0
    escalate: float = 3 * 86_400.0
    expire: float = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Look:
    """What is due now; ``again_at`` is when to look next, None if there is nothing left to wait for."""

    due: Due
    again_at: float | None


def look(ticket: Ticket, *, notified: int, can_escalate: bool, now: float, delays: Delays) -> Look:
    """``notified`` is the last status version that was told; ``can_escalate``: there is somebody above the assignee."""
    if ticket.state is State.OPEN:
        in_work_until = max(ticket.since + delays.open, ticket.attempt_at + delays.run if ticket.attempt_at else 0.0)
        return _by(now, in_work_until, Due.WORK, _after(now, delays.open, ticket.looks))
    if notified < ticket.status_version:
        return _by(now, ticket.told_at + delays.tell, Due.TELL, _after(now, delays.tell, ticket.looks))
    if ticket.state in AWAITING:
        return _awaiting(ticket, can_escalate=can_escalate, now=now, delays=delays)
    if ticket.grant_ends_at:
        return _by(now, ticket.grant_ends_at, Due.END_ACCESS, None)
    return Look(Due.NOTHING, None)


def _awaiting(ticket: Ticket, *, can_escalate: bool, now: float, delays: Delays) -> Look:
    remind_at, expire_at = ticket.since + delays.remind, ticket.since + delays.expire
    if ticket.resolver_group:
        # A group works in a queue of its own and has nobody above it: told, reminded once, and left in peace.
        return Look(Due.NOTHING, None) if ticket.reminders else _by(now, remind_at, Due.REMIND, None)
    escalate_at = ticket.since + delays.escalate
    if now >= expire_at:
        return Look(Due.EXPIRE, None)
    if can_escalate and now >= escalate_at:
        return Look(Due.ESCALATE, None)
    if not ticket.reminders:
        return _by(now, remind_at, Due.REMIND, None)
    return Look(Due.NOTHING, min(escalate_at, expire_at) if can_escalate else expire_at)


def _by(now: float, at: float, due: Due, again_at: float | None) -> Look:
    return Look(due, again_at) if now >= at else Look(Due.NOTHING, at)


def _after(now: float, seconds: float, looks: int) -> float:
    """Ever later: what a repeat did not cure, a thousand will not, and each is a message."""
    return now + seconds * 2.0 ** min(looks, MOST_DOUBLINGS)
