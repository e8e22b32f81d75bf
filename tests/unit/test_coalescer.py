"""Callers that come together share one batch, by size or by time, and each gets its own result."""

import asyncio
from collections.abc import Sequence

import pytest

from services.feedback_tagger.asking.coalescer import Coalescer
from shared.errors import PermanentError, TransientError

pytestmark = pytest.mark.looptime


class Doubler:
    """Doubles numbers; remembers its batches and when they came; refuses a batch that holds a negative one, and is away
    for one that holds a zero."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, list[int]]] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append((round(asyncio.get_running_loop().time(), 3), list(numbers)))
        await asyncio.sleep(10)
        if min(numbers) < 0:
            raise PermanentError("negative")
        if 0 in numbers:
            raise TransientError("away")
        return [2 * number for number in numbers]


async def test_a_full_batch_goes_at_once_and_the_rest_when_its_time_is_up() -> None:
    double = Doubler()
    coalescer = Coalescer(double, at_most=3, seconds=0.5)
    results = await asyncio.gather(*(coalescer.submit(number) for number in range(1, 6)))
    assert results == [2, 4, 6, 8, 10]
    assert double.batches == [(0, [1, 2, 3]), (0.5, [4, 5])]


async def test_the_time_counts_from_the_first_of_a_batch() -> None:
    double = Doubler()
    coalescer = Coalescer(double, at_most=3, seconds=0.5)
    first = asyncio.ensure_future(coalescer.submit(1))
    await asyncio.sleep(0.4)
    second = asyncio.ensure_future(coalescer.submit(2))
    assert [await first, await second] == [2, 4]
    assert double.batches == [(0.5, [1, 2])]


async def test_a_passing_error_reaches_everyone_of_its_batch_and_nobody_else() -> None:
    double = Doubler()
    coalescer = Coalescer(double, at_most=2, seconds=0.5)
    results = await asyncio.gather(*(coalescer.submit(number) for number in (1, 0, 3)), return_exceptions=True)
    assert [type(result) for result in results] == [TransientError, TransientError, int]
    assert [batch for _, batch in double.batches] == [[1, 0], [3]]


async def test_a_refused_batch_costs_only_whoever_is_at_fault_for_it() -> None:
    double = Doubler()
    coalescer = Coalescer(double, at_most=4, seconds=0.5)
    results = await asyncio.gather(*(coalescer.submit(number) for number in (1, -1, 3, 0)), return_exceptions=True)
    assert [type(result) for result in results] == [int, PermanentError, int, TransientError]
    assert [batch for _, batch in double.batches] == [[1, -1, 3, 0], [1], [-1], [3], [0]]


async def test_nobody_who_has_gone_is_asked_for_again() -> None:
    double = Doubler()
    coalescer = Coalescer(double, at_most=3, seconds=0.5)
    first, gone, _ = submitted = [asyncio.ensure_future(coalescer.submit(number)) for number in (1, 2, -1)]
    await asyncio.sleep(1)
    gone.cancel()
    await asyncio.gather(*submitted, return_exceptions=True)
    assert first.result() == 2
    assert [batch for _, batch in double.batches] == [[1, 2, -1], [1], [-1]]


async def test_a_cancelled_caller_leaves_its_batch_and_the_others_go_on() -> None:
    double = Doubler()
    coalescer = Coalescer(double, at_most=3, seconds=0.5)
    gone, stays = (asyncio.ensure_future(coalescer.submit(number)) for number in (1, 2))
    await asyncio.sleep(0.1)
    gone.cancel()
    assert await stays == 4
    assert double.batches == [(0.5, [2])]
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_batch_whose_callers_have_all_gone_is_not_sent() -> None:
    double = Doubler()
    coalescer = Coalescer(double, at_most=3, seconds=0.5)
    gone = asyncio.ensure_future(coalescer.submit(1))
    await asyncio.sleep(0.1)
    gone.cancel()
    await asyncio.sleep(1)
    assert double.batches == []
