"""What the local Bedrock endpoint takes for a valid request: by shape, and by the rules of a conversation."""

import json
from typing import Any

import pytest

from local.bedrock import catalogue, conversation, wire
from local.bedrock.errors import Refusal

OPERATIONS = wire.operation_models()
NOVA = "amazon.nova-lite-v1:0"


def a_request(**other: Any) -> dict[str, Any]:
    return {"messages": [user("Hello")], **other}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": [_block(block) for block in blocks]}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [_block(block) for block in blocks]}


def _block(block: Any) -> Any:
    return {"text": block} if isinstance(block, str) else block


def use(call_id: str) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": call_id, "name": "check", "input": {}}}


def result(call_id: str, **other: Any) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": call_id, "content": [{"json": {"ok": True}}], **other}}


def a_tool(name: str = "check", schema: Any = None) -> dict[str, Any]:
    return {"toolSpec": {"name": name, "inputSchema": {"json": schema or {"type": "object"}}}}


TOOLS = {"tools": [a_tool()]}


def by_shape(body: Any, *, model_id: str = NOVA, operation: str = "Converse") -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return wire.parameters(OPERATIONS[operation], wire.Arrived({"modelId": model_id}, {}, {}, raw))


def refusal_by_shape(body: Any, **other: Any) -> str:
    with pytest.raises(Refusal) as caught:
        by_shape(body, **other)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def refusal_by_rules(model_id: str = NOVA, **request: Any) -> str:
    with pytest.raises(Refusal) as caught:
        conversation.require(a_request(**request), catalogue.BY_ID[model_id], 10)
    assert caught.value.code == "ValidationException"
    return caught.value.message


def test_a_full_request_is_valid() -> None:
    request = a_request(
        system=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        inferenceConfig={"maxTokens": 10, "temperature": 0, "topP": 0.5, "stopSequences": ["END"]},
        toolConfig={**TOOLS, "toolChoice": {"tool": {"name": "check"}}},
        requestMetadata={"run": "r-1"},
        serviceTier={"type": "flex"},
        additionalModelRequestFields={"anything": [1, {"goes": None}]},
        performanceConfig={"latency": "standard"},
    )
    assert by_shape(request) == {"modelId": NOVA, **request}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (a_request(colour="red"), "colour"),
        (a_request(inferenceConfig={"maxTokens": "ten"}), "inferenceConfig.maxTokens"),
        (a_request(inferenceConfig={"maxTokens": True}), "inferenceConfig.maxTokens"),
        (a_request(inferenceConfig={"maxTokens": 1.5}), "inferenceConfig.maxTokens"),
        (a_request(inferenceConfig={"maxTokens": 0}), "greater than or equal to 1"),
        (a_request(inferenceConfig={"temperature": 1.1}), "less than or equal to 1"),
        (a_request(inferenceConfig={"max_tokens": 5}), "inferenceConfig.max_tokens"),
        (a_request(serviceTier={"type": "cheap"}), "enum value set"),
        (a_request(serviceTier={}), "serviceTier.type"),
        (a_request(requestMetadata={"a": "b" * 257}), "requestMetadata.a.member"),
        (a_request(requestMetadata={}), "requestMetadata"),
        (a_request(toolConfig={"tools": []}), "toolConfig.tools"),
        (a_request(toolConfig={"tools": [a_tool(name="no blanks")]}), "regular expression"),
        (a_request(toolConfig={**TOOLS, "toolChoice": {"auto": {}, "any": {}}}), "Exactly one member"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"content": [{"text": "Hello"}]}]}, "messages.1.member.role"),
        ({"messages": [{"role": "robot", "content": []}]}, "enum value set"),
        ({"messages": [user({"text": 5})]}, "messages.1.member.content.1.member.text"),
        ({"messages": [user({"text": "a", "image": None, "document": {"name": "d"}})]}, "Exactly one member"),
        ({"messages": [user({"shout": "a"})]}, "shout"),
        ({"messages": [user({"toolResult": {"toolUseId": "a"}})]}, "toolResult.content"),
        ([1, 2], "must be a JSON object"),
        (b"{", "not valid JSON"),
        (b'{"a":' * 100_000, "not valid JSON"),
        (b'{"messages": [], "inferenceConfig": {"temperature": NaN}}', "NaN"),
        (b'{"messages": [{"role": "user", "content": [{"text": "\xff"}]}]}', "not valid JSON"),
    ],
)
def test_what_the_shape_forbids_is_refused_by_name(body: Any, names: str) -> None:
    assert names in refusal_by_shape(body)


