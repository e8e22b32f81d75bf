"""How many tokens a text has, by estimate.

The rule: one token for every four bytes of UTF-8, rounded up; each message costs four more, each tool eight. No exact
tokenizer of the catalogue's models is public, so this is an estimate, used for usage, CountTokens and quotas alike:
what one operation counts, every other one counts too.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

BYTES_PER_TOKEN = 4
PER_MESSAGE = 4
PER_TOOL = 8
PER_ATTACHMENT = 1000


def of_text(text: str) -> int:
    # "ignore": a lone surrogate is valid JSON and must not turn counting into a server error.
    return -(-len(text.encode(errors="ignore")) // BYTES_PER_TOKEN)


def of_request(request: Mapping[str, Any]) -> int:
    """Input tokens of a Converse request: system, tools and messages."""
    system = sum(of_block(block) for block in request.get("system") or ())
    messages = sum(PER_MESSAGE + of_blocks(message["content"]) for message in request.get("messages") or ())
    tools = sum(PER_TOOL + of_json(tool) for tool in (request.get("toolConfig") or {}).get("tools") or ())
    return max(1, system + messages + tools)


def of_blocks(blocks: Iterable[Mapping[str, Any]]) -> int:
    return sum(of_block(block) for block in blocks)


def of_block(block: Mapping[str, Any]) -> int:
    if (text := block.get("text")) is not None:
        return of_text(text)
    if (use := block.get("toolUse")) is not None:
        return PER_TOOL + of_text(use["name"]) + of_json(use["input"])
    if (result := block.get("toolResult")) is not None:
        return PER_TOOL + sum(of_json(part["json"]) if "json" in part else of_block(part) for part in result["content"])
    if "cachePoint" in block:
        return 0
    return PER_ATTACHMENT


def of_json(value: object) -> int:
    return of_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
