"""The agent port on Bedrock Agents: InvokeAgent, with every action group returning control to us.

Bedrock Agents (now "Classic") takes no new AWS customers since 2026-07-30: this back end is for accounts that use it
already. The agent's instruction is ``prompts/system.md`` and its action group holds our tools by name and parameter, as
functions or as API paths; both live on AWS, where Terraform puts them.

API reference, "InvokeAgent"; user guide, "Return control to the agent developer". Identity stays here: of the ticket,
its id goes into the session attributes as information for whoever reads the traces, and nothing is read back.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.ticket_agent.agent.hosted import HostedSession, NewId, kept_or_left, session_id
from services.ticket_agent.agent.port import Call, CallResult, Ending, Final, Hosted, Step, ToolCalls
from services.ticket_agent.agent.prompt import as_ticket_block
from shared import tracing
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.event_stream import whole
from shared.errors import PermanentError, TransientError
from shared.model.port import NO_USAGE, Usage

COMPLETION, GUARDRAIL, UNREADABLE = "completion", "guardrail_intervened", "unreadable_return_of_control"
"""InvokeAgent names no stop reason; these stand in the trace for the ways in which an answer can end."""

_MODEL_TRACES = ("preProcessingTrace", "routingClassifierTrace", "orchestrationTrace", "postProcessingTrace")


@dataclass(frozen=True, slots=True)
class ReturnedControl:
    """The invocation that waits for results, with its inputs as they came: the results repeat parts of them."""

    invocation_id: str
    inputs: tuple[Mapping[str, Any], ...] = field(repr=False)


AgentSession: TypeAlias = HostedSession[ReturnedControl]


class BedrockAgent:
    """Speaks through an aiobotocore ``bedrock-agent-runtime`` client opened with ``attempts=1``."""

    def __init__(self, client: Client, *, agent_id: str, agent_alias_id: str, new_id: NewId) -> None:
        self._client = client
        self._agent_id = agent_id
        self._agent_alias_id = agent_alias_id
        self._new_id = new_id

    def begin(self, ticket_text: str, *, ticket_id: str) -> AgentSession:
        return HostedSession(ticket_id, ticket_text, session_id(ticket_id, self._new_id))

    async def next(self, session: AgentSession, results: Sequence[CallResult]) -> Step:
        with tracing.agent_call(self._agent_id) as call:
            step = await self._asked(session, results)
            call.note(tracing.answered(input_tokens=step.usage.input_tokens, output_tokens=step.usage.output_tokens))
        return step

    async def _asked(self, session: AgentSession, results: Sequence[CallResult]) -> Step:
        with kept_or_left(session, self._new_id):
            with aws_errors():
                answer = await self._client.invoke_agent(
                    agentId=self._agent_id,
                    agentAliasId=self._agent_alias_id,
                    sessionId=session.session_id,
                    enableTrace=True,  # The only place where it says how many tokens were used.
                    **_turn(session, results),
                )
            events = await whole(answer["completion"])
            if not any("chunk" in event or "returnControl" in event for event in events):
                raise TransientError("InvokeAgent: the stream ended before an answer")
        step, session.awaits = _read(events, session.session_id)
        return step


def _turn(session: AgentSession, results: Sequence[CallResult]) -> dict[str, Any]:
    if session.awaits is None:
        attributes = {"ticketId": session.ticket_id}
        return {
            "inputText": as_ticket_block(session.ticket_text),
            "sessionState": {"sessionAttributes": attributes},
        }
    by_id = {result.call_id: result for result in results}
    answers = [
        _result(given, by_id[_call_id(session.awaits.invocation_id, position)])
        for position, given in enumerate(session.awaits.inputs)
    ]
    state = {"invocationId": session.awaits.invocation_id, "returnControlInvocationResults": answers}
    return {"sessionState": state}


def _read(events: Sequence[Mapping[str, Any]], on_session: str) -> tuple[Step, ReturnedControl | None]:
    """What the answer means, and what the service waits for after it."""
    controls = [event["returnControl"] for event in events if "returnControl" in event]
    traces = [event["trace"].get("trace", {}) for event in events if "trace" in event]
    usage = sum((_usage(trace) for trace in traces), NO_USAGE)
    said = b"".join(event["chunk"].get("bytes", b"") for event in events if "chunk" in event).decode("utf-8", "replace")
    if not controls:
        stopped = any(trace.get("guardrailTrace", {}).get("action") == "INTERVENED" for trace in traces)
        ending, reason = (Ending.GUARDRAIL, GUARDRAIL) if stopped else (Ending.FINISHED, COMPLETION)
        return Final(ending=ending, stop_reason=reason, text=said, usage=usage, hosted=Hosted(on_session)), None
    invocation_id, inputs = controls[0].get("invocationId"), tuple(controls[0].get("invocationInputs", ()))
    if len(controls) > 1 or not invocation_id or not inputs:
        # Without its id an invocation cannot be answered, and one of two would stay unanswered for ever.
        hosted = Hosted(on_session)
        return Final(ending=Ending.MALFORMED, stop_reason=UNREADABLE, text=said, usage=usage, hosted=hosted), None
    calls = tuple(_call(_call_id(invocation_id, position), given) for position, given in enumerate(inputs))
    thought = "".join(trace.get("orchestrationTrace", {}).get("rationale", {}).get("text", "") for trace in traces)
    step = ToolCalls(calls=calls, text=said or thought, usage=usage, hosted=Hosted(on_session, invocation_id))
    return step, ReturnedControl(invocation_id, inputs)


def _call(call_id: str, given: Mapping[str, Any]) -> Call:
    """A function's name, or an API path without its slash, is the tool's name."""
    asked = given.get("functionInvocationInput") or given.get("apiInvocationInput") or {}
    if asked.get("actionInvocationType", "RESULT") != "RESULT":
        raise PermanentError(
            "the agent's action group asks a user to confirm calls; switch that off, the guard decides what may be done"
        )
    bodies = asked.get("requestBody", {}).get("content", {}).values()
    parameters = [*asked.get("parameters", ()), *(one for body in bodies for one in body.get("properties", ()))]
    tool = asked.get("function") or str(asked.get("apiPath", "")).removeprefix("/")
    return Call(call_id, tool, {str(one.get("name")): one.get("value") for one in parameters})


def _result(given: Mapping[str, Any], result: CallResult) -> dict[str, Any]:
    """The result under the name that its call came by."""
    by_function = given.get("functionInvocationInput")
    asked = by_function or given["apiInvocationInput"]
    answer: dict[str, Any] = {"actionGroup": asked["actionGroup"]}
    if "agentId" in asked:
        answer["agentId"] = asked["agentId"]
    if result.failed:
        answer["responseState"] = "REPROMPT"  # FAILURE would end the whole invocation instead of telling the model.
    body = {"body": json.dumps(dict(result.content))}
    if by_function:
        return {"functionResult": {**answer, "function": asked["function"], "responseBody": {"TEXT": body}}}
    path = {"apiPath": asked["apiPath"], "httpMethod": asked["httpMethod"]}
    status = {"httpStatusCode": 400 if result.failed else 200}
    return {"apiResult": {**answer, **path, **status, "responseBody": {"application/json": body}}}


def _call_id(invocation_id: str, position: int) -> str:
    return f"{invocation_id}:{position}"


def _usage(trace: Mapping[str, Any]) -> Usage:
    parts = (trace.get(name, {}).get("modelInvocationOutput", {}).get("metadata", {}) for name in _MODEL_TRACES)
    counted = [part["usage"] for part in parts if "usage" in part]
    return Usage(
        input_tokens=sum(usage.get("inputTokens", 0) for usage in counted),
        output_tokens=sum(usage.get("outputTokens", 0) for usage in counted),
    )
