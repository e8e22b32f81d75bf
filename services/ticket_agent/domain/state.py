"""The states of a ticket, who may leave which, and the readable text of each."""

from enum import StrEnum


class State(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    ASSIGNED = "assigned"
    HANDED_OVER = "handed over"


UNASSIGNED = "unassigned"
AUTO_RESOLVED = "auto-resolved"

TRANSITIONS: dict[State, frozenset[State]] = {
    State.OPEN: frozenset({State.RESOLVED, State.ASSIGNED, State.HANDED_OVER}),
    State.RESOLVED: frozenset(),
    State.ASSIGNED: frozenset(),
    State.HANDED_OVER: frozenset(),
}
"""What may follow what. The agent leaves ``open`` only; a person's part begins where the agent's ends."""


def may_become(before: State, after: State) -> bool:
    return after in TRANSITIONS[before]


def assign_status(state: State, assignee: str | None = None) -> str:
    """The reference's readable text: ``unassigned``, ``auto-resolved``, ``assigned to @sam``; ours in addition:
    ``handed over to @sam``. Raises ValueError if a state that has an assignee comes without."""
    match state:
        case State.OPEN:
            return UNASSIGNED
        case State.RESOLVED:
            return AUTO_RESOLVED
        case State.ASSIGNED | State.HANDED_OVER:
            if not assignee:
                raise ValueError(f"{state} needs an assignee")
            return f"{state} to {assignee}"


def state_of(assign_status_text: str) -> State:
    """The state of a row that was moved in from elsewhere and has the readable text alone.

    An unknown text counts as handed over: somebody wrote it, so no agent should act on the ticket.
    """
    text = assign_status_text.strip().casefold()
    if text in ("", UNASSIGNED):
        return State.OPEN
    if text == AUTO_RESOLVED:
        return State.RESOLVED
    return State.ASSIGNED if text.startswith(f"{State.ASSIGNED} to ") else State.HANDED_OVER
