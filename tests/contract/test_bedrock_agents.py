"""InvokeAgent and InvokeHarness of the local Bedrock endpoint, asked by the SDK over HTTP."""

import base64
import json
import struct
import urllib.request
from collections.abc import AsyncIterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError

from local.bedrock import agents, defaults, event_stream, faults, validate, wire
from local.bedrock.settings import IN_STREAM
from local.bedrock.stand_ins import PLANNER
from local.bedrock_endpoint import BedrockEndpoint, ControlFailed
from services.ticket_agent.tools.registry import TOOLS
from tests.support.bedrock_clients import NOVA, opened
from tests.support.tickets import a_text

TICKET = f"<ticket>\n{a_text()}\n</ticket>"
ALIAS = defaults.AGENT_ALIAS_ID
SESSION = "session-of-thirty-three-characters"
HARNESS_STOPS = ("interrupted", "partial_turn", "timeout_exceeded", "content_filtered", "max_output_tokens_exceeded")


@pytest.fixture
async def agent_runtime(bedrock: BedrockEndpoint) -> AsyncIterator[Any]:
    async with opened(bedrock, "bedrock-agent-runtime") as client:
        yield client


@pytest.fixture
async def agentcore(bedrock: BedrockEndpoint) -> AsyncIterator[Any]:
    async with opened(bedrock, "bedrock-agentcore") as client:
        yield client


async def asked(client: Any, **given: Any) -> list[dict[str, Any]]:
    """All events of an agent's answer."""
    parameters = {"agentId": defaults.AGENT_ID, "agentAliasId": ALIAS, "sessionId": SESSION, **given}
    answer = await client.invoke_agent(**parameters)
    assert answer["sessionId"] == parameters["sessionId"]
    return [event async for event in answer["completion"]]


async def control_returned(client: Any, **given: Any) -> dict[str, Any]:
    return dict((await asked(client, **{"inputText": TICKET, **given}))[-1]["returnControl"])


def results(control: dict[str, Any], *bodies: dict[str, Any], **other: Any) -> dict[str, Any]:
    """The session state that answers a return of control, each input with its body."""
    answers = []
    for given, body in zip(control["invocationInputs"], bodies, strict=True):
        asked_for = given["functionInvocationInput"]
        same = {name: asked_for[name] for name in ("actionGroup", "function")}
        answers.append({"functionResult": {**same, "responseBody": {"TEXT": {"body": json.dumps(body)}}, **other}})
    return {"invocationId": control["invocationId"], "returnControlInvocationResults": answers}


