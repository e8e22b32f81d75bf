"""The agent port on the model port: our own tool loop over any model with tool use."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.ticket_agent.agent.port import Call, CallResult, Ending, Final, Step, ToolCalls
from services.ticket_agent.agent.prompt import MAX_TOKENS_PER_TURN, as_ticket_block, system_prompt
from shared.model.port import Model, Reply, Request, Text, ToolResult, ToolSpec, Turn

ENDINGS = {
    "end_turn": Ending.FINISHED,
    "stop_sequence": Ending.FINISHED,
    "tool_use": Ending.MALFORMED,  # It said so and asked for no tool.
    "max_tokens": Ending.TRUNCATED,
    "content_filtered": Ending.FILTERED,
    "guardrail_intervened": Ending.GUARDRAIL,
    "malformed_tool_use": Ending.MALFORMED,
    "malformed_model_output": Ending.MALFORMED,
    "model_context_window_exceeded": Ending.CONTEXT_EXCEEDED,
}
# Calls in a reply that was cut, filtered or garbled may be incomplete: only these reasons let them be carried out.
_CALLS_ARE_WHOLE = frozenset({"tool_use", "end_turn", "stop_sequence"})


@dataclass(slots=True)
class Conversation:
    """What was said so far; grows only by steps that succeeded."""

    ticket_id: str
    turns: tuple[Turn, ...] = field(repr=False)
    begun: bool = False


class ConverseAgent:
    """``tools`` are what the model is offered; calling them is the loop's part."""

    def __init__(self, model: Model, *, model_id: str, tools: Sequence[ToolSpec]) -> None:
        self._model = model
        self._model_id = model_id
        self._tools = tuple(tools)
        self._system = system_prompt()

    def begin(self, ticket_text: str, *, ticket_id: str) -> Conversation:
        return Conversation(ticket_id=ticket_id, turns=(Turn("user", (Text(as_ticket_block(ticket_text)),)),))

    async def next(self, session: Conversation, results: Sequence[CallResult]) -> Step:
        turns = session.turns
        if session.begun:
            answers = tuple(ToolResult(result.call_id, result.content, result.failed) for result in results)
            turns = (*turns, Turn("user", answers))
        reply = await self._model.converse(
            Request(
                model_id=self._model_id,
                system=self._system,
                turns=turns,
                tools=self._tools,
                max_tokens=MAX_TOKENS_PER_TURN,
                metadata={"ticketId": session.ticket_id},
            )
        )
        session.turns = (*turns, Turn("assistant", reply.blocks)) if reply.blocks else turns
        session.begun = True
        return as_step(reply)


def as_step(reply: Reply) -> Step:
    """What a reply means, by its stop reason."""
    if reply.tool_uses and reply.stop_reason in _CALLS_ARE_WHOLE:
        calls = tuple(Call(use.call_id, use.name, use.arguments) for use in reply.tool_uses)
        return ToolCalls(calls=calls, text=reply.text, usage=reply.usage)
    ending = ENDINGS.get(reply.stop_reason, Ending.UNKNOWN)
    return Final(ending=ending, stop_reason=reply.stop_reason, text=reply.text, usage=reply.usage)
