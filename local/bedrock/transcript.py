"""The tool calls of a conversation with what came back, read from nothing but the request."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Called:
    name: str
    arguments: Mapping[str, Any]
    result: Mapping[str, Any]
    failed: bool


@dataclass(frozen=True, slots=True)
class Transcript:
    """``offered``: input schemas by tool name. ``forced``: a tool's name, "any", or None."""

    user_text: str
    calls: tuple[Called, ...]
    offered: Mapping[str, Mapping[str, Any]]
    forced: str | None

    def called(self, name: str) -> Called | None:
        """The last call of a tool."""
        return next((call for call in reversed(self.calls) if call.name == name), None)

    def succeeded(self, name: str) -> Called | None:
        call = self.called(name)
        return None if call is None or call.failed else call


def read(request: Mapping[str, Any]) -> Transcript:
    messages = request["messages"]
    blocks = [block for message in messages for block in message["content"]]
    results = {block["toolResult"]["toolUseId"]: block["toolResult"] for block in blocks if "toolResult" in block}
    config = request.get("toolConfig") or {"tools": []}
    specs = [tool["toolSpec"] for tool in config["tools"] if "toolSpec" in tool]
    return Transcript(
        user_text="\n".join(
            block["text"] for message in messages if message["role"] == "user" for block in message["content"]
            if "text" in block
        ),
        calls=tuple(
            _called(block["toolUse"], results[block["toolUse"]["toolUseId"]])
            for block in blocks
            if "toolUse" in block and block["toolUse"]["toolUseId"] in results
        ),
        offered={spec["name"]: spec["inputSchema"]["json"] for spec in specs},
        forced=_forced(config.get("toolChoice") or {}),
    )  # fmt: skip


def _forced(choice: Mapping[str, Any]) -> str | None:
    if "tool" in choice:
        return str(choice["tool"]["name"])
    return "any" if "any" in choice else None


def _called(use: Mapping[str, Any], result: Mapping[str, Any]) -> Called:
    said = _json(result["content"])
    failed = result.get("status") == "error" or "error" in said
    return Called(use["name"], use["input"] if isinstance(use["input"], dict) else {}, said, failed)


def _json(content: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A tool's answer as JSON, whichever of the two ways it was sent."""
    for block in content:
        if isinstance(block.get("json"), dict):
            return dict(block["json"])
        if "text" in block:
            try:
                value = json.loads(block["text"])
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
    return {}