def test_every_problem_is_named_at_once() -> None:
    message = refusal_by_shape(a_request(colour="red", inferenceConfig={"maxTokens": 0, "topP": 2}))
    assert message.startswith("3 validation errors detected")


def test_a_model_id_that_cannot_be_one_is_refused() -> None:
    assert "modelId" in refusal_by_shape(a_request(), model_id="no blanks allowed!")


def test_a_null_is_an_absent_member() -> None:
    assert by_shape(a_request(system=None)) == {"modelId": NOVA, **a_request()}


def test_base64_is_checked_in_blobs() -> None:
    assert "base64" in refusal_by_shape({"input": {"invokeModel": {"body": "%%%"}}}, operation="CountTokens")


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"messages": []}, "at least one message"),
        ({"messages": [assistant("Hello")]}, "start with a user message"),
        ({"messages": [user("a"), user("b")]}, "alternate"),
        ({"messages": [user("a"), assistant("b"), assistant("c")]}, "messages.2"),
        ({"messages": [user()]}, "messages.0 is empty"),
        ({"messages": [user("a", "  \n")]}, "messages.0.content.1 is blank"),
        ({"messages": [{"role": "system", "content": [{"text": "a"}]}]}, "role"),
        ({"system": [{"text": ""}]}, "system.0 is blank"),
        ({"messages": [user("a"), assistant(use("1")), user(result("1"))]}, "toolConfig field must be defined"),
        ({"messages": [user("a"), assistant(use("1")), user("b")], "toolConfig": TOOLS}, "following Ids: 1"),
        (
            {"messages": [user("a"), assistant(use("1"), use("2")), user(result("1"))], "toolConfig": TOOLS},
            "following Ids: 2",
        ),
        (
            {"messages": [user("a"), assistant(use("1")), user(result("1"), result("2"))], "toolConfig": TOOLS},
            "exceeds the number of toolUse blocks",
        ),
        ({"messages": [user(result("1"))], "toolConfig": TOOLS}, "exceeds the number of toolUse blocks"),
        ({"messages": [user("a"), assistant(use("1"))], "toolConfig": TOOLS}, "Expected toolResult"),
        ({"messages": [user("a"), assistant(use("1"), use("1"))], "toolConfig": TOOLS}, "duplicate"),
        ({"messages": [user(use("1"))], "toolConfig": TOOLS}, "belongs into an assistant message"),
        ({"messages": [user("a"), assistant(result("1"))], "toolConfig": TOOLS}, "belongs into a user message"),
        (
            {
                "messages": [user("a"), assistant(use("1")), user(result("1", status="error", content=[]))],
                "toolConfig": TOOLS,
            },
            "cannot be empty",
        ),
        ({"toolConfig": {"tools": [a_tool(), a_tool()]}}, "unique"),
        ({"toolConfig": {"tools": [a_tool(schema={"type": "string"})]}}, "type object"),
        ({"toolConfig": {"tools": [a_tool(schema={"type": "object", "required": 5})]}}, "no valid JSON Schema"),
        (
            {
                "messages": [
                    user("a"),
                    assistant({"toolUse": {"toolUseId": "1", "name": "check", "input": [1]}}),
                    user(result("1")),
                ],
                "toolConfig": TOOLS,
            },
            "toolUse.input must be a JSON object",
        ),
        (
            {
                "messages": [user("a"), assistant(use("1")), user(result("1", content=[{"json": [1]}]))],
                "toolConfig": TOOLS,
            },
            "json must be a JSON object",
        ),
        ({"toolConfig": {**TOOLS, "toolChoice": {"tool": {"name": "other"}}}}, "other"),
        ({"inferenceConfig": {"maxTokens": 10_001}}, "model limit of 10000"),
    ],
)
def test_what_the_rules_of_a_conversation_forbid_is_refused(request_: dict[str, Any], says: str) -> None:
    assert says in refusal_by_rules(**request_)


def test_a_model_without_eyes_refuses_an_image() -> None:
    image = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}
    assert "image" in refusal_by_rules("amazon.nova-micro-v1:0", messages=[user(image)])


def test_an_input_beyond_the_context_is_refused() -> None:
    with pytest.raises(Refusal, match="too long"):
        conversation.require(a_request(), catalogue.BY_ID[NOVA], 300_001)


def test_a_conversation_with_answered_parallel_calls_is_valid() -> None:
    messages = [user("a"), assistant("I look", use("1"), use("2")), user(result("2"), result("1")), assistant("b")]
    conversation.require(a_request(messages=messages, toolConfig=TOOLS), catalogue.BY_ID[NOVA], 10)
