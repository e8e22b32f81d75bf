"""The conversations that agents and harnesses keep on this side, by session id, until they idle out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Key: TypeAlias = tuple[str, str]
"""Of which agent or harness, and the session id that the client chose."""


@dataclass(slots=True)
class Session:
    """``messages`` have the shape of Converse and end where the next turn begins.

    ``asked`` is the model's message with tool calls that wait for their results; ``invocation_id`` names them to an
    agent's client. ``offered`` are the names of the tools in the last turn.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    asked: dict[str, Any] | None = None
    invocation_id: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    prompt_attributes: dict[str, str] = field(default_factory=dict)
    offered: tuple[str, ...] = ()
    idles_out_at: float = 0.0

    @property
    def tool_uses(self) -> list[dict[str, Any]]:
        """The calls that wait, in the order they were asked for."""
        return [] if self.asked is None else [one["toolUse"] for one in self.asked["content"] if "toolUse" in one]

    def as_json(self) -> dict[str, Any]:
        return {
            "messages": self.messages,
            "awaits": [use["name"] for use in self.tool_uses],
            "invocation_id": self.invocation_id,
            "attributes": self.attributes,
            "prompt_attributes": self.prompt_attributes,
            "offered": list(self.offered),
        }


class Sessions:
    """``monotonic`` is the clock by which they idle out."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._held: dict[Key, Session] = {}

    def find(self, key: Key) -> Session:
        """The session, or a new one that is not kept yet: a request that is refused leaves nothing behind."""
        held = self._held.get(key)
        return Session() if held is None or held.idles_out_at <= self._monotonic() else held

    def keep(self, key: Key, session: Session, *, idle_seconds: float) -> None:
        now = self._monotonic()
        session.idles_out_at = now + idle_seconds
        self._held.pop(key, None)
        self._held[key] = session
        # The one used longest ago comes first, so that a long run forgets as it goes.
        while self._held[oldest := next(iter(self._held))].idles_out_at <= now:
            del self._held[oldest]

    def end(self, key: Key) -> None:
        self._held.pop(key, None)

    def clear(self) -> None:
        self._held.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """The one used longest ago comes first."""
        return [{"of": of, "session_id": id_, **session.as_json()} for (of, id_), session in self._held.items()]
