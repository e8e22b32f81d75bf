"""Writes down what one run does, as it does it, and adds up what it costs.

A turn is written before its calls are carried out and each call after: what a crash cuts off is then visible as a turn
without its calls, never as calls that came from nowhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal as Number
from typing import Any

from services.ticket_agent.agent.port import Call, Final, Step, ToolCalls
from services.ticket_agent.domain.ticket import Ticket
from services.ticket_agent.policy.guard import Decision
from services.ticket_agent.store.port import Figures, Ledger
from services.ticket_agent.tools.port import Answer
from shared.clock import Now

TURN_ENTRY = "turn#{attempt:04d}#{turn:04d}"
CALL_ENTRY = "call#{attempt:04d}#{turn:04d}#{call:02d}"

# An item ends at 400 KB; one argument or passage that fills it would end the run instead of being recorded.
LONGEST_TEXT = 4_000


@dataclass(slots=True)
class Trace:
    """``monotonic`` is a clock in seconds that measures; ``now`` is the time of day."""

    ledger: Ledger
    ticket: Ticket
    now: Now
    monotonic: Callable[[], float]
    started: float
    turn: int = 0
    _figures: Figures = field(default_factory=Figures)
    _calls_in_turn: int = 0

    def figures(self) -> Figures:
        return replace(self._figures, run_ms=self._milliseconds_since(self.started))

    async def record_step(self, step: Step, *, model_seconds: float) -> None:
        """One reply of the agent."""
        self.turn += 1
        self._calls_in_turn = 0
        model_ms = round(model_seconds * 1000)
        self._figures = replace(
            self._figures,
            model_calls=self._figures.model_calls + 1,
            model_ms=self._figures.model_ms + model_ms,
            input_tokens=self._figures.input_tokens + step.usage.input_tokens,
            output_tokens=self._figures.output_tokens + step.usage.output_tokens,
        )
        entry = TURN_ENTRY.format(attempt=self.ticket.attempt, turn=self.turn)
        facts = {
            "attempt": self.ticket.attempt,
            "turn": self.turn,
            "text": _shortened(step.text),
            "modelMs": model_ms,
            "inputTokens": step.usage.input_tokens,
            "outputTokens": step.usage.output_tokens,
            **_step_facts(step),
        }
        await self.ledger.append(self.ticket.key.ticket_id, entry, facts, at=self.now())

    def count_call(self) -> None:
        """One tool call begins; counted first, so that the call that ends a ticket is in its figures."""
        self._calls_in_turn += 1
        self._figures = replace(self._figures, tool_calls=self._figures.tool_calls + 1)

    async def record_call(self, call: Call, answer: Answer, *, seconds: float) -> None:
        """One tool call and what came of it."""
        entry = CALL_ENTRY.format(attempt=self.ticket.attempt, turn=self.turn, call=self._calls_in_turn)
        facts = {
            "attempt": self.ticket.attempt,
            "turn": self.turn,
            "tool": call.tool,
            "arguments": _storable(call.arguments),
            "result": _storable(answer.content),
            "failed": answer.failed,
            "ms": round(seconds * 1000),
            **({"decision": _decision_facts(answer.decision)} if answer.decision else {}),
        }
        await self.ledger.append(self.ticket.key.ticket_id, entry, facts, at=self.now())

    def _milliseconds_since(self, moment: float) -> int:
        return round((self.monotonic() - moment) * 1000)


def _step_facts(step: Step) -> dict[str, Any]:
    match step:
        case ToolCalls():
            return {"tools": [call.tool for call in step.calls]}
        case Final():
            return {"stopReason": step.stop_reason}


def _decision_facts(decision: Decision) -> dict[str, Any]:
    return {
        "allowed": decision.allowed,
        "policies": list(decision.policies),
        "errors": list(decision.errors),
        "policyVersion": decision.version,
    }


def _storable(value: Any) -> Any:
    """JSON as DynamoDB takes it: no floats, no endless texts."""
    match value:
        case str():
            return _shortened(value)
        case float():
            return Number(str(value))
        case Mapping():
            return {str(name): _storable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_storable(inner) for inner in value]
        case _:
            return value


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}... ({len(text)} characters)"
