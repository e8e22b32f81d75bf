"""A stand-in's answer as a Converse reply: cut where the request bounds it, with usage and the stand-in's name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from local.bedrock import tokens
from local.bedrock.stand_ins import Answer

# What the service puts in the place of an answer that it holds back.
HELD_BACK = {
    "content_filtered": "The answer was held back by the content filter.",
    "guardrail_intervened": "The request was blocked by a guardrail.",
}
CUT_OFF = ("max_tokens", "model_context_window_exceeded")


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int
    output_tokens: int


def bounded(answer: Answer, request: Mapping[str, Any], most_tokens: int) -> Answer:
    """The answer as far as stop sequences and the token limit let it come."""
    stops = (request.get("inferenceConfig") or {}).get("stopSequences") or ()
    answer = _stopped(answer, [stop for stop in stops if stop])
    return _cut(answer, most_tokens, "max_tokens") if output_tokens(answer) > most_tokens else answer


def ended_with(answer: Answer, stop_reason: str) -> Answer:
    """The answer as it would look had the model stopped for ``stop_reason``."""
    if stop_reason in HELD_BACK:
        return Answer(answer.by, ({"text": HELD_BACK[stop_reason]},), stop_reason)
    if stop_reason in CUT_OFF:
        return _cut(answer, max(1, output_tokens(answer) // 2), stop_reason)
    if stop_reason in ("malformed_tool_use", "malformed_model_output"):
        # The unusable part is not passed on; what was said before it is.
        return Answer(answer.by, tuple(block for block in answer.content if "text" in block)[:1], stop_reason)
    return replace(answer, stop_reason=stop_reason)


def output_tokens(answer: Answer) -> int:
    return tokens.of_blocks(answer.content)


def reply(answer: Answer, usage: Usage, latency_ms: int, tier: Mapping[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": list(answer.content)}},
        "stopReason": answer.stop_reason,
        "usage": {
            "inputTokens": usage.input_tokens,
            "outputTokens": usage.output_tokens,
            "totalTokens": usage.input_tokens + usage.output_tokens,
        },
        "metrics": {"latencyMs": latency_ms},
        "trace": {"promptRouter": {"invokedModelId": answer.by}},
    }
    if tier is not None:
        body["serviceTier"] = dict(tier)
    return body


def _stopped(answer: Answer, stops: list[str]) -> Answer:
    for place, block in enumerate(answer.content):
        text = block.get("text", "")
        ends = [position for stop in stops if (position := text.find(stop)) >= 0]
        if ends:
            kept = text[: min(ends)]
            content = (*answer.content[:place], *(({"text": kept},) if kept.strip() else ()))
            return Answer(answer.by, content, "stop_sequence")
    return answer


def _cut(answer: Answer, most_tokens: int, stop_reason: str) -> Answer:
    """Whole blocks as long as they fit, then the beginning of a text; half a tool call is none."""
    content: list[dict[str, Any]] = []
    left = most_tokens
    for block in answer.content:
        needed = tokens.of_block(block)
        if needed > left:
            if "text" in block:
                kept = block["text"].encode()[: left * tokens.BYTES_PER_TOKEN].decode(errors="ignore")
                content += [{"text": kept}] if kept.strip() else []
            break
        content.append(block)
        left -= needed
    return Answer(answer.by, tuple(content), stop_reason)
