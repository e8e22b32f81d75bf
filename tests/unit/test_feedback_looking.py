"""What is looked up again and again: one answer for all who ask at once, and no answer kept too long."""

import asyncio

import pytest

from services.feedback_tagger.asking.looking import Recent
from shared.errors import TransientError


class Source:
    """Answers with how often it was asked, once it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.begun = asyncio.Event()
        self.failure: Exception | None = None

    async def read(self, _: str) -> int:
        self.asked += 1
        asked = self.asked
        self.begun.set()
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return asked


async def test_all_who_ask_at_once_wait_for_one_answer_until_it_is_too_old() -> None:
    time, source = [0.0], Source()
    recent = Recent(source.read, lambda: time[0], 5.0)
    asking = [asyncio.create_task(recent("run")) for _ in range(10)]
    await source.begun.wait()
    source.may_answer.set()
    assert await asyncio.gather(*asking) == [1] * 10
    time[0] = 4.9
    assert await recent("run") == 1
    time[0] = 5.0
    assert await recent("run") == 2


async def test_who_gives_up_leaves_the_answer_to_the_others() -> None:
    source = Source()
    recent = Recent(source.read, lambda: 0.0, 5.0)
    first, second = asyncio.create_task(recent("run")), asyncio.create_task(recent("run"))
    await source.begun.wait()
    first.cancel()
    source.may_answer.set()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failure_is_told_to_all_who_wait_and_kept_from_the_next() -> None:
    source = Source()
    source.failure = TransientError("the database is away")
    recent = Recent(source.read, lambda: 0.0, 5.0)
    source.may_answer.set()
    told = await asyncio.gather(recent("run"), recent("run"), return_exceptions=True)
    assert [type(each) for each in told] == [TransientError, TransientError]
    source.failure = None
    assert await recent("run") == 2
