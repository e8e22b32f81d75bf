"""The rules of a Converse request that its shape cannot state: turns, tool calls and answers, the model's limits."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from local.bedrock.catalogue import Model
from local.bedrock.errors import invalid


def require(request: Mapping[str, Any], model: Model, input_tokens: int) -> None:
    """Raise ValidationException for what Converse refuses in a request of the right shape."""
    messages = request.get("messages") or []
    _require_turns(messages)
    _require_texts(request.get("system") or [], "system")
    for position, message in enumerate(messages):
        _require_content(message, position, model)
    _require_tool_answers(messages)
    _require_tools(request, messages)
    asked = (request.get("inferenceConfig") or {}).get("maxTokens")
    if asked is not None and asked > model.output_tokens:
        raise invalid(f"The maximum tokens you requested ({asked}) exceeds the model limit of {model.output_tokens}.")
    if input_tokens > model.context_tokens:
        raise invalid("Input is too long for requested model.")


def _require_turns(messages: Sequence[Mapping[str, Any]]) -> None:
    if not messages:
        raise invalid("A conversation must have at least one message.")
    for position, message in enumerate(messages):
        if message["role"] not in ("user", "assistant"):
            raise invalid(f"This model does not support the role of the message at messages.{position}.")
    if messages[0]["role"] != "user":
        raise invalid("A conversation must start with a user message.")
    for position in range(1, len(messages)):
        if messages[position]["role"] == messages[position - 1]["role"]:
            raise invalid(f"A conversation must alternate between user and assistant roles: see messages.{position}.")


def _require_content(message: Mapping[str, Any], position: int, model: Model) -> None:
    where = f"messages.{position}.content"
    if not message["content"]:
        raise invalid(f"The content field in the Message object at messages.{position} is empty.")
    _require_texts(message["content"], where)
    for place, block in enumerate(message["content"]):
        if "image" in block and "IMAGE" not in model.inputs:
            raise invalid(f"This model doesn't support the image content block at {where}.{place}.")
        if "toolUse" in block and message["role"] != "assistant":
            raise invalid(f"A toolUse block belongs into an assistant message: see {where}.{place}.")
        if "toolUse" in block and not isinstance(block["toolUse"]["input"], dict):
            raise invalid(f"The value at {where}.{place}.toolUse.input must be a JSON object.")
        if "toolResult" in block:
            if message["role"] != "user":
                raise invalid(f"A toolResult block belongs into a user message: see {where}.{place}.")
            result = block["toolResult"]
            if any("json" in part and not isinstance(part["json"], dict) for part in result["content"]):
                raise invalid(f"The value at {where}.{place}.toolResult.content.json must be a JSON object.")
            if result.get("status") == "error" and not result["content"]:
                raise invalid(f"The content field at {where}.{place}.toolResult cannot be empty when status is error.")


def _require_texts(blocks: Sequence[Mapping[str, Any]], where: str) -> None:
    for place, block in enumerate(blocks):
        if "text" in block and not block["text"].strip():
            raise invalid(f"The text field in the ContentBlock object at {where}.{place} is blank.")


def _require_tool_answers(messages: Sequence[Mapping[str, Any]]) -> None:
    asked: list[str] = []
    for position, message in enumerate(messages):
        where = f"messages.{position}.content"
        results = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        if missing := [one for one in asked if one not in results]:
            raise invalid(f"Expected toolResult blocks at {where} for the following Ids: {', '.join(missing)}")
        if len(results) > len(asked):
            raise invalid(
                f"The number of toolResult blocks at {where} exceeds the number of toolUse blocks of previous turn."
            )
        asked = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        if len(set(asked)) < len(asked):
            raise invalid(f"The toolUse blocks at {where} contain duplicate Ids.")
    if asked:
        raise invalid(f"Expected toolResult blocks at messages.{len(messages)}.content for: {', '.join(asked)}")


def _require_tools(request: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    config = request.get("toolConfig")
    if config is None:
        if any("toolUse" in block or "toolResult" in block for message in messages for block in message["content"]):
            raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        return
    specs = [tool["toolSpec"] for tool in config["tools"] if "toolSpec" in tool]
    names = [spec["name"] for spec in specs]
    if len(set(names)) < len(names):
        raise invalid("The tool names in toolConfig.tools must be unique.")
    for spec in specs:
        schema = spec["inputSchema"].get("json")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise invalid(f"The inputSchema of tool {spec['name']} must be a JSON Schema of type object.")
        if reason := _why_no_schema(json.dumps(schema)):
            raise invalid(f"The inputSchema of tool {spec['name']} is no valid JSON Schema: {reason}")
    chosen = (config.get("toolChoice") or {}).get("tool")
    if chosen is not None and chosen["name"] not in names:
        raise invalid(f"The tool {chosen['name']} of toolConfig.toolChoice is not among toolConfig.tools.")


@lru_cache(maxsize=256)
def _why_no_schema(schema: str) -> str | None:
    """By its text, so that the same tools are not judged again on every turn."""
    try:
        Draft202012Validator.check_schema(json.loads(schema))
    except SchemaError as error:
        return error.message
    return None
