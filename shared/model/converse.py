"""Requests and replies in the shapes of Bedrock's Converse, over the wire or as records of a batch job."""

from collections.abc import Mapping
from typing import Any

from shared.errors import TransientError
from shared.model.port import Block, Reply, Request, Text, ToolResult, ToolUse, Turn, Usage


def as_parameters(request: Request) -> dict[str, Any]:
    """The request as Converse takes it."""
    inference: dict[str, Any] = {"maxTokens": request.max_tokens, "temperature": request.temperature}
    if request.stop_sequences:
        inference["stopSequences"] = list(request.stop_sequences)
    parameters: dict[str, Any] = {
        "modelId": request.model_id,
        "messages": [_as_message(turn) for turn in request.turns],
        "inferenceConfig": inference,
    }
    if request.system:
        parameters["system"] = [{"text": request.system}]
        if request.cache_system:
            parameters["system"].append({"cachePoint": {"type": "default"}})
    if request.service_tier != "default":
        parameters["serviceTier"] = {"type": request.service_tier}
    if request.tools:
        parameters["toolConfig"] = {
            "tools": [
                {
                    "toolSpec": {
                        "name": tool.name,
                        "description": tool.description,
                        "inputSchema": {"json": dict(tool.input_schema)},
                    }
                }
                for tool in request.tools
            ]
        }
    if request.metadata:
        parameters["requestMetadata"] = dict(request.metadata)
    return parameters


def _as_message(turn: Turn) -> dict[str, Any]:
    return {"role": turn.role, "content": [_as_content(block) for block in turn.blocks]}


def _as_content(block: Block) -> dict[str, Any]:
    match block:
        case Text():
            return {"text": block.text}
        case ToolUse():
            return {"toolUse": {"toolUseId": block.call_id, "name": block.name, "input": dict(block.arguments)}}
        case ToolResult():
            return {
                "toolResult": {
                    "toolUseId": block.call_id,
                    "content": [{"json": dict(block.content)}],
                    "status": "error" if block.failed else "success",
                }
            }


def read_reply(answer: Mapping[str, Any]) -> Reply:
    """What Converse answered. Raises TransientError."""
    try:
        return _as_reply(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # A reply cut or garbled on its way parses as JSON but lacks its parts; asking again is right.
        raise TransientError(f"Converse: unreadable reply: {type(error).__name__}: {error}") from error


def _as_reply(answer: Mapping[str, Any]) -> Reply:
    usage = answer["usage"]
    return Reply(
        blocks=tuple(
            block for content in answer["output"]["message"]["content"] if (block := _as_block(content)) is not None
        ),
        stop_reason=answer["stopReason"],
        usage=Usage(
            input_tokens=usage["inputTokens"],
            output_tokens=usage["outputTokens"],
            cache_read_tokens=usage.get("cacheReadInputTokens", 0),
            cache_write_tokens=usage.get("cacheWriteInputTokens", 0),
        ),
        latency_ms=answer.get("metrics", {}).get("latencyMs", 0),
    )


def _as_block(content: dict[str, Any]) -> Block | None:
    if "text" in content:
        return Text(content["text"])
    if "toolUse" in content:
        use = content["toolUse"]
        return ToolUse(use["toolUseId"], use["name"], use["input"])
    # Reasoning, citations and whatever comes later: neither service reads them.
    return None
