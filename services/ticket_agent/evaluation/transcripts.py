"""Recording what an agent said, and running a ticket again on what was recorded, without any model.

Both sit on the agent port, so that they work with every back end and the loop, the tools and the guard are the real
ones. A recording is one JSON Lines file a case: a header, then one exchange a line: what the agent was given (a digest
over the ticket's text and all results so far, and the results themselves, to tell where a replay parts) and the step
that it answered. Ground truth is recorded this way; a real user's ticket would be in the file in full.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.ticket_agent.agent.port import Agent, Call, CallResult, Ending, Final, Hosted, Step, ToolCalls
from shared.model.port import Usage

VERSION = 1


class Diverged(Exception):
    """A replay asked for something that was not recorded so; the text says in which turn and what differs."""


@dataclass(slots=True)
class RecordedSession:
    """``inner`` is the back end's own session; ``digest`` is over all that the agent was given so far."""

    inner: Any
    ticket_id: str
    digest: str
    turn: int = 0


class RecordingAgent:
    """The agent port over another agent; writes each exchange to ``folder/TICKET.jsonl`` when it has succeeded."""

    def __init__(self, agent: Agent[Any], folder: Path, *, backend: str, model_id: str) -> None:
        self._agent = agent
        self._folder = folder
        self._header = {"version": VERSION, "backend": backend, "model": model_id}

    def begin(self, ticket_text: str, *, ticket_id: str) -> RecordedSession:
        digest = _digest("", ticket_text)
        header = {**self._header, "ticketId": ticket_id, "digest": digest}
        _file(self._folder, ticket_id).write_text(json.dumps(header) + "\n", encoding="utf-8")
        return RecordedSession(self._agent.begin(ticket_text, ticket_id=ticket_id), ticket_id, digest)

    async def next(self, session: RecordedSession, results: Sequence[CallResult]) -> Step:
        step = await self._agent.next(session.inner, results)
        given = _results(results)
        session.turn += 1
        session.digest = _digest(session.digest, given)
        line = {"turn": session.turn, "digest": session.digest, "results": given, "step": step_as_json(step)}
        with _file(self._folder, session.ticket_id).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return step


@dataclass(slots=True)
class ReplayedSession:
    exchanges: Sequence[Mapping[str, Any]] = field(repr=False)
    digest: str
    turn: int = 0


class ReplayingAgent:
    """The agent port over recordings. Raises Diverged where it is asked for what was not recorded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._session: ReplayedSession | None = None

    def begin(self, ticket_text: str, *, ticket_id: str) -> ReplayedSession:
        header, *exchanges = _lines(self._folder, ticket_id)
        digest = _digest("", ticket_text)
        if header["digest"] != digest:
            raise Diverged(f"{ticket_id}: the ticket's text is not the one that was recorded")
        self._session = ReplayedSession(exchanges, digest)
        return self._session

    async def next(self, session: ReplayedSession, results: Sequence[CallResult]) -> Step:
        session.turn += 1
        if session.turn > len(session.exchanges):
            raise Diverged(f"turn {session.turn}: the recording ends after turn {len(session.exchanges)}")
        exchange, given = session.exchanges[session.turn - 1], _results(results)
        session.digest = _digest(session.digest, given)
        if session.digest != exchange["digest"]:
            raise Diverged(f"turn {session.turn}: {first_difference(exchange['results'], given)}")
        return step_from_json(exchange["step"])

    def finish(self) -> None:
        """Raises Diverged if the last run ended before its recording did."""
        session = self._session
        if session is not None and session.turn < len(session.exchanges):
            raise Diverged(f"the run ended after turn {session.turn}, the recording after {len(session.exchanges)}")


def step_as_json(step: Step) -> dict[str, Any]:
    hosted = {"hosted": [step.hosted.session_id, step.hosted.invocation_id]} if step.hosted else {}
    usage = step.usage
    common = {
        "text": step.text,
        "usage": [usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens],
        **hosted,
    }
    match step:
        case ToolCalls():
            calls = [{"id": call.call_id, "tool": call.tool, "arguments": dict(call.arguments)} for call in step.calls]
            return {"calls": calls, **common}
        case Final():
            return {"ending": step.ending.name, "stopReason": step.stop_reason, **common}


def step_from_json(value: Mapping[str, Any]) -> Step:
    hosted = Hosted(*value["hosted"]) if "hosted" in value else None
    counted = dict(zip(_USAGE, value["usage"], strict=True))
    usage, text = Usage(**counted), str(value["text"])
    if "calls" in value:
        calls = tuple(Call(call["id"], call["tool"], call["arguments"]) for call in value["calls"])
        return ToolCalls(calls=calls, text=text, usage=usage, hosted=hosted)
    return Final(ending=Ending[value["ending"]], stop_reason=value["stopReason"], text=text, usage=usage, hosted=hosted)


def first_difference(recorded: Any, given: Any, path: str = "results") -> str:
    """Where two JSON values part, and what stands there in each."""
    if isinstance(recorded, dict) and isinstance(given, dict):
        for name in sorted(recorded.keys() | given.keys()):
            if recorded.get(name) != given.get(name):
                return first_difference(recorded.get(name), given.get(name), f"{path}.{name}")
    if isinstance(recorded, list) and isinstance(given, list):
        for position, (one, other) in enumerate(zip(recorded, given, strict=False)):
            if one != other:
                return first_difference(one, other, f"{path}[{position}]")
        if len(recorded) != len(given):
            return f"{path}: {len(recorded)} were recorded, now there are {len(given)}"
    if recorded == given:
        return "what was said before this turn differs"
    return f"{path} was {_short(recorded)} when it was recorded, now it is {_short(given)}"


_USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def _results(results: Sequence[CallResult]) -> list[dict[str, Any]]:
    return [{"id": one.call_id, "failed": one.failed, "content": _plain(one.content)} for one in results]


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _digest(before: str, given: Any) -> str:
    return hashlib.sha256(f"{before}\n{json.dumps(given, sort_keys=True)}".encode()).hexdigest()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _file(folder: Path, ticket_id: str) -> Path:
    return folder / f"{ticket_id}.jsonl"


def _lines(folder: Path, ticket_id: str) -> Iterator[dict[str, Any]]:
    file = _file(folder, ticket_id)
    if not file.is_file():
        raise Diverged(f"{ticket_id}: there is no recording {file}")
    for line in file.read_text(encoding="utf-8").splitlines():
        value: dict[str, Any] = json.loads(line)
        yield value
