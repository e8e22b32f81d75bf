"""InvokeHarness with inline functions: the harness keeps the conversation up to a turn that asks for a function.

The harness of ``defaults`` (in any account and region) is there, and those of the settings. What waits
for a client's function is not kept: the next request brings the model's calls again, together with their results. Two
calls of one reply may come under the same content block index, as has been seen on AWS; their ids tell them apart.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from local.bedrock import catalogue, conversation, converse, event_stream, faults, stand_ins, tokens
from local.bedrock.defaults import HARNESS_ID
from local.bedrock.errors import invalid, not_found
from local.bedrock.sessions import Session
from local.bedrock.settings import Harness
from local.bedrock.stand_ins import Answer
from local.bedrock.work import STAND_IN_HEADER, Call, Output, Stream, Work

# Every session of a harness has these, unless the tools that are allowed leave them out.
BUILT_IN = ("shell", "file_operations")


def work(call: Call, harnesses: Mapping[str, Harness]) -> Work:
    """The work of one invocation. Raises what the operation refuses."""
    given = call.parameters
    harness_id = given["harnessArn"].rpartition("/")[2]
    known = {HARNESS_ID: Harness(), **harnesses}
    if (harness := known.get(harness_id)) is None:
        raise not_found(f"Harness {harness_id} was not found.")
    for limit in ("maxIterations", "maxTokens", "timeoutSeconds"):
        if given.get(limit, 1) < 1:
            raise invalid(f"{limit} must be at least 1.")
    key = (harness_id, given["runtimeSessionId"])
    session = call.sessions.find(key)
    offered = _offered(given)
    request = _request(given, _messages(given["messages"], session), offered)
    invoked = catalogue.resolve(_model_id(given, harness), call.now)
    input_tokens = tokens.of_request(request)
    conversation.require(request, invoked.model, input_tokens)
    most = given.get("maxTokens") or invoked.model.output_tokens

    def answer() -> Output:
        said = converse.bounded(stand_ins.answer(request, call.settings, call.new_id), request, most)
        if call.fault is not None and call.fault.stop_reason is not None:
            said = converse.ended_with(said, call.fault.stop_reason)
        usage = converse.Usage(input_tokens, converse.output_tokens(said))
        if call.fault is not None and call.fault.in_stream:
            refusal = faults.REFUSALS[call.fault.kind]
            name = refusal.code[0].lower() + refusal.code[1:]
            begun = _message_frames(said)
            frames = (*begun[: len(begun) // 2], event_stream.exception(name, refusal.message))
            return Output(usage.output_tokens, said.by, lambda _: Stream(frames, {STAND_IN_HEADER: said.by}))
        after = _after(request["messages"], said, [*(BUILT_IN if _built_in(given) else ()), *offered])
        call.sessions.keep(key, after, idle_seconds=harness.idle_seconds)

        def reply(latency_ms: int) -> Stream:
            return Stream((*_message_frames(said), _metadata(usage, latency_ms)), {STAND_IN_HEADER: said.by})

        return Output(usage.output_tokens, said.by, reply)

    return Work(invoked, input_tokens, most, answer)


def _model_id(given: Mapping[str, Any], harness: Harness) -> str:
    if (model := given.get("model")) is None:
        return harness.model_id
    if "bedrockModelConfig" not in model:
        raise invalid("This endpoint offers models of Bedrock only: use bedrockModelConfig.")
    return str(model["bedrockModelConfig"]["modelId"])


def _offered(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The inline functions that the agent may use in this invocation, as Converse's tools, by name."""
    tools = {}
    for tool in given.get("tools") or ():
        function = (tool.get("config") or {}).get("inlineFunction")
        if tool["type"] != "inline_function" or function is None or "name" not in tool:
            raise invalid("This endpoint offers named inline functions with their configuration, and no other tool.")
        spec = {"name": tool["name"], "description": function["description"]}
        tools[tool["name"]] = {"toolSpec": {**spec, "inputSchema": {"json": function["inputSchema"]}}}
    allowed = given.get("allowedTools")
    return tools if allowed is None or "*" in allowed else {name: tools[name] for name in tools if name in allowed}


def _built_in(given: Mapping[str, Any]) -> bool:
    allowed = given.get("allowedTools")
    return allowed is None or bool({"*", "@builtin", *BUILT_IN} & set(allowed))


def _messages(sent: Sequence[Mapping[str, Any]], session: Session) -> list[dict[str, Any]]:
    """The conversation with what was sent at its end."""
    if not sent:
        raise invalid("The messages must not be empty.")
    if session.asked is not None:
        again = [block["toolUse"] for block in sent[0]["content"] if "toolUse" in block]
        waiting = session.tool_uses
        if [(use["toolUseId"], use["name"], use["input"]) for use in again] != [
            (use["toolUseId"], use["name"], use["input"]) for use in waiting
        ]:
            names = ", ".join(use["name"] for use in waiting)
            raise invalid(f"The session waits for results of {names}: send the toolUse blocks again with the results.")
    return [*session.messages, *({"role": one["role"], "content": list(one["content"])} for one in sent)]


def _request(
    given: Mapping[str, Any], messages: list[dict[str, Any]], offered: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """What the harness asks its model, as Converse takes it."""
    request: dict[str, Any] = {"messages": messages, "system": given.get("systemPrompt") or []}
    if offered:
        request["toolConfig"] = {"tools": list(offered.values())}
    if "maxTokens" in given:
        request["inferenceConfig"] = {"maxTokens": given["maxTokens"]}
    return request


def _after(messages: list[dict[str, Any]], said: Answer, offered: Sequence[str]) -> Session:
    message = {"role": "assistant", "content": list(said.content)}
    if said.stop_reason == "tool_use":
        return Session(messages=messages, asked=message, offered=tuple(offered))
    texts = [block for block in said.content if "text" in block]
    answered = [*messages, {"role": "assistant", "content": texts}] if texts else messages
    return Session(messages=answered, offered=tuple(offered))


def _message_frames(said: Answer) -> tuple[bytes, ...]:
    frames = [event_stream.event("messageStart", {"role": "assistant"})]
    for position, block in enumerate(said.content):
        index = {"contentBlockIndex": max(0, position - 1)}
        if (use := block.get("toolUse")) is not None:
            start = {"toolUseId": use["toolUseId"], "name": use["name"], "type": "tool_use"}
            frames.append(event_stream.event("contentBlockStart", {**index, "start": {"toolUse": start}}))
            text = json.dumps(use["input"])
            deltas = [{"toolUse": {"input": part}} for part in (text[: len(text) // 2], text[len(text) // 2 :])]
        else:
            deltas = [{"text": block["text"]}]
        frames += [event_stream.event("contentBlockDelta", {**index, "delta": delta}) for delta in deltas]
        frames.append(event_stream.event("contentBlockStop", index))
    return (*frames, event_stream.event("messageStop", {"stopReason": said.stop_reason}))


def _metadata(usage: converse.Usage, latency_ms: int) -> bytes:
    counted = {"inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens}
    counted["totalTokens"] = usage.input_tokens + usage.output_tokens
    return event_stream.event("metadata", {"usage": counted, "metrics": {"latencyMs": latency_ms}})