async def refusal(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        await call
    return str(caught.value.response["Error"]["Code"])


# Agents


async def test_an_agent_returns_control_and_goes_on_with_the_result(
    bedrock: BedrockEndpoint, agent_runtime: Any
) -> None:
    control = await control_returned(agent_runtime)
    (given,) = control["invocationInputs"]
    assert given["functionInvocationInput"] == {
        "actionGroup": "ticket-tools",
        "actionInvocationType": "RESULT",
        "function": "checkEmployeeAccess",
        "parameters": [{"name": "environmentId", "type": "string", "value": "1"}],
    }
    (event,) = await asked(agent_runtime, sessionState=results(control, {"sufficient": True}))
    assert event["returnControl"]["invocationInputs"][0]["functionInvocationInput"]["function"] == "autoResolveTicket"
    events = await asked(agent_runtime, sessionState=results(event["returnControl"], {"message": "Done."}))
    assert b"".join(event["chunk"]["bytes"] for event in events) == b"The ticket is resolved."
    (kept,) = bedrock.control("sessions")
    assert [message["role"] for message in kept["messages"]] == ["user", "assistant"] * 3


async def test_the_trace_tells_the_tokens_and_comes_only_if_asked_for(agent_runtime: Any) -> None:
    first, _ = await asked(agent_runtime, inputText=TICKET, enableTrace=True)
    usage = first["trace"]["trace"]["orchestrationTrace"]["modelInvocationOutput"]["metadata"]["usage"]
    assert usage["inputTokens"] > 100 > usage["outputTokens"] > 0
    (only,) = await asked(agent_runtime, inputText=TICKET, sessionId="another")
    assert only.keys() == {"returnControl"}


async def test_session_attributes_stay_and_those_of_the_prompt_do_not(
    bedrock: BedrockEndpoint, agent_runtime: Any
) -> None:
    state = {"sessionAttributes": {"a": "1"}, "promptSessionAttributes": {"p": "1"}}
    control = await control_returned(agent_runtime, sessionState=state)
    (kept,) = bedrock.control("sessions")
    assert (kept["attributes"], kept["prompt_attributes"]) == ({"a": "1"}, {"p": "1"})
    more = {**results(control, {"sufficient": False}), "sessionAttributes": {"b": "2"}}
    await asked(agent_runtime, sessionState=more)
    (kept,) = bedrock.control("sessions")
    assert (kept["attributes"], kept["prompt_attributes"]) == ({"a": "1", "b": "2"}, {})


async def test_results_are_taken_once_under_their_invocation_and_for_all_calls_that_wait(
    bedrock: BedrockEndpoint, agent_runtime: Any
) -> None:
    bedrock.control(f"models/{defaults.AGENT_ID}", {"planner": "parallel_calls"})
    control = await control_returned(agent_runtime)
    facts: list[dict[str, Any]] = [{"sufficient": False}, {"manager": "@sam"}, {"owner": "@sam"}]
    right = results(control, *facts)
    given = right["returnControlInvocationResults"]
    other_group = json.loads(json.dumps(right).replace("ticket-tools", "other-tools"))
    other_function = json.loads(json.dumps(right).replace("getEmployeeManager", "giveAccess"))
    for wrong in (
        {**right, "invocationId": "another"},
        {**right, "returnControlInvocationResults": given[:2]},
        {**right, "returnControlInvocationResults": [*given[:2], given[1]]},
        {**right, "returnControlInvocationResults": [*given, given[0]]},
        other_group,
        other_function,
    ):
        assert await refusal(asked(agent_runtime, sessionState=wrong)) == "ValidationException"
    await asked(agent_runtime, sessionState=right)
    assert await refusal(asked(agent_runtime, sessionState=right)) == "ValidationException"


async def test_a_result_that_failed_for_good_fails_the_invocation(agent_runtime: Any) -> None:
    control = await control_returned(agent_runtime)
    with pytest.raises(EventStreamError, match="dependencyFailedException"):
        await asked(agent_runtime, sessionState=results(control, {}, responseState="FAILURE"))
    reprompted = await asked(agent_runtime, sessionState=results(control, {}, responseState="REPROMPT"))
    assert "returnControl" in reprompted[-1]


async def test_a_text_in_place_of_results_gives_up_what_waited(bedrock: BedrockEndpoint, agent_runtime: Any) -> None:
    control = await control_returned(agent_runtime)
    await control_returned(agent_runtime, inputText="And please hurry.")
    (kept,) = bedrock.control("sessions")
    assert [len(message["content"]) for message in kept["messages"]] == [2]
    assert await refusal(asked(agent_runtime, sessionState=results(control, {}))) == "ValidationException"


async def test_a_session_that_was_ended_is_forgotten(bedrock: BedrockEndpoint, agent_runtime: Any) -> None:
    await control_returned(agent_runtime)
    await asked(agent_runtime, inputText="That was all.", endSession=True)
    assert bedrock.control("sessions") == []


async def test_a_session_idles_out(bedrock: BedrockEndpoint, agent_runtime: Any) -> None:
    bedrock.control(f"agents/{defaults.AGENT_ID}", {"idle_seconds": 0.001}, method="PUT")
    control = await control_returned(agent_runtime)
    assert await refusal(asked(agent_runtime, sessionState=results(control, {}))) == "ValidationException"
    await control_returned(agent_runtime, sessionId="another")
    (kept,) = bedrock.control("sessions")
    assert kept["session_id"] == "another"


def test_the_stand_in_s_action_group_holds_the_tools_of_the_ticket_agent() -> None:
    assert {tool.name: agents.FUNCTIONS[tool.name] for tool in TOOLS} == {
        tool.name: tuple(tool.parameters) for tool in TOOLS
    }


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"agentId": "NONESUCH01", "inputText": "a"}, "ResourceNotFoundException"),
        ({"inputText": " "}, "ValidationException"),
        ({}, "ValidationException"),
        ({"sessionId": "no spaces", "inputText": "a"}, "ValidationException"),
        ({"agentAliasId": "no-dashes", "inputText": "a"}, "ValidationException"),
    ],
)
async def test_what_an_agent_cannot_be_asked_is_refused(agent_runtime: Any, given: dict[str, Any], code: str) -> None:
    assert await refusal(asked(agent_runtime, **given)) == code


