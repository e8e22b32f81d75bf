"""Watches a run from outside: the tools that were carried out, the tokens, and the time the agent took."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.ticket_agent.agent.port import Agent, Call, CallResult, Step
from services.ticket_agent.tools.port import Answer, Case
from services.ticket_agent.tools.registry import Toolbox
from services.ticket_agent.worker import Worker
from shared.clock import Now


@dataclass(slots=True)
class Watch:
    """What one run did so far. ``tools`` are the calls carried out, in order, also those that were refused."""

    tools: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    model_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class WatchedAgent:
    """The agent port over another agent."""

    agent: Agent[Any]
    watch: Watch
    monotonic: Callable[[], float]

    def begin(self, ticket_text: str, *, ticket_id: str) -> Any:
        return self.agent.begin(ticket_text, ticket_id=ticket_id)

    async def next(self, session: Any, results: Sequence[CallResult]) -> Step:
        began = self.monotonic()
        try:
            step = await self.agent.next(session, results)
        finally:
            self.watch.model_seconds += self.monotonic() - began
        self.watch.turns += 1
        self.watch.input_tokens += step.usage.input_tokens
        self.watch.output_tokens += step.usage.output_tokens
        return step


class WatchedToolbox(Toolbox):
    """The toolbox as it is, with a note of each call."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    async def carry_out(self, case: Case, call: Call) -> Answer:
        self._watch.tools.append(call.tool)
        answer = await super().carry_out(case, call)
        if answer.failed:
            self._watch.refused.append(call.tool)
        return answer


def watched(worker: Worker, watch: Watch, *, agent: Agent[Any], now: Now) -> Worker:
    """``worker`` under watch, asking ``agent``, with ``now`` as the time of day.

    A time that stands still makes a grant's end, and with it every tool result, the same in each run.
    """
    loop = dataclasses.replace(
        worker.loop,
        agent=WatchedAgent(agent, watch, worker.monotonic),
        toolbox=WatchedToolbox(watch),
    )
    return dataclasses.replace(worker, loop=loop, desk=dataclasses.replace(worker.desk, now=now))
