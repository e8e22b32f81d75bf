"""A hosted agent inside the model's quota: a guess is reserved, what it reports is settled."""

import asyncio
from collections.abc import Sequence

import pytest

from services.ticket_agent.agent.limited import LimitedAgent
from services.ticket_agent.agent.port import Call, CallResult, Step, ToolCalls
from shared.errors import PermanentError, Throttled, TransientError
from shared.model.limiter import Limiter
from shared.model.port import NO_USAGE, Usage
from shared.model.quota import Limits, Quota

pytestmark = pytest.mark.looptime


def a_step(usage: Usage) -> Step:
    return ToolCalls(calls=(Call("1", "getEmployeeManager", {}),), usage=usage)


class Scripted:
    """An agent whose steps are given, an error or a step, one a call."""

    def __init__(self, *steps: Step | Exception) -> None:
        self._steps = list(steps)

    def begin(self, ticket_text: str, *, ticket_id: str) -> str:
        return ticket_id

    async def next(self, session: str, results: Sequence[CallResult]) -> Step:
        step = self._steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


def a_limiter(tokens: float = 1_000_000) -> Limiter:
    return Limiter(Quota(Limits(tokens_per_minute=tokens)), monotonic=asyncio.get_running_loop().time)


def limited(agent: Scripted, limiter: Limiter) -> LimitedAgent[str]:
    return LimitedAgent(agent, limiter, quota_tokens=lambda usage: usage.input_tokens + 5 * usage.output_tokens)


async def test_what_a_step_reports_takes_the_place_of_what_was_reserved() -> None:
    limiter = a_limiter()
    agent = limited(Scripted(a_step(Usage(input_tokens=9000, output_tokens=200))), limiter)
    await agent.next(agent.begin("text", ticket_id="t"), [])
    assert limiter.demand() == 10_000


async def test_a_step_that_reports_nothing_stays_counted_as_reserved() -> None:
    limiter = a_limiter()
    agent = limited(Scripted(a_step(NO_USAGE)), limiter)
    await agent.next("t", [])
    assert limiter.demand() >= 4000


@pytest.mark.parametrize(
    ("error", "counted"), [(Throttled("slow"), 0), (PermanentError("no"), 0), (TransientError("cut"), 4000)]
)
async def test_a_step_that_failed_counts_if_it_may_have_used_something(error: Exception, counted: int) -> None:
    limiter = a_limiter()
    with pytest.raises(type(error)):
        await limited(Scripted(error), limiter).next("t", [])
    assert (limiter.demand() >= 4000) == (counted > 0)
    assert limiter.throttles == isinstance(error, Throttled)


async def test_a_step_waits_until_the_quota_has_room() -> None:
    limiter = a_limiter(20_000)
    (await limiter.reserve("tickets", 20_000)).unanswered()
    began = asyncio.get_running_loop().time()
    await limited(Scripted(a_step(NO_USAGE)), limiter).next("t", [])
    assert asyncio.get_running_loop().time() - began == pytest.approx(61, abs=1)
