"""InvokeAgent with return of control: the agent keeps the conversation, its client carries out the calls.

The agent of ``defaults`` is there under any alias, and those of the settings. Its action group holds the ticket
tools; at most five calls come at once, and a session waits for a result to each of them under the same invocation id.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.bedrock import catalogue, conversation, converse, event_stream, faults, stand_ins, tokens
from local.bedrock.defaults import AGENT_ID
from local.bedrock.errors import invalid, not_found
from local.bedrock.sessions import Session
from local.bedrock.settings import Agent
from local.bedrock.stand_ins import Answer
from local.bedrock.work import STAND_IN_HEADER, Call, Output, Stream, Work

MOST_CALLS_AT_ONCE = 5
MOST_TOKENS = 2_048
CONTENT_TYPE_HEADER, SESSION_HEADER = "x-amzn-bedrock-agent-content-type", "x-amz-bedrock-agent-session-id"

# What the action group of a ticket agent holds: parameters by function, all of them texts.
FUNCTIONS: Mapping[str, tuple[str, ...]] = {
    "checkEmployeeAccess": ("environmentId",),
    "searchKnowledgeBase": ("query",),
    "getEmployeeManager": (),
    "getEnvironmentOwner": ("environmentId",),
    "giveAccess": ("environmentId",),
    "autoResolveTicket": ("description",),
    "assignTicketToEnvironmentOwner": ("owner", "instructions"),
    "assignTicketToResolverGroup": ("group", "instructions"),
}


@dataclass(frozen=True, slots=True)
class _Turn:
    """One invocation of an agent, valid."""

    agent: Agent
    parameters: Mapping[str, Any]
    session: Session
    messages: list[dict[str, Any]]
    now: datetime

    @property
    def request(self) -> dict[str, Any]:
        """What the agent asks its model, as Converse takes it."""
        return {"messages": self.messages, "toolConfig": {"tools": [_tool(name) for name in FUNCTIONS]}}


def work(call: Call, agents: Mapping[str, Agent]) -> Work:
    """The work of one invocation. Raises what the operation refuses."""
    given = call.parameters
    known = {AGENT_ID: Agent(), **agents}
    if (agent := known.get(given["agentId"])) is None:
        raise not_found(f"Agent {given['agentId']} was not found.")
    key = (given["agentId"], given["sessionId"])
    session = call.sessions.find(key)
    turn = _Turn(agent, given, session, _messages(given, session, agent), call.now)
    invoked = catalogue.resolve(agent.model_id, call.now)
    input_tokens = tokens.of_request(turn.request)
    conversation.require(turn.request, invoked.model, input_tokens)

    def answer() -> Output:
        said = _at_most_five(stand_ins.answer(turn.request, call.settings, call.new_id))
        if call.fault is not None and call.fault.stop_reason is not None:
            said = converse.ended_with(said, call.fault.stop_reason)
        output_tokens = converse.output_tokens(said)
        invocation_id = call.new_id()
        frames = _frames(turn, said, invocation_id, converse.Usage(input_tokens, output_tokens))
        if (failed := _failure(call, given)) is not None:
            frames = (*frames[: len(frames) // 2], failed)
        elif given.get("endSession"):
            call.sessions.end(key)
        else:
            call.sessions.keep(key, _after(turn, said, invocation_id), idle_seconds=agent.idle_seconds)
        headers = {
            STAND_IN_HEADER: said.by,
            CONTENT_TYPE_HEADER: "application/json",
            SESSION_HEADER: given["sessionId"],
        }
        return Output(output_tokens, said.by, lambda _: Stream(frames, headers))

    return Work(invoked, input_tokens, MOST_TOKENS, answer)


def _messages(given: Mapping[str, Any], session: Session, agent: Agent) -> list[dict[str, Any]]:
    """The conversation with this turn of the client at its end."""
    state = given.get("sessionState") or {}
    if (results := state.get("returnControlInvocationResults")) is not None:
        answers = _answers(results, state.get("invocationId"), session, agent)
        return [*session.messages, dict(session.asked or {}), {"role": "user", "content": answers}]
    text = given.get("inputText", "")
    if not text.strip():
        raise invalid("The inputText must not be empty unless results of a return of control are given.")
    # A text in place of results: the calls that waited are given up, and two turns of the user become one.
    block = {"text": text}
    if session.messages and session.messages[-1]["role"] == "user":
        last = session.messages[-1]
        return [*session.messages[:-1], {"role": "user", "content": [*last["content"], block]}]
    return [*session.messages, {"role": "user", "content": [block]}]


def _answers(
    results: Sequence[Mapping[str, Any]], invocation_id: str | None, session: Session, agent: Agent
) -> list[dict[str, Any]]:
    """The results as the model reads them, one for each call that waits and for no other."""
    if session.asked is None or invocation_id != session.invocation_id:
        raise invalid("The invocationId is not that of an invocation that waits for results in this session.")
    waiting = session.tool_uses
    answers = []
    for result in results:
        name, content, state = _result(result, agent)
        use = next((use for use in waiting if use["name"] == name), None)
        if use is None:
            raise invalid(f"No call of {name} waits for a result in this session.")
        waiting.remove(use)
        status = "error" if state == "REPROMPT" else "success"
        answers.append(
            {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": content}], "status": status}}
        )
    if waiting:
        raise invalid(f"Results are missing for: {', '.join(use['name'] for use in waiting)}")
    return answers


def _result(result: Mapping[str, Any], agent: Agent) -> tuple[str, str, str | None]:
    """Name, body and response state of one result."""
    by_function = agent.calls_by == "functions"
    given = result.get("functionResult" if by_function else "apiResult")
    if given is None or given["actionGroup"] != agent.action_group:
        raise invalid(f"The results must be of the action group {agent.action_group}, by {agent.calls_by}.")
    name = given.get("function", "") if by_function else given.get("apiPath", "").removeprefix("/")
    body = (given.get("responseBody") or {}).get("TEXT" if by_function else "application/json")
    if body is None or "body" not in body:
        raise invalid(f"The result of {name} has no body of the content type that is supported.")
    return name, body["body"] or " ", given.get("responseState")


def _at_most_five(said: Answer) -> Answer:
    uses = [block for block in said.content if "toolUse" in block][:MOST_CALLS_AT_ONCE]
    texts = tuple(block for block in said.content if "toolUse" not in block)
    return Answer(said.by, (*texts, *uses), said.stop_reason)


def _failure(call: Call, given: Mapping[str, Any]) -> bytes | None:
    """The exception that this turn ends with, if any."""
    if call.fault is not None and call.fault.in_stream:
        refusal = faults.REFUSALS[call.fault.kind]
        return event_stream.exception(refusal.code[0].lower() + refusal.code[1:], refusal.message)
    state = given.get("sessionState") or {}
    members = (member for result in state.get("returnControlInvocationResults") or () for member in result.values())
    if any(member.get("responseState") == "FAILURE" for member in members):
        return event_stream.exception("dependencyFailedException", "A result of the client says that its call failed.")
    return None


def _after(turn: _Turn, said: Answer, invocation_id: str) -> Session:
    """The session as this turn leaves it."""
    state = turn.parameters.get("sessionState") or {}
    message = {"role": "assistant", "content": list(said.content)}
    asks = any("toolUse" in block for block in said.content)
    return Session(
        messages=turn.messages if asks or not said.content else [*turn.messages, message],
        asked=message if asks else None,
        invocation_id=invocation_id if asks else None,
        attributes={**turn.session.attributes, **state.get("sessionAttributes", {})},
        prompt_attributes=dict(state.get("promptSessionAttributes", {})),
        offered=tuple(FUNCTIONS),
    )


def _frames(turn: _Turn, said: Answer, invocation_id: str, usage: converse.Usage) -> tuple[bytes, ...]:
    text = "".join(block.get("text", "") for block in said.content)
    uses = [block["toolUse"] for block in said.content if "toolUse" in block]
    frames = [_trace(turn, trace) for trace in _traces(text, said, usage)] if turn.parameters.get("enableTrace") else []
    if uses:
        inputs = [_invocation_input(use, turn.agent) for use in uses]
        control = {"invocationId": invocation_id, "invocationInputs": inputs}
        return (*frames, event_stream.event("returnControl", control))
    half = len(text) // 2
    parts = [part for part in (text[:half], text[half:]) if part] or [""]
    return (
        *frames,
        *(event_stream.event("chunk", {"bytes": base64.b64encode(part.encode()).decode()}) for part in parts),
    )


def _traces(text: str, said: Answer, usage: converse.Usage) -> list[dict[str, Any]]:
    counted = {"usage": {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens}}
    traces: list[dict[str, Any]] = [{"orchestrationTrace": {"modelInvocationOutput": {"metadata": counted}}}]
    if text:
        traces.append({"orchestrationTrace": {"rationale": {"text": text}}})
    if said.stop_reason == "guardrail_intervened":
        traces.append({"guardrailTrace": {"action": "INTERVENED"}})
    return traces


def _trace(turn: _Turn, trace: Mapping[str, Any]) -> bytes:
    given = turn.parameters
    part = {
        "agentId": given["agentId"],
        "agentAliasId": given["agentAliasId"],
        "agentVersion": "1",
        "sessionId": given["sessionId"],
        "eventTime": turn.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "trace": trace,
    }
    return event_stream.event("trace", part)


def _invocation_input(use: Mapping[str, Any], agent: Agent) -> dict[str, Any]:
    parameters = [
        {"name": name, "type": "string", "value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in use["input"].items()
    ]
    kind = "USER_CONFIRMATION" if agent.asks_to_confirm else "RESULT"
    common = {"actionGroup": agent.action_group, "actionInvocationType": kind}
    if agent.calls_by == "functions":
        return {"functionInvocationInput": {**common, "function": use["name"], "parameters": parameters}}
    content = {"application/json": {"properties": parameters}}
    path = {"apiPath": f"/{use['name']}", "httpMethod": "POST"}
    return {"apiInvocationInput": {**common, **path, "parameters": [], "requestBody": {"content": content}}}


def _tool(name: str) -> dict[str, Any]:
    parameters = FUNCTIONS[name]
    schema = {
        "type": "object",
        "required": list(parameters),
        "properties": {parameter: {"type": "string"} for parameter in parameters},
    }
    return {"toolSpec": {"name": name, "inputSchema": {"json": schema}}}
