"""The promise of a language model: a conversation in, one reply out, with what it used.

The shapes follow Bedrock's Converse (API reference, "Converse"), the one door every model with tool use has, less what
neither service needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Text:
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model asks for ``name`` with ``arguments``; ``call_id`` ties the result to it."""

    call_id: str
    name: str
    arguments: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool said: JSON for the model to read; ``failed`` marks an error it may act on."""

    call_id: str
    content: Mapping[str, Any] = field(repr=False)
    failed: bool = False


ServiceTier: TypeAlias = Literal["default", "flex", "priority"]

Block: TypeAlias = Text | ToolUse | ToolResult


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's contribution; Converse wants the roles to alternate, beginning with the user."""

    role: Literal["user", "assistant"]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model sees it; ``input_schema`` is a JSON Schema of type object."""

    name: str
    description: str
    input_schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """``model_id`` is a model id, an inference profile id or ARN. ``max_tokens`` bounds the reply and is what the quota
    reserves. ``metadata`` is stored in invocation logs, never read by the model.

    ``service_tier`` is Converse's own; "flex" costs less and may wait. ``cache_system`` marks the end of ``system`` as
    a point up to which the model may keep what it has read; a model that cannot refuses the request.
    """

    model_id: str
    turns: tuple[Turn, ...]
    max_tokens: int
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    temperature: float = 0.0
    stop_sequences: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    service_tier: ServiceTier = "default"
    cache_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the model counted them."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
        )


NO_USAGE = Usage(input_tokens=0, output_tokens=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """``stop_reason`` is the service's own word, maybe one we do not know; ``latency_ms`` is the service's figure.

    ``throttles`` counts the tries that were turned away before this one, where somebody retried.
    """

    blocks: tuple[Block, ...]
    stop_reason: str
    usage: Usage
    latency_ms: int
    throttles: int = 0

    @property
    def text(self) -> str:
        return "".join(block.text for block in self.blocks if isinstance(block, Text))

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        return tuple(block for block in self.blocks if isinstance(block, ToolUse))


class Model(Protocol):
    """Raises Throttled, TransientError (timeout, 5xx, lost connection) or PermanentError (the request cannot work)."""

    async def converse(self, request: Request) -> Reply: ...
