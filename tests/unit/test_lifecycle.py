"""A task's life on virtual time: stop, drain, cancel; a loop that crashed brings the task down with its reason."""

import asyncio
import contextlib

import pytest

from shared.lifecycle import DrainTimedOut, Loop, LoopCrashed, StopEvent, run_loops
from tests.support.queues import loop_time

pytestmark = pytest.mark.looptime


def a_loop(name: str, *, drains_for: float = 0.0, ends: list[str] | None = None) -> Loop:
    """Waits for the stop, drains, and notes its end."""

    async def run(stop: StopEvent) -> None:
        try:
            await stop.wait()
            await asyncio.sleep(drains_for)
        except asyncio.CancelledError:
            if ends is not None:
                ends.append(f"{name} cancelled")
            raise
        if ends is not None:
            ends.append(f"{name} drained")

    return Loop(name, run)


def a_loop_that(what: Exception | None, *, after: float, name: str = "broken") -> Loop:
    """Raises ``what``, or returns, ``after`` seconds."""

    async def run(_: StopEvent) -> None:
        await asyncio.sleep(after)
        if what is not None:
            raise what

    return Loop(name, run)


async def stopped_after(stop: asyncio.Event, seconds: float) -> None:
    await asyncio.sleep(seconds)
    stop.set()


async def test_every_loop_drains_after_a_stop() -> None:
    stop, ends = asyncio.Event(), list[str]()
    stopping = asyncio.create_task(stopped_after(stop, 5))

    await run_loops([a_loop("a", drains_for=3, ends=ends), a_loop("b", ends=ends)], stop=stop, drain_seconds=10)

    assert ends == ["b drained", "a drained"]
    assert loop_time() == pytest.approx(8)
    await stopping


async def test_what_drains_longer_than_the_limit_is_cancelled_and_named() -> None:
    stop, ends = asyncio.Event(), list[str]()
    stop.set()

    with pytest.raises(DrainTimedOut) as raised:
        await run_loops([a_loop("slow", drains_for=99, ends=ends), a_loop("b", ends=ends)], stop=stop, drain_seconds=10)

    assert raised.value.loops == ("slow",)
    assert ends == ["b drained", "slow cancelled"]
    assert loop_time() == pytest.approx(10)


async def test_a_crashed_loop_brings_the_others_to_a_drained_end() -> None:
    stop, ends = asyncio.Event(), list[str]()

    with pytest.raises(LoopCrashed, match="broken: ValueError\\('no such table'\\)") as raised:
        await run_loops(
            [a_loop_that(ValueError("no such table"), after=5), a_loop("a", drains_for=3, ends=ends)],
            stop=stop,
            drain_seconds=10,
        )

    assert isinstance(raised.value.__cause__, ValueError)
    assert raised.value.loop == "broken"
    assert ends == ["a drained"]
    assert stop.is_set()


async def test_a_loop_that_returns_unasked_has_crashed() -> None:
    with pytest.raises(LoopCrashed, match="returned before it was asked to"):
        await run_loops([a_loop_that(None, after=1), a_loop("a")], stop=asyncio.Event(), drain_seconds=10)


async def test_a_loop_that_cancels_itself_has_crashed() -> None:
    async def gives_up(_: StopEvent) -> None:
        raise asyncio.CancelledError

    with pytest.raises(LoopCrashed, match="odd"):
        await run_loops([Loop("odd", gives_up), a_loop("a")], stop=asyncio.Event(), drain_seconds=10)


async def test_a_loop_that_crashes_while_draining_is_told() -> None:
    async def breaks_on_drain(stop: StopEvent) -> None:
        await stop.wait()
        raise ValueError("could not flush")

    stop = asyncio.Event()
    stop.set()

    with pytest.raises(LoopCrashed, match="could not flush"):
        await run_loops([Loop("flusher", breaks_on_drain), a_loop("a")], stop=stop, drain_seconds=10)


async def test_a_loop_that_crashes_on_its_cancellation_is_told() -> None:
    async def breaks_on_cancel(_: StopEvent) -> None:
        try:
            await asyncio.sleep(99)
        except asyncio.CancelledError:
            raise ValueError("could not give back") from None

    stop = asyncio.Event()
    stop.set()

    with pytest.raises(LoopCrashed, match="could not give back"):
        await run_loops([Loop("holder", breaks_on_cancel)], stop=stop, drain_seconds=10)


async def test_a_crash_is_told_even_if_another_loop_did_not_drain() -> None:
    with pytest.raises(LoopCrashed, match="broken"):
        await run_loops(
            [a_loop_that(ValueError(), after=1), a_loop("slow", drains_for=99)], stop=asyncio.Event(), drain_seconds=10
        )


async def test_a_loop_that_ignores_its_cancellation_does_not_keep_the_task_alive() -> None:
    async def stubborn(_: StopEvent) -> None:
        until = loop_time() + 1000
        while loop_time() < until:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(until - loop_time())

    stop = asyncio.Event()
    stop.set()

    with pytest.raises(DrainTimedOut):
        await run_loops([Loop("stubborn", stubborn)], stop=stop, drain_seconds=10)

    assert loop_time() < 20  # The kill comes 10 s after the drain limit.


async def test_cancelling_the_whole_cancels_every_loop_at_once() -> None:
    ends = list[str]()
    whole = asyncio.create_task(run_loops([a_loop("a", ends=ends)], stop=asyncio.Event(), drain_seconds=10))
    await asyncio.sleep(1)

    whole.cancel()
    await asyncio.wait({whole})

    assert whole.cancelled()
    assert ends == ["a cancelled"]
    assert loop_time() == pytest.approx(1)
