"""How the agent's part of a ticket can end, and what people are told of each ending."""

from dataclasses import dataclass
from typing import TypeAlias

from services.ticket_agent.domain.state import State, assign_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Nothing is left to do."""

    communication: str

    @property
    def state(self) -> State:
        return State.RESOLVED

    @property
    def assignee(self) -> str | None:
        return None

    @property
    def resolver_group(self) -> str | None:
        return None

    @property
    def next_step(self) -> str:
        return "Nothing is left to do. If the access does not work, send a new ticket that names this one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """The environment's owner decides."""

    assignee: str
    communication: str

    @property
    def state(self) -> State:
        return State.ASSIGNED

    @property
    def resolver_group(self) -> str | None:
        return None

    @property
    def next_step(self) -> str:
        return f"{self.assignee} decides on the request and answers the requester."


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """A group works on what is not about access."""

    assignee: str
    communication: str

    @property
    def state(self) -> State:
        return State.ASSIGNED

    @property
    def resolver_group(self) -> str:
        return self.assignee

    @property
    def next_step(self) -> str:
        return f"{self.assignee} works on the ticket and answers the requester."


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """The agent could not end the ticket; a person has to, and is told why."""

    assignee: str
    communication: str
    to_group: bool = False

    @property
    def resolver_group(self) -> str | None:
        return self.assignee if self.to_group else None

    @property
    def state(self) -> State:
        return State.HANDED_OVER

    @property
    def next_step(self) -> str:
        return f"{self.assignee} reads the ticket, decides on it, and answers the requester."


Outcome: TypeAlias = Resolved | Assigned | Routed | HandedOver


def status_text(outcome: Outcome) -> str:
    return assign_status(outcome.state, outcome.assignee)


def hand_over(*, reason: str, owner: str | None, resolver_group: str) -> HandedOver:
    """To the environment's owner if there is one, otherwise to the group that takes what belongs to nobody."""
    return HandedOver(
        assignee=owner or resolver_group,
        to_group=owner is None,
        communication=f"The ticket could not be completed automatically and needs a person. {reason}",
    )
