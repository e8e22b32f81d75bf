"""The promises of the stores. Every method raises TransientError or PermanentError for the store's own failures."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from services.ticket_agent.domain.access import Grant, Holding
from services.ticket_agent.domain.chain import Head
from services.ticket_agent.domain.change import Change
from services.ticket_agent.domain.directory import Employee, Environment, ResolverGroup
from services.ticket_agent.domain.outcome import Outcome
from services.ticket_agent.domain.premise import Premise
from services.ticket_agent.domain.ruling import Ruling
from services.ticket_agent.domain.ticket import Ticket, TicketKey


class Superseded(Exception):
    """The ticket is not open any more, or a later run has taken it: this run may not write."""


class PremiseGone(Exception):
    """A fact that the decision rested on has changed since it was read; nothing was written."""

    def __init__(self, premises: Sequence[str]) -> None:
        super().__init__(", ".join(premises))
        self.premises = tuple(premises)


class Submission(StrEnum):
    ACCEPTED = "accepted"
    REPEAT = "repeat"
    """The same ticket was accepted before."""
    TAKEN = "taken"
    """Another ticket has this id."""
    SENDER_GONE = "sender gone"
    """The employee left the directory between the check and the write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    """``sender_id`` is who sent the message, which may be a relay and not the employee."""

    key: TicketKey
    content: str = field(repr=False)
    sender_id: str
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run has cost so far; times in milliseconds."""

    model_calls: int = 0
    tool_calls: int = 0
    run_ms: int = 0
    model_ms: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Warrant:
    """Why a write is allowed: the tool, the policies that decided, the version of the policy text."""

    tool: str
    policies: tuple[str, ...] = ()
    policy_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """What a ticket became at one status version, as it is told to people.

    ``resolver_group`` is the assignee where that is a group; ``headline`` says what is new where the status is not.
    """

    key: TicketKey
    version: int
    state: str
    assign_status: str
    assignee: str | None
    owner: str | None
    communication: str = field(repr=False)
    next_step: str = field(repr=False)
    resolver_group: str | None = None
    headline: str = ""


class Directory(Protocol):
    """Reads are consistent: they feed decisions about access."""

    async def employee(self, employee_id: str) -> Employee | None: ...

    async def environment(self, environment_id: str) -> Environment | None: ...

    async def resolver_group(self, group_id: str) -> ResolverGroup | None: ...


class AccessBook(Protocol):
    async def holdings(self, employee_id: str, environment_id: str) -> tuple[Holding, ...]:
        """The standing row, if any, and every grant, also expired ones. The read is consistent."""
        ...


class Tickets(Protocol):
    async def submit(self, ticket: NewTicket, *, at: float) -> Submission:
        """Claim the ticket id alone and put the ticket, both or neither."""
        ...

    async def load(self, key: TicketKey) -> Ticket | None:
        """The ticket as it is now; the read is consistent."""
        ...

    async def find(self, ticket_id: str) -> Ticket | None:
        """The ticket of that id, whoever asked; None if there is none, or several that were moved in."""
        ...

    async def take_attempt(self, ticket: Ticket, *, at: float) -> Ticket:
        """Begin the next run of an open ticket; every earlier run can write no more.

        Raises Superseded if the ticket is not as ``ticket`` says.
        """
        ...


class Effects(Protocol):
    """Writes that change what somebody has or is told. Each is one transaction: the effect, the ticket, the ledger
    entry, and a check of every premise, all or nothing. Raises Superseded or PremiseGone."""

    async def grant(self, ticket: Ticket, grant: Grant, *, premises: Sequence[Premise], warrant: Warrant) -> Grant:
        """Give the access once. A repeat for the same ticket changes nothing and returns what was given then."""
        ...

    async def conclude(
        self,
        ticket: Ticket,
        outcome: Outcome,
        *,
        owner: str | None,
        premises: Sequence[Premise],
        warrant: Warrant,
        figures: Figures,
        at: float,
    ) -> int:
        """End the ticket once and return its new status version. ``owner`` is the environment's, where known."""
        ...


class Changes(Protocol):
    """What people and the calendar make of a ticket after the agent's part."""

    async def apply(
        self,
        ticket: Ticket,
        change: Change,
        *,
        owner: str | None,
        at: float,
        warrant: Warrant,
        grant: Grant | None = None,
        premises: Sequence[Premise] = (),
    ) -> int:
        """Write ``change``, with ``grant`` if it brings one, if nobody has moved the ticket on since it was read; all
        or nothing. Returns the new status version. Raises Superseded or PremiseGone."""
        ...


class Rulings(Protocol):
    """People's decisions, kept from the door to the worker and beyond."""

    async def keep(self, ticket: Ticket, ruling: Ruling, *, sender_id: str, at: float) -> None:
        """Write the decision down; the same one again changes nothing. Raises Superseded if a run has begun."""
        ...

    async def load(self, ticket_id: str, ruling_id: str) -> Ruling | None: ...

    async def is_settled(self, ticket_id: str, ruling_id: str) -> bool:
        """Whether a status names it, or its refusal was written down."""
        ...

    async def refuse(self, ticket: Ticket, ruling: Ruling, reason: str, *, at: float) -> None:
        """Write down that nothing came of it."""
        ...


class Agenda(Protocol):
    """Which tickets somebody has to look at, and when."""

    def due(self, now: float, *, page: int) -> AsyncIterator[list[TicketKey]]:
        """All that are due by ``now``, the longest due first, so many at a time. May lag behind writes by a moment."""
        ...

    async def put_off(self, ticket: Ticket, until: float | None, *, repeated: bool = False) -> None:
        """Look again at ``until``, or no more; nothing happens if the ticket was changed since it was read.

        ``repeated`` counts a repeat that was sent for it.
        """
        ...

    def everything(self) -> AsyncIterator[Ticket]:
        """Every ticket there is: reads the whole table."""
        ...


class Ledger(Protocol):
    """What happened to a ticket, appended and never changed: each entry is a link of the ticket's hash chain."""

    async def append(self, ticket_id: str, entry: str, facts: Mapping[str, Any], *, attempt: int, at: float) -> None:
        """Write ``entry`` of the run ``attempt``; the same entry again changes nothing.

        Raises Superseded if a later run has begun.
        """
        ...

    async def head(self, ticket_id: str) -> Head:
        """The last link of the ticket's chain, to be kept where the writer of this store cannot change it."""
        ...

    async def spent_before(self, ticket_id: str) -> tuple[int, int]:
        """Turns and tokens of all runs of the ticket so far."""
        ...

    async def status_change(self, ticket_id: str, version: int) -> StatusChange | None: ...

    async def notified_version(self, ticket_id: str) -> int:
        """The last status version that was recorded as notified; 0 if none."""
        ...

    async def record_notified(self, ticket_id: str, version: int, *, at: float) -> None:
        """Remember ``version``, unless a later one is remembered already."""
        ...
