"""Calls of one moment go together, and nobody waits for a company that does not come."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from services.feedback_tagger.store.gathered import Gathered


class Calls:
    """Doubles what it is given once it is let go; a 13 fails whatever it comes with."""

    def __init__(self) -> None:
        self.made: list[list[int]] = []
        self.begun, self.let_go = asyncio.Event(), asyncio.Event()

    async def __call__(self, given: Sequence[int]) -> list[int]:
        self.made.append(list(given))
        self.begun.set()
        await self.let_go.wait()
        if 13 in given:
            raise ValueError("thirteen")
        return [2 * number for number in given]


async def test_what_comes_in_one_turn_and_while_calls_are_under_way_goes_together() -> None:
    calls = Calls()
    doubled = Gathered(carry_out=calls, most=3, at_once=1)
    first = [asyncio.ensure_future(doubled(number)) for number in (1, 2)]
    await calls.begun.wait()
    later = [asyncio.ensure_future(doubled(number)) for number in (3, 4, 5, 6)]
    await asyncio.sleep(0)
    assert calls.made == [[1, 2]]
    calls.let_go.set()
    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8, 10, 12]
    assert calls.made == [[1, 2], [3, 4, 5], [6]]


async def test_one_who_was_cancelled_before_his_turn_is_left_out_and_one_after_it_costs_nobody_else() -> None:
    calls = Calls()
    doubled = Gathered(carry_out=calls, most=3, at_once=1)
    under_way, beside = (asyncio.ensure_future(doubled(number)) for number in (1, 2))
    await calls.begun.wait()
    waiting, behind = (asyncio.ensure_future(doubled(number)) for number in (3, 4))
    await asyncio.sleep(0)
    under_way.cancel()
    waiting.cancel()
    calls.let_go.set()
    assert list(await asyncio.gather(beside, behind)) == [4, 8]
    assert calls.made == [[1, 2], [4]]


async def test_a_failure_is_each_callers_own_and_the_next_call_goes_on() -> None:
    calls = Calls()
    calls.let_go.set()
    doubled = Gathered(carry_out=calls, most=3, at_once=1)
    ended = await asyncio.gather(doubled(13), doubled(1), return_exceptions=True)
    assert [type(end) for end in ended] == [ValueError, ValueError]
    with pytest.raises(ValueError, match="thirteen"):
        await doubled(13)
    assert await doubled(2) == 4


async def test_calls_know_nothing_of_what_a_caller_works_on() -> None:
    message = ContextVar("message", default="none")

    async def seen(given: Sequence[int]) -> list[str]:
        return [message.get()] * len(given)

    gathered = Gathered(carry_out=seen, most=3)
    message.set("the first caller's")
    assert await gathered(1) == "none"
