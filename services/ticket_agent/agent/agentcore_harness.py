"""The agent port on an AgentCore harness: InvokeHarness, with our tools as inline functions.

Each request carries everything that decides what the agent may do, so that no setting of the harness can widen it: the
rules, our tools, ``allowedTools`` with their names alone (a harness has a shell of its own otherwise), the model and
the limits. The harness does not keep a turn that asks for a function: the calls go back to it with their results.

AgentCore API reference, "InvokeHarness"; developer guide, "Connect to tools".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.ticket_agent.agent.budget import Budget
from services.ticket_agent.agent.hosted import HostedSession, NewId, kept_or_left, session_id
from services.ticket_agent.agent.port import Call, CallResult, Ending, Final, Hosted, Step, ToolCalls
from services.ticket_agent.agent.prompt import MAX_TOKENS_PER_TURN, as_ticket_block, system_prompt
from shared import tracing
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.event_stream import whole
from shared.errors import PermanentError, TransientError
from shared.model.port import NO_USAGE, ToolSpec, Usage

ENDINGS = {
    "end_turn": Ending.FINISHED,
    "stop_sequence": Ending.FINISHED,
    "tool_use": Ending.MALFORMED,  # It said so and asked for no tool, or for one in words that cannot be read.
    "tool_result": Ending.MALFORMED,  # Only tools that run on the server end so, and none is allowed.
    "max_tokens": Ending.TRUNCATED,
    "max_output_tokens_exceeded": Ending.TRUNCATED,
    "content_filtered": Ending.FILTERED,
    "malformed_tool_use": Ending.MALFORMED,
    "malformed_model_output": Ending.MALFORMED,
    "model_context_window_exceeded": Ending.CONTEXT_EXCEEDED,
    "max_iterations_exceeded": Ending.LIMITED,
    "timeout_exceeded": Ending.LIMITED,
    "interrupted": Ending.INTERRUPTED,
    "partial_turn": Ending.INTERRUPTED,
    "hook_stopped": Ending.INTERRUPTED,
}

ToolUses: TypeAlias = tuple[Mapping[str, Any], ...]
"""The calls that wait for results, as blocks to send again."""

HarnessSession: TypeAlias = HostedSession[ToolUses]


class AgentCoreHarness:
    """Speaks through an aiobotocore ``bedrock-agentcore`` client opened with ``attempts=1``.

    ``turn_seconds`` is the most one turn of the model may take.
    """

    def __init__(
        self,
        client: Client,
        *,
        harness_arn: str,
        model_id: str,
        tools: Sequence[ToolSpec],
        budget: Budget,
        turn_seconds: float,
        new_id: NewId,
    ) -> None:
        self._client = client
        self._new_id = new_id
        self._harness_arn, self._model_id = harness_arn, model_id
        self._same_each_time = {
            "harnessArn": harness_arn,
            "model": {"bedrockModelConfig": {"modelId": model_id, "temperature": 0.0}},
            "systemPrompt": [{"text": system_prompt()}],
            "tools": [_as_inline_function(tool) for tool in tools],
            "allowedTools": [tool.name for tool in tools],
            "maxIterations": budget.turns,
            "maxTokens": MAX_TOKENS_PER_TURN,
            "timeoutSeconds": max(1, int(turn_seconds)),
        }

    def begin(self, ticket_text: str, *, ticket_id: str) -> HarnessSession:
        return HostedSession(ticket_id, ticket_text, session_id(ticket_id, self._new_id))

    async def next(self, session: HarnessSession, results: Sequence[CallResult]) -> Step:
        with tracing.agent_call(self._harness_arn, model=self._model_id) as call:
            step = await self._asked(session, results)
            call.note(tracing.answered(input_tokens=step.usage.input_tokens, output_tokens=step.usage.output_tokens))
        return step

    async def _asked(self, session: HarnessSession, results: Sequence[CallResult]) -> Step:
        with kept_or_left(session, self._new_id):
            with aws_errors():
                answer = await self._client.invoke_harness(
                    runtimeSessionId=session.session_id,
                    messages=_messages(session, results),
                    **self._same_each_time,
                )
            message = _Message.of(await whole(answer["stream"]))
        step = message.as_step(session.session_id)
        session.awaits = message.tool_uses if isinstance(step, ToolCalls) else None
        return step


def _as_inline_function(tool: ToolSpec) -> dict[str, Any]:
    function = {"description": tool.description, "inputSchema": dict(tool.input_schema)}
    return {"type": "inline_function", "name": tool.name, "config": {"inlineFunction": function}}


def _messages(session: HarnessSession, results: Sequence[CallResult]) -> list[dict[str, Any]]:
    if session.awaits is None:
        return [{"role": "user", "content": [{"text": as_ticket_block(session.ticket_text)}]}]
    answers = [
        {
            "toolUseId": result.call_id,
            "content": [{"json": dict(result.content)}],
            "status": "error" if result.failed else "success",
        }
        for result in results
    ]
    return [
        {"role": "assistant", "content": [{"toolUse": use} for use in session.awaits]},
        {"role": "user", "content": [{"toolResult": answer} for answer in answers]},
    ]


@dataclass(slots=True)
class _Use:
    """One call as it arrives; ``parts`` are the pieces of its input's JSON."""

    name: str
    kind: str
    parts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Message:
    """The harness's answer, put together from its events.

    Calls are told apart by their ids: two of one message have been seen under the same content block index.
    """

    text: str = ""
    uses: dict[str, _Use] = field(default_factory=dict)
    stop_reason: str | None = None
    usage: Usage = NO_USAGE

    @classmethod
    def of(cls, events: Sequence[Mapping[str, Any]]) -> "_Message":
        """Raises TransientError if the answer is not there to its end, or not in one piece."""
        message = cls()
        open_use: dict[int, str] = {}
        try:
            for event in events:
                message._add(event, open_use)
        except KeyError as error:
            raise TransientError(f"InvokeHarness: unreadable stream: no {error}") from error
        if message.stop_reason is None:
            raise TransientError("InvokeHarness: the stream ended before the message did")
        return message

    def _add(self, event: Mapping[str, Any], open_use: dict[int, str]) -> None:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": start}}}:
                open_use[index] = start["toolUseId"]
                self.uses.setdefault(start["toolUseId"], _Use(start["name"], start.get("type", "tool_use")))
            case {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": part}}}}:
                self.uses[open_use[index]].parts.append(part)
            case {"contentBlockDelta": {"delta": {"text": text}}}:
                self.text += text
            case {"messageStop": {"stopReason": reason}}:
                self.stop_reason = reason
            case {"metadata": {"usage": usage}}:
                self.usage = Usage(
                    input_tokens=usage["inputTokens"],
                    output_tokens=usage["outputTokens"],
                    cache_read_tokens=usage.get("cacheReadInputTokens", 0),
                    cache_write_tokens=usage.get("cacheWriteInputTokens", 0),
                )
            case _:
                pass  # Reasoning, results of tools on the server, hooks: nothing that is acted on here.

    @property
    def tool_uses(self) -> ToolUses:
        """Raises ValueError if the input of one is not JSON."""
        return tuple(
            {"toolUseId": use_id, "name": use.name, "input": json.loads("".join(use.parts) or "{}"), "type": use.kind}
            for use_id, use in self.uses.items()
        )

    def as_step(self, on_session: str) -> Step:
        """Raises PermanentError if the harness ran tools that are not ours."""
        foreign = sorted({use.name for use in self.uses.values() if use.kind != "tool_use"})
        if foreign:
            raise PermanentError(f"the harness called tools of its own although only ours are allowed: {foreign}")
        try:
            uses = self.tool_uses
        except ValueError:
            uses = ()
        readable = bool(uses) and all(isinstance(use["input"], dict) for use in uses)
        # Calls of a message that ended for any other reason may be incomplete.
        if self.stop_reason == "tool_use" and readable:
            calls = tuple(Call(use["toolUseId"], use["name"], use["input"]) for use in uses)
            return ToolCalls(calls=calls, text=self.text, usage=self.usage, hosted=Hosted(on_session))
        reason = self.stop_reason or ""
        return Final(
            ending=ENDINGS.get(reason, Ending.UNKNOWN),
            stop_reason=reason,
            text=self.text,
            usage=self.usage,
            hosted=Hosted(on_session),
        )
