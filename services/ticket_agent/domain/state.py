"""The states of a ticket, who may leave which, and the readable text of each."""

from enum import StrEnum


class State(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    ASSIGNED = "assigned"
    HANDED_OVER = "handed over"
    REASSIGNED = "reassigned"
    ESCALATED = "escalated"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


class Writer(StrEnum):
    """Who moves a ticket on; each writes under a condition on the state and the version that it has read."""

    AGENT = "agent"
    DECIDER = "decider"
    SWEEPER = "sweeper"


UNASSIGNED = "unassigned"
AUTO_RESOLVED = "auto-resolved"

_DECIDED: dict[State, Writer] = {
    State.APPROVED: Writer.DECIDER,
    State.DECLINED: Writer.DECIDER,
    State.REASSIGNED: Writer.DECIDER,
    State.EXPIRED: Writer.SWEEPER,
}
TRANSITIONS: dict[State, dict[State, Writer]] = {
    State.OPEN: dict.fromkeys((State.RESOLVED, State.ASSIGNED, State.HANDED_OVER), Writer.AGENT),
    State.ASSIGNED: {**_DECIDED, State.ESCALATED: Writer.SWEEPER},
    State.HANDED_OVER: {**_DECIDED, State.ESCALATED: Writer.SWEEPER},
    State.REASSIGNED: {**_DECIDED, State.ESCALATED: Writer.SWEEPER},
    # Once: there is nobody above the manager to whom it could go.
    State.ESCALATED: _DECIDED,
    State.RESOLVED: {},
    State.APPROVED: {},
    State.DECLINED: {},
    State.EXPIRED: {},
}
"""What may follow what, and who writes it. What the agent ends without resolving waits for a person."""

AWAITING = frozenset({State.ASSIGNED, State.HANDED_OVER, State.REASSIGNED, State.ESCALATED})
"""Waiting for a person's decision."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)

_NAMES_SOMEBODY = {
    State.ASSIGNED: "to",
    State.HANDED_OVER: "to",
    State.REASSIGNED: "to",
    State.ESCALATED: "to",
    State.APPROVED: "by",
    State.DECLINED: "by",
}


def may_become(before: State, after: State, writer: Writer = Writer.AGENT) -> bool:
    return TRANSITIONS[before].get(after) is writer


def assign_status(state: State, somebody: str | None = None) -> str:
    """The reference's readable text: ``unassigned``, ``auto-resolved``, ``assigned to @sam``; ours in addition:
    ``handed over to @sam``, ``approved by @sam``, ``expired`` and the like.

    ``somebody`` is the assignee, or who decided. Raises ValueError if a state that names somebody comes without.
    """
    if state is State.OPEN:
        return UNASSIGNED
    if state is State.RESOLVED:
        return AUTO_RESOLVED
    word = _NAMES_SOMEBODY.get(state)
    if word is None:
        return state.value
    if not somebody:
        raise ValueError(f"{state} needs an assignee, or who decided")
    return f"{state} {word} {somebody}"


def state_of(assign_status_text: str) -> State:
    """The state of a row that was moved in from elsewhere and has the readable text alone.

    An unknown text counts as handed over: somebody wrote it, so no agent should act on the ticket.
    """
    text = assign_status_text.strip().casefold()
    if text in ("", UNASSIGNED):
        return State.OPEN
    if text == AUTO_RESOLVED:
        return State.RESOLVED
    if text == State.EXPIRED:
        return State.EXPIRED
    named = (state for state, word in _NAMES_SOMEBODY.items() if text.startswith(f"{state} {word} "))
    return next(named, State.HANDED_OVER)
