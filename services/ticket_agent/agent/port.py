"""The promise of an agent back end: given a ticket's text and tool results, say what to do next.

The back end never acts. Loop, tools, guard, ledger and budget exist once, on our side, whatever is behind this port.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from shared.model.port import NO_USAGE, Usage


@dataclass(frozen=True, slots=True)
class Call:
    """One tool the agent wants called; ``call_id`` ties the result to it."""

    call_id: str
    tool: str
    arguments: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallResult:
    """``content`` is JSON; ``failed`` marks an error that the agent may act on."""

    call_id: str
    content: Mapping[str, Any] = field(repr=False)
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Hosted:
    """Where a step lies that the service keeps: written down before its calls are carried out."""

    session_id: str
    invocation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalls:
    """At least one call, to be answered together; ``text`` is what the agent said along with them."""

    calls: tuple[Call, ...]
    text: str = field(default="", repr=False)
    usage: Usage = NO_USAGE
    hosted: Hosted | None = None


class Ending(StrEnum):
    """Why an agent stopped; the value is the reason as a person reads it."""

    FINISHED = "The agent stopped without resolving or assigning the ticket."
    TRUNCATED = "The agent's answer was longer than allowed and was cut."
    FILTERED = "The model's content filter stopped the answer."
    GUARDRAIL = "A guardrail stopped the answer."
    MALFORMED = "The model gave an answer that could not be read."
    CONTEXT_EXCEEDED = "The ticket was too long for the model."
    LIMITED = "The agent reached a limit of its back end."
    INTERRUPTED = "The agent was stopped before it was done."
    UNKNOWN = "The model stopped for a reason that is not known here."


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """The agent will say no more; ``stop_reason`` is the service's own word."""

    ending: Ending
    stop_reason: str
    text: str = field(default="", repr=False)
    usage: Usage = NO_USAGE
    hosted: Hosted | None = None


Step: TypeAlias = ToolCalls | Final

SessionT = TypeVar("SessionT")


class Agent(Protocol, Generic[SessionT]):
    """Raises Throttled or TransientError if the same step may succeed later, PermanentError if it never will.

    A step that raised has changed nothing: asking again with the same session and results is right. A back end whose
    session is lost begins another by itself and may ask for calls again that were answered before; the tools say then
    what was done.
    """

    def begin(self, ticket_text: str, *, ticket_id: str) -> SessionT:
        """A fresh session over one ticket. Who the requester is stays on our side."""
        ...

    async def next(self, session: SessionT, results: Sequence[CallResult]) -> Step:
        """The first step with no results; every later one with a result for each call of the step before."""
        ...
