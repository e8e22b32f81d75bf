"""What an invocation is before it runs: judged, its tokens counted, its answer not yet worked out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.bedrock.catalogue import Invoked
from local.bedrock.sessions import Sessions
from local.bedrock.settings import Fault, ModelSettings

STAND_IN_HEADER = "x-deskhand-stand-in"


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful reply; ``body`` is JSON already."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> "Reply":
        return cls(json.dumps(value, ensure_ascii=False).encode(errors="replace"), headers or {})


@dataclass(frozen=True, slots=True)
class Stream:
    """A reply as frames of an event stream, sent one by one."""

    frames: tuple[bytes, ...]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Output:
    """``reply`` is written when the latency is known, which it reports."""

    tokens: int
    by: str
    reply: Callable[[int], Reply | Stream]


@dataclass(frozen=True, slots=True)
class Work:
    """``invoked`` is None for what costs no quota. ``most_tokens`` is what the answer may cost at most."""

    invoked: Invoked | None
    input_tokens: int
    most_tokens: int
    answer: Callable[[], Output]


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation on its way: valid parameters and what to answer them with."""

    parameters: Mapping[str, Any]
    settings: ModelSettings
    fault: Fault | None
    now: datetime
    new_id: Callable[[], str]
    sessions: Sessions
