"""A lease in hand when writes fail, hang, or take effect while their answer is lost."""

import asyncio
from collections import deque
from typing import Literal, TypeAlias

import pytest

from shared.errors import PermanentError, TransientError
from shared.stream.holding import Holding
from shared.stream.leases import Lease, taken
from shared.stream.memory import MemoryLeases
from shared.stream.port import LeaseLost
from shared.stream.settings import StreamSettings
from tests.support.streams import half_way

pytestmark = pytest.mark.looptime

Mishap: TypeAlias = Literal["refused", "denied", "answer lost", "hangs", "hangs after its effect", "nothing"]


class Unreliable(MemoryLeases):
    """Each write meets the next of its mishaps."""

    def __init__(self) -> None:
        super().__init__()
        self.mishaps: deque[Mishap] = deque()

    async def swap(self, old: Lease, new: Lease) -> Lease:
        mishap = self.mishaps.popleft() if self.mishaps else "nothing"
        if mishap == "refused":
            raise TransientError("throttled")
        if mishap == "denied":
            raise PermanentError("access denied")
        if mishap == "hangs":
            await asyncio.Event().wait()
        written = await super().swap(old, new)
        if mishap == "answer lost":
            raise TransientError("connection reset")
        if mishap == "hangs after its effect":
            await asyncio.Event().wait()
        return written


async def a_holding(store: MemoryLeases, lease_seconds: float = 6.0) -> Holding:
    new = Lease(shard_id="s1")
    began = asyncio.get_running_loop().time()
    held = await store.swap(new, taken(new, "a"))
    return Holding(
        held,
        taken_at=began,
        leases=store,
        settings=StreamSettings(lease_seconds=lease_seconds),
        uniform=half_way,
    )


async def stored(store: MemoryLeases) -> Lease:
    (lease,) = await store.listing()
    return lease


@pytest.mark.parametrize("mishap", ["refused", "denied", "answer lost", "hangs", "hangs after its effect"])
async def test_a_checkpoint_is_tried_until_it_is_written(mishap: Mishap) -> None:
    store = Unreliable()
    holding = await a_holding(store)
    store.mishaps.extend([mishap])
    await holding.checkpoint("7")
    assert (await stored(store)).after == "7"
    await holding.checkpoint("8")
    await holding.release(ended=False)
    assert await stored(store) == holding.lease
    assert (holding.lease.owner, holding.lease.after) == (None, "8")


@pytest.mark.parametrize("mishap", ["answer lost", "hangs after its effect"])
async def test_a_renewal_goes_on_from_a_checkpoint_whose_answer_was_lost(mishap: Mishap) -> None:
    store = Unreliable()
    holding = await a_holding(store)
    store.mishaps.append(mishap)
    checkpoint = asyncio.ensure_future(holding.checkpoint("7"))
    await asyncio.sleep(0.01)
    checkpoint.cancel()  # Its reader was told to stop.
    await asyncio.gather(checkpoint, return_exceptions=True)
    keeping = asyncio.ensure_future(holding.keep())
    await asyncio.sleep(20)
    outcome = keeping.exception() if keeping.done() else None
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert outcome is None
    assert (await stored(store)).after == "7"


async def test_a_lease_that_cannot_be_renewed_is_let_go_before_others_may_take_it() -> None:
    store = Unreliable()
    holding = await a_holding(store)
    store.mishaps.extend(["hangs"] * 1_000)
    began = asyncio.get_running_loop().time()
    with pytest.raises(LeaseLost):
        await holding.keep()
    assert asyncio.get_running_loop().time() - began == pytest.approx(6.0)
    with pytest.raises(LeaseLost):
        holding.check()


async def test_a_kept_lease_is_renewed_three_times_a_lease_duration() -> None:
    store = Unreliable()
    holding = await a_holding(store)
    keeping = asyncio.ensure_future(holding.keep())
    await asyncio.sleep(60)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert 28 <= (await stored(store)).counter - 1 <= 30
    holding.check()


async def test_nothing_is_written_after_the_lease_was_taken_by_another() -> None:
    store = Unreliable()
    holding = await a_holding(store)
    theirs = await store.swap(holding.lease, taken(holding.lease, "b"))
    store.mishaps.append("refused")  # An unsure writer must not take the other's lease for its own write.
    with pytest.raises(LeaseLost):
        await holding.checkpoint("7")
    for write in (holding.checkpoint("8"), holding.release(ended=False)):
        with pytest.raises(LeaseLost):
            await write
    assert await stored(store) == theirs


async def test_renewal_and_checkpoint_do_not_trip_over_each_other() -> None:
    store = Unreliable()
    holding = await a_holding(store, lease_seconds=3.0)
    keeping = asyncio.ensure_future(holding.keep())
    for number in range(1, 400):
        await holding.checkpoint(str(number))
        await asyncio.sleep(0.01 * (number % 7))
    await holding.release(ended=False)
    await asyncio.sleep(10)
    assert keeping.done()
    assert keeping.exception() is None
    assert (await stored(store)).after == "399"


async def test_being_asked_for_shows_in_the_next_write_and_in_a_listing() -> None:
    store = Unreliable()
    holding = await a_holding(store)
    await store.ask(holding.lease, "b")
    holding.saw(await stored(store))
    assert holding.ending.is_set()
    another = Unreliable()
    other = await a_holding(another)
    await another.ask(other.lease, "b")
    await other.checkpoint("7")
    assert other.ending.is_set()
