"""Writes down what one run does, as it does it, and adds up what it costs.

A turn is written before its calls are carried out and each call after: what a crash cuts off is then visible as a turn
without its calls, never as calls that came from nowhere.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.ticket_agent.agent.port import Call, Final, Hosted, Step, ToolCalls
from services.ticket_agent.domain.ticket import Ticket
from services.ticket_agent.policy.guard import Decision
from services.ticket_agent.store.port import Figures, Ledger
from services.ticket_agent.tools.port import Answer
from shared.clock import Now

TURN_ENTRY = "turn#{attempt:04d}#{turn:04d}"
CALL_ENTRY = "call#{attempt:04d}#{turn:04d}#{call:02d}"

# An item ends at 400 KB; one argument or passage that fills it would end the run instead of being recorded. What is
# longer is cut and its digest kept: docs/decisions/the-ledger-is-a-chain-of-digests.md
LONGEST_TEXT = 32_000


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
            "turn": self.turn,
            "text": _shortened(step.text),
            "modelMs": model_ms,
            "inputTokens": step.usage.input_tokens,
            "outputTokens": step.usage.output_tokens,
            **_step_facts(step),
            **_hosted_facts(step.hosted),
        }
        await self._append(entry, facts)

    def count_call(self) -> None:
        """One tool call begins; counted first, so that the call that ends a ticket is in its figures."""
        self._calls_in_turn += 1
        self._figures = replace(self._figures, tool_calls=self._figures.tool_calls + 1)

    async def record_call(self, call: Call, answer: Answer, *, seconds: float) -> None:
        """One tool call and what came of it."""
        entry = CALL_ENTRY.format(attempt=self.ticket.attempt, turn=self.turn, call=self._calls_in_turn)
        facts = {
            "turn": self.turn,
            "tool": call.tool,
            "arguments": _json(call.arguments),
            "result": _json(answer.content),
            "failed": answer.failed,
            "ms": round(seconds * 1000),
            **({"decision": _decision_facts(answer.decision)} if answer.decision else {}),
        }
        await self._append(entry, facts)

    async def _append(self, entry: str, facts: Mapping[str, Any]) -> None:
        await self.ledger.append(self.ticket.key.ticket_id, entry, facts, attempt=self.ticket.attempt, at=self.now())

    def _milliseconds_since(self, moment: float) -> int:
        return round((self.monotonic() - moment) * 1000)


def _step_facts(step: Step) -> dict[str, Any]:
    match step:
        case ToolCalls():
            return {"tools": [call.tool for call in step.calls]}
        case Final():
            return {"stopReason": step.stop_reason}


def _hosted_facts(hosted: Hosted | None) -> dict[str, Any]:
    if hosted is None:
        return {}
    invocation = {} if hosted.invocation_id is None else {"invocationId": hosted.invocation_id}
    return {"sessionId": hosted.session_id, **invocation}


def _decision_facts(decision: Decision) -> dict[str, Any]:
    return {
        "allowed": decision.allowed,
        "policies": list(decision.policies),
        "errors": list(decision.errors),
        "policyVersion": decision.version,
    }


def _json(value: Mapping[str, Any]) -> str:
    """As JSON text, escaped to ASCII: a model may send numbers, depths and halves of characters that an item refuses,
    and a ticket must not fail over its own record."""
    return _shortened(json.dumps(value, default=str))


def _shortened(text: str) -> str:
    whole = text.encode("utf-8", "replace").decode("utf-8")
    if len(whole) <= LONGEST_TEXT:
        return whole
    digest = hashlib.sha256(whole.encode()).hexdigest()
    return f"{whole[:LONGEST_TEXT]}... (cut: {len(whole)} characters, sha256 {digest})"
