"""What people and the calendar make of a ticket after the agent's part, and what is said of each. Pure."""

from dataclasses import dataclass, field

from services.ticket_agent.domain.access import Grant
from services.ticket_agent.domain.state import State, Writer, assign_status
from services.ticket_agent.domain.ticket import Ticket

LONGEST_COMMENT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One new status version. ``headline`` says what is new where the status stays as it was.

    ``reminders`` is how many the assignee has had, None where the ticket comes to somebody afresh. ``delegated_by``
    passed it on, ``decider`` and ``decision_id`` name whose message brought it about. ``ends_access``: the grant's end
    has been announced.
    """

    writer: Writer
    state: State
    assign_status: str
    assignee: str | None
    resolver_group: str | None = None
    communication: str = field(repr=False)
    next_step: str = field(repr=False)
    headline: str = ""
    reminders: int | None = None
    delegated_by: str | None = None
    decider: str | None = None
    decision_id: str | None = None
    ends_access: bool = False


def decides(name: str) -> str:
    return f"{name} decides on the request and answers the requester."


def reminder(ticket: Ticket, *, days: float) -> Change:
    return _as_it_stands(
        ticket,
        headline=f"reminder, still {ticket.assign_status}",
        communication=f"Nobody has decided for {_days(days)}. {ticket.communication}",
        next_step=decides(ticket.assignee or "The assignee"),
        reminders=ticket.reminders + 1,
    )


def escalation(ticket: Ticket, *, manager: str, days: float) -> Change:
    return Change(
        writer=Writer.SWEEPER,
        state=State.ESCALATED,
        assign_status=assign_status(State.ESCALATED, manager),
        assignee=manager,
        communication=f"{ticket.assignee} has not decided for {_days(days)}. {ticket.communication}",
        next_step=decides(manager),
    )


def expiration(ticket: Ticket, *, days: float) -> Change:
    return Change(
        writer=Writer.SWEEPER,
        state=State.EXPIRED,
        assign_status=assign_status(State.EXPIRED),
        assignee=None,
        communication=f"Nobody decided within {_days(days)}; nothing was granted. It waited for {ticket.assignee}.",
        next_step="If the request still stands, send a new ticket that names this one.",
    )


def end_of_access(ticket: Ticket, grant: Grant | None) -> Change:
    what = f"{grant.access_type.text} access to environment {grant.environment_id}" if grant else "The access"
    return _as_it_stands(
        ticket,
        headline="access has ended",
        communication=f"{what} that this ticket brought has ended.",
        next_step="Nothing is left to do. If the access is still needed, send a new ticket.",
        ends_access=True,
    )


def approval(ticket: Ticket, grant: Grant, *, until: str, decider: str, decision_id: str, comment: str) -> Change:
    access = f"{grant.access_type.text} access to environment {grant.environment_id} until {until}"
    return Change(
        writer=Writer.DECIDER,
        state=State.APPROVED,
        assign_status=assign_status(State.APPROVED, decider),
        assignee=ticket.assignee,
        communication=f"You have {access}, approved by {decider}.{_comment(comment)}",
        next_step="Nothing is left to do. If the access does not work, send a new ticket that names this one.",
        decider=decider,
        decision_id=decision_id,
    )


def refusal_of_request(ticket: Ticket, *, decider: str, decision_id: str, comment: str) -> Change:
    return Change(
        writer=Writer.DECIDER,
        state=State.DECLINED,
        assign_status=assign_status(State.DECLINED, decider),
        assignee=ticket.assignee,
        communication=f"{decider} declined the request; nothing was granted.{_comment(comment)}",
        next_step=f"If you need to know more, ask {decider}. A new ticket can be sent at any time.",
        decider=decider,
        decision_id=decision_id,
    )


def reassignment(ticket: Ticket, *, to: str, to_group: bool, decider: str, decision_id: str, comment: str) -> Change:
    return Change(
        writer=Writer.DECIDER,
        state=State.REASSIGNED,
        assign_status=assign_status(State.REASSIGNED, to),
        assignee=to,
        resolver_group=to if to_group else None,
        communication=f"{decider} passed the ticket on.{_comment(comment)} {ticket.communication}",
        next_step=decides(to),
        delegated_by=decider,
        decider=decider,
        decision_id=decision_id,
    )


def refused_decision(ticket: Ticket, *, reason: str, decider: str, decision_id: str) -> Change:
    """The ticket stays as it is; whoever decided learns why nothing came of it."""
    return _as_it_stands(
        ticket,
        headline=f"decision not carried out, still {ticket.assign_status}",
        communication=f"The decision of {decider} was not carried out: {reason}",
        next_step=decides(ticket.assignee or "The assignee"),
        reminders=ticket.reminders,
        decider=decider,
        decision_id=decision_id,
    )


def _as_it_stands(
    ticket: Ticket,
    *,
    headline: str,
    communication: str,
    next_step: str,
    reminders: int = 0,
    decider: str | None = None,
    decision_id: str | None = None,
    ends_access: bool = False,
) -> Change:
    return Change(
        writer=Writer.SWEEPER,
        state=ticket.state,
        assign_status=ticket.assign_status,
        assignee=ticket.assignee,
        resolver_group=ticket.resolver_group,
        communication=communication,
        next_step=next_step,
        headline=headline,
        reminders=reminders,
        decider=decider,
        decision_id=decision_id,
        ends_access=ends_access,
    )


def _days(seconds: float) -> str:
    days = seconds / 86_400
    return "a day" if round(days) <= 1 else f"{days:.0f} days"


def _comment(comment: str) -> str:
    return f' They say: "{comment}"' if comment else ""
