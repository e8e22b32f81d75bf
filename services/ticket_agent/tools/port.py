"""What a tool is, what it works on, and how it answers.

A tool answers the model in JSON with a plain sentence under ``message``. What it may do is decided on the case, which
our side fills; the model gives the few arguments of the schema and nothing else.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.ticket_agent.domain.outcome import Outcome
from services.ticket_agent.domain.ticket import AccessRequest, Ticket
from services.ticket_agent.knowledge.port import KnowledgeBase
from services.ticket_agent.policy.guard import Decision, Guard
from services.ticket_agent.store.port import AccessBook, Directory, Effects, Figures, Warrant
from shared.clock import Now
from shared.model.port import ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything tools stand on that is the same for every ticket."""

    directory: Directory
    access: AccessBook
    effects: Effects
    knowledge: KnowledgeBase
    guard: Guard
    now: Now


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run on one ticket. Who the requester is comes from ``ticket``; ``figures`` tells what the run has cost."""

    desk: Desk
    ticket: Ticket
    request: AccessRequest
    figures: Callable[[], Figures]

    @property
    def employee_id(self) -> str:
        return self.ticket.key.employee_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``outcome`` is set when the tool has ended the ticket; ``decision`` is the guard's, where it was asked."""

    content: Mapping[str, Any] = field(repr=False)
    failed: bool = False
    outcome: Outcome | None = None
    decision: Decision | None = None


Run: TypeAlias = Callable[[Case, Mapping[str, Any]], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """``parameters`` maps each parameter to what it means; all are texts, all are required, no other is taken."""

    name: str
    description: str
    parameters: Mapping[str, str]
    run: Run

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(
            name=self.name,
            description=self.description,
            input_schema={
                "type": "object",
                "additionalProperties": False,
                "required": list(self.parameters),
                "properties": {
                    name: {"type": "string", "minLength": 1, "maxLength": 4000, "description": meaning}
                    for name, meaning in self.parameters.items()
                },
            },
        )


def say(message: str, *, decision: Decision | None = None, outcome: Outcome | None = None, **facts: Any) -> Answer:
    return Answer(content={"message": message, **facts}, decision=decision, outcome=outcome)


def refuse(error: str, message: str, *, decision: Decision | None = None) -> Answer:
    """An error that the model can act on: ``error`` is its code, ``message`` says what to do instead."""
    return Answer(content={"error": error, "message": message}, failed=True, decision=decision)


def warrant_of(tool: str, decision: Decision) -> Warrant:
    return Warrant(tool=tool, policies=decision.policies, policy_version=decision.version)


def plain_text(text: str) -> str:
    """What a model wrote, fit for a notification: control characters become blanks, so that it cannot forge lines."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