# Harnesses


def a_function(name: str = "checkEmployeeAccess") -> dict[str, Any]:
    configuration = {"inlineFunction": {"description": "Looks.", "inputSchema": {"type": "object"}}}
    return {"type": "inline_function", "name": name, "config": configuration}


def invocation(*messages: dict[str, Any], **other: Any) -> dict[str, Any]:
    sent = list(messages) or [{"role": "user", "content": [{"text": TICKET}]}]
    same = {"harnessArn": defaults.HARNESS_ARN, "runtimeSessionId": SESSION}
    return {**same, "messages": sent, "tools": [a_function()], "allowedTools": ["checkEmployeeAccess"], **other}


async def invoked(client: Any, *messages: dict[str, Any], **other: Any) -> list[dict[str, Any]]:
    answer = await client.invoke_harness(**invocation(*messages, **other))
    return [event async for event in answer["stream"]]


def tool_use(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The only call of a message, put together."""
    (start,) = [event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    text = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    return {"toolUseId": start["toolUseId"], "name": start["name"], "input": json.loads(text)}


def answered(use: dict[str, Any], result: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    back = {"toolUseId": use["toolUseId"], "content": [{"json": result}], "status": "success"}
    return (
        {"role": "assistant", "content": [{"toolUse": use}]},
        {"role": "user", "content": [{"toolResult": back}]},
    )


async def test_a_harness_stops_at_an_inline_function_and_goes_on_with_the_result(
    bedrock: BedrockEndpoint, agentcore: Any
) -> None:
    events = await invoked(agentcore)
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart"
    assert names[-2:] == ["messageStop", "metadata"]
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"
    assert events[-1]["metadata"]["usage"]["totalTokens"] > 50
    use = tool_use(events)
    assert (use["name"], use["input"]) == ("checkEmployeeAccess", {"environmentId": "1"})
    # The turn that asks is not kept, so that it has to come again.
    (kept,) = bedrock.control("sessions")
    assert [message["role"] for message in kept["messages"]] == ["user"]
    await invoked(agentcore, *answered(use, {"sufficient": True}))
    (kept,) = bedrock.control("sessions")
    assert [message["role"] for message in kept["messages"]] == ["user", "assistant", "user", "assistant"]


async def test_results_without_the_calls_they_belong_to_are_refused(agentcore: Any) -> None:
    use = tool_use(await invoked(agentcore))
    again, result = answered(use, {"sufficient": True})
    changed = {"role": "assistant", "content": [{"toolUse": {**use, "input": {"environmentId": "2"}}}]}
    renamed = {"role": "assistant", "content": [{"toolUse": {**use, "toolUseId": "another"}}]}
    for wrong in ([result], [again], [changed, result], [renamed, result]):
        assert await refusal(invoked(agentcore, *wrong)) == "ValidationException"
    await invoked(agentcore, again, result)


async def test_calls_of_one_message_may_share_a_block_index_and_differ_by_id(
    bedrock: BedrockEndpoint, agentcore: Any
) -> None:
    bedrock.control(f"models/{defaults.HARNESS_ID}", {"planner": "parallel_calls"})
    names = ["checkEmployeeAccess", "getEmployeeManager", "getEnvironmentOwner"]
    events = await invoked(agentcore, tools=[a_function(name) for name in names], allowedTools=names)
    starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
    assert [start["contentBlockIndex"] for start in starts] == [0, 0, 1]
    assert len({start["start"]["toolUse"]["toolUseId"] for start in starts}) == 3


@pytest.mark.parametrize(
    ("allowed", "offered"),
    [
        (None, ["shell", "file_operations", "checkEmployeeAccess"]),
        (["*"], ["shell", "file_operations", "checkEmployeeAccess"]),
        (["@builtin"], ["shell", "file_operations"]),
        (["checkEmployeeAccess"], ["checkEmployeeAccess"]),
        (["another"], []),
    ],
)
async def test_the_tools_that_are_allowed_are_offered_and_no_other(
    bedrock: BedrockEndpoint, agentcore: Any, allowed: list[str] | None, offered: list[str]
) -> None:
    given = invocation(allowedTools=allowed)
    if allowed is None:
        del given["allowedTools"]
    answer = await agentcore.invoke_harness(**given)
    assert [event async for event in answer["stream"]]
    (kept,) = bedrock.control("sessions")
    assert kept["offered"] == offered


async def test_a_harness_s_answer_is_cut_where_the_request_bounds_it(agentcore: Any) -> None:
    events = await invoked(agentcore, maxTokens=2)
    assert {"stopReason": "max_tokens"} in [event.get("messageStop") for event in events]
    assert not any("contentBlockStart" in event for event in events)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"harnessArn": defaults.HARNESS_ARN.replace("DESKHAND01", "NONESUCH01")}, "ResourceNotFoundException"),
        ({"harnessArn": "arn:aws:bedrock-agentcore:us-east-1:1:harness/short"}, "ValidationException"),
        ({"runtimeSessionId": "-begins-with-a-dash-and-is-long-enough"}, "ValidationException"),
        ({"messages": []}, "ValidationException"),
        ({"messages": [{"role": "assistant", "content": [{"text": "a"}]}]}, "ValidationException"),
        ({"tools": [{"type": "agentcore_browser", "name": "browser"}]}, "ValidationException"),
        ({"maxIterations": 0}, "ValidationException"),
        ({"timeoutSeconds": 0}, "ValidationException"),
        ({"model": {"bedrockModelConfig": {"modelId": "nonesuch.model-v1:0"}}}, "ValidationException"),
        ({"model": {"liteLlmModelConfig": {"modelId": "some/model"}}}, "ValidationException"),
    ],
)
async def test_what_a_harness_cannot_be_asked_is_refused(agentcore: Any, given: dict[str, Any], code: str) -> None:
    assert await refusal(invoked(agentcore, **given)) == code


def test_a_session_id_of_thirty_two_characters_is_too_short(bedrock: BedrockEndpoint) -> None:
    with pytest.raises(HTTPError) as caught:
        _over_http(bedrock, _harness_path(), invocation(), session="s" * 32)
    assert json.loads(caught.value.read())["message"].startswith("1 validation error")


@pytest.mark.parametrize("stop_reason", HARNESS_STOPS)
async def test_a_harness_s_answer_can_be_made_to_end_with_any_stop_reason(
    bedrock: BedrockEndpoint, agentcore: Any, stop_reason: str
) -> None:
    fault = {"kind": "stop_reason", "stop_reason": stop_reason, "next": 1}
    bedrock.control(f"models/{defaults.HARNESS_ID}/faults", fault)
    assert {"messageStop": {"stopReason": stop_reason}} in await invoked(agentcore)


# Both


async def test_each_costs_the_quota_of_its_model(bedrock: BedrockEndpoint, agent_runtime: Any, agentcore: Any) -> None:
    model = {"bedrockModelConfig": {"modelId": NOVA}}
    bedrock.control(f"models/{NOVA}", {"limits": [{"counts": "requests", "amount": 1, "per_seconds": 3600}]})
    await invoked(agentcore, model=model)
    other = {"model": model, "runtimeSessionId": f"another-{SESSION}"}
    assert await refusal(invoked(agentcore, **other)) == "ThrottlingException"
    await control_returned(agent_runtime)
    assert bedrock.control("stats")["models"][defaults.HARNESS_ID]["throttled"] == 1
    assert bedrock.control("stats")["models"][defaults.AGENT_ID]["stand_ins"] == {PLANNER: 1}


@pytest.mark.parametrize("operation", IN_STREAM)
def test_the_failures_in_a_stream_are_those_that_the_service_model_has(operation: str) -> None:
    codes = [faults.REFUSALS[kind].code for kind in IN_STREAM[operation]]
    stream = _stream_shape(operation)
    for code in codes:
        assert stream.members[code[0].lower() + code[1:]].metadata["exception"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttled", "next": 1, "in_stream": True},
        {"kind": "throttled", "next": 1, "in_stream": True, "operation": "InvokeHarness"},
        {"kind": "hang", "next": 1, "in_stream": True, "operation": "InvokeAgent"},
        {"kind": "cut_connection", "next": 1, "keep_percent": 101},
    ],
)
def test_a_failure_that_a_stream_cannot_have_is_refused(bedrock: BedrockEndpoint, fault: dict[str, Any]) -> None:
    with pytest.raises(ControlFailed, match="400"):
        bedrock.control("models/*/faults", fault)


@pytest.mark.parametrize("calls_by", ["functions", "api"])
@pytest.mark.parametrize("text", [TICKET, "no ticket"])
def test_every_event_of_an_agent_has_the_shape_that_the_service_model_states(
    bedrock: BedrockEndpoint, calls_by: str, text: str
) -> None:
    bedrock.control(f"agents/{defaults.AGENT_ID}", {"calls_by": calls_by}, method="PUT")
    fault = {"kind": "stop_reason", "stop_reason": "guardrail_intervened", "next": 1}
    path = f"/agents/{defaults.AGENT_ID}/agentAliases/{ALIAS}/sessions/{SESSION}/text"
    body = {"inputText": text, "enableTrace": True}
    plainly = _over_http(bedrock, path, body)
    bedrock.control(f"models/{defaults.AGENT_ID}/faults", fault)
    _require_shapes("InvokeAgent", plainly + _over_http(bedrock, path, body))


def test_every_event_of_a_harness_has_the_shape_that_the_service_model_states(bedrock: BedrockEndpoint) -> None:
    body = {name: value for name, value in invocation().items() if name not in ("harnessArn", "runtimeSessionId")}
    called = _over_http(bedrock, _harness_path(), body)
    body["messages"] = [{"role": "user", "content": [{"text": "no ticket"}]}]
    _require_shapes("InvokeHarness", called + _over_http(bedrock, _harness_path(), body, session=f"b-{SESSION}"))


def test_a_frame_that_was_changed_on_its_way_does_not_pass_its_checksum() -> None:
    frame = event_stream.event("chunk", {"bytes": base64.b64encode("grüße".encode()).decode()})
    assert struct.unpack("!I", frame[:4]) == (len(frame),)
    (message,) = _decoded(frame)
    assert message.headers[":event-type"] == "chunk"
    for position in range(8, len(frame)):
        changed = bytearray(frame)
        changed[position] ^= 1
        with pytest.raises(Exception, match="Checksum mismatch"):
            _decoded(bytes(changed))


def _decoded(frames: bytes) -> list[Any]:
    buffer = EventStreamBuffer()
    buffer.add_data(frames)
    return list(buffer)


def _harness_path() -> str:
    return f"/harnesses/invoke?harnessArn={quote(defaults.HARNESS_ARN)}"


def _over_http(bedrock: BedrockEndpoint, path: str, body: dict[str, Any], *, session: str = SESSION) -> bytes:
    """An answer as it comes over the wire."""
    headers = {"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": session}
    sent = {name: value for name, value in body.items() if name not in ("harnessArn", "runtimeSessionId")}
    request = urllib.request.Request(bedrock.url + path, data=json.dumps(sent).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=30) as reply:
        assert reply.headers["Content-Type"] == event_stream.CONTENT_TYPE
        return bytes(reply.read())


def _stream_shape(operation: str) -> Any:
    output = wire.operation_models()[operation].output_shape
    assert output is not None
    return output.members[output.serialization["payload"]]


def _require_shapes(operation: str, frames: bytes) -> None:
    messages = _decoded(frames)
    assert len(messages) > 4
    stream = _stream_shape(operation)
    for message in messages:
        event = stream.members[message.headers[":event-type"]]
        assert list(validate.problems(json.loads(message.payload), event)) == []
