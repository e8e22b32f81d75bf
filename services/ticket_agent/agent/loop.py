"""Runs an agent on one ticket until a tool has ended it, or until it is clear that none will.

The loop knows no model and no store: it asks the agent, carries out what it wants in the order it wants it, and counts.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from services.ticket_agent.agent.budget import Budget, Spent, exhausted, expected_tokens
from services.ticket_agent.agent.day_budget import DayBudget, DayBudgetSpent
from services.ticket_agent.agent.port import Agent, Call, CallResult, Final, SessionT, Step
from services.ticket_agent.agent.prompt import MAX_TOKENS_PER_TURN
from services.ticket_agent.agent.trace import Trace
from services.ticket_agent.domain.outcome import Outcome
from services.ticket_agent.tools.port import Answer, Case, plain_text
from services.ticket_agent.tools.registry import Toolbox
from shared.backoff import Backoff, Uniform
from shared.errors import PermanentError, Throttled, TransientError
from shared.logs import logger

log = logger("agent")

MODEL_BACKOFF = Backoff(base=0.5, cap=15.0)


@dataclass(frozen=True, slots=True)
class Ended:
    """A tool has ended the ticket; the outcome is stored."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The agent has not ended the ticket and will not: ``reason`` is for the person who takes over."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLoop(Generic[SessionT]):
    """``monotonic`` measures, in seconds; ``run_seconds`` is the most one run may take; no ``day``: no limit a day."""

    agent: Agent[SessionT]
    toolbox: Toolbox
    budget: Budget
    run_seconds: float
    monotonic: Callable[[], float]
    uniform: Uniform
    day: DayBudget | None = None

    async def run(self, case: Case, trace: Trace, *, spent: Spent) -> Ended | Unfinished:
        """Work on ``case``; ``spent`` is what earlier runs of the ticket have used.

        Raises TransientError if the model or a store was away until the run's time was over: nothing is decided then
        and a later run goes on. Raises Superseded if another run has taken the ticket.
        """
        deadline = self.monotonic() + self.run_seconds
        session = self.agent.begin(case.ticket.content, ticket_id=case.ticket.key.ticket_id)
        results: list[CallResult] = []
        on_session: str | None = None
        expected = expected_tokens(None, len(case.ticket.content), MAX_TOKENS_PER_TURN)
        while True:
            if (reason := exhausted(self.budget, spent)) is not None:
                return Unfinished(reason)
            if self.monotonic() >= deadline:
                return Unfinished(f"The agent was not done after {self.run_seconds:.0f} seconds.")
            began = self.monotonic()
            try:
                step = await self._ask(session, results, deadline, expected)
            except DayBudgetSpent as over:
                log.warning("day_budget_spent", ticket_id=case.ticket.key.ticket_id, expected_tokens=expected)
                return Unfinished(str(over))
            except PermanentError as error:
                # A wrong model id or a missing permission would hand every ticket over: that must show at once.
                log.error("model_refused", ticket_id=case.ticket.key.ticket_id, reason=error.reason[:300])
                return Unfinished(f"The model refused to work on the ticket: {error.reason[:300]}")
            await trace.record_step(step, model_seconds=self.monotonic() - began)
            if isinstance(step, Final):
                return Unfinished(_reason(step))
            if step.hosted is not None and step.hosted.session_id != on_session:
                on_session, spent = step.hosted.session_id, spent.in_new_session()
            spent = spent.after(step.usage, step.calls)
            results = []
            for call in step.calls:
                answer = await self._carry_out(case, call, trace)
                if answer.outcome is not None:
                    # Whatever else was asked for in the same breath comes after the ticket's end.
                    return Ended(answer.outcome)
                results.append(CallResult(call.call_id, answer.content, answer.failed))
            unseen = sum(len(json.dumps(result.content, default=str)) for result in results)
            expected = expected_tokens(step.usage, unseen, MAX_TOKENS_PER_TURN)

    async def _ask(self, session: SessionT, results: list[CallResult], deadline: float, expected: int) -> Step:
        """The next step, asked for again while the model is throttled or away, as long as there is time.

        Raises DayBudgetSpent. A call that ended without an answer stays reserved: the model may have worked on it.
        """
        reserved = await self.day.reserve(expected) if self.day else None
        surely_unused = True
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(max(0.0, deadline - self.monotonic())):
                    step = await self.agent.next(session, results)
                if self.day and reserved:
                    await self.day.settle(reserved, step.usage)
                return step
            except TimeoutError:
                raise TransientError("the model did not answer before the run's time was over") from None
            except PermanentError:
                if self.day and reserved and surely_unused:
                    await self.day.give_back(reserved)
                raise
            except TransientError as error:
                surely_unused = surely_unused and isinstance(error, Throttled)
                wait = MODEL_BACKOFF.delay(attempt, self.uniform, at_least=error.retry_after)
                if self.monotonic() + wait >= deadline:
                    if self.day and reserved and surely_unused:
                        await self.day.give_back(reserved)
                    raise
                log.warning("model_away", attempt=attempt, wait_seconds=round(wait, 3), reason=str(error)[:200])
                attempt += 1
                await asyncio.sleep(wait)

    async def _carry_out(self, case: Case, call: Call, trace: Trace) -> Answer:
        began = self.monotonic()
        trace.count_call()
        answer = await self.toolbox.carry_out(case, call)
        await trace.record_call(call, answer, seconds=self.monotonic() - began)
        return answer


def _reason(final: Final) -> str:
    said = plain_text(final.text)[:500]
    return f'{final.ending.value} It said: "{said}"' if said else f"{final.ending.value} ({final.stop_reason})"
