"""A task's life: loops run side by side until a signal or a crash, then drain inside one time limit.

ECS sends SIGTERM and follows it with SIGKILL after the container's ``stopTimeout`` (at most 120 s on Fargate, document
"Amazon ECS task definition parameters"). The drain limit must be smaller, so that what drains is finished by us and
not by the kill: stopTimeout = drain limit + 10 s.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from shared.logs import logger

log = logger("lifecycle")

CANCEL_SECONDS = 8.0
"""How long a cancelled loop may take to give back what it holds: inside the 10 s between drain limit and kill."""

StopEvent: TypeAlias = asyncio.Event
"""Set once, when the task is to stop: a loop takes nothing new, finishes or gives back what it has, and returns."""


@dataclass(frozen=True, slots=True)
class Loop:
    """One named thing a task does for as long as it lives."""

    name: str
    run: Callable[[StopEvent], Awaitable[None]]


class LoopCrashed(Exception):
    """A loop raised, or returned before it was asked to: the task must exit non-zero, and ECS starts another."""

    def __init__(self, loop: str, reason: str) -> None:
        super().__init__(f"{loop}: {reason}")
        self.loop = loop
        self.reason = reason


class DrainTimedOut(Exception):
    """These loops were still draining at the limit and were cancelled; what they held becomes visible again."""

    def __init__(self, loops: Sequence[str]) -> None:
        super().__init__(", ".join(loops))
        self.loops = tuple(loops)


def stop_on_signals(stop: StopEvent) -> None:
    """Let SIGTERM (ECS, Spot) and SIGINT (Ctrl-C) set ``stop``; needs the running event loop."""
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stop.set)


async def run_loops(loops: Sequence[Loop], *, stop: StopEvent, drain_seconds: float) -> None:
    """Run ``loops`` until ``stop`` is set or one of them ends, then drain all of them.

    Raises LoopCrashed if a loop ended unasked (the others are still drained first), DrainTimedOut if some had to be
    cancelled. Cancelling this coroutine cancels the loops at once, without a drain.
    """
    tasks = {asyncio.ensure_future(loop.run(stop)): loop.name for loop in loops}
    stopping = asyncio.ensure_future(stop.wait())
    late: set[asyncio.Task[None]] = set()
    try:
        await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        ended_unasked = None if stop.is_set() else next(task for task in tasks if task.done())
        stop.set()
        log.info("draining", limit_seconds=drain_seconds, loops=[tasks[task] for task in tasks if not task.done()])
        clock = asyncio.get_running_loop().time
        began = clock()
        _, late = await asyncio.wait(tasks, timeout=drain_seconds)
        log.info("drained", seconds=round(clock() - began, 3), late=[tasks[task] for task in late])
        await _cancel(late)
        crash = ended_unasked or next((task for task in tasks if _error(task) is not None), None)
        if crash is not None:
            cause = _error(crash)
            raise LoopCrashed(tasks[crash], repr(cause) if cause else "returned before it was asked to") from cause
        if late:
            raise DrainTimedOut([tasks[task] for task in late])
    finally:
        await _cancel({*tasks, stopping} - late)


async def _cancel(tasks: Iterable[asyncio.Future[Any]]) -> None:
    unfinished = [task for task in tasks if not task.done()]
    for task in unfinished:
        task.cancel()
    if unfinished:
        # One that ignores its cancellation must not hide from the log why the task ends.
        await asyncio.wait(unfinished, timeout=CANCEL_SECONDS)


def _error(task: asyncio.Future[None]) -> BaseException | None:
    return None if not task.done() or task.cancelled() else task.exception()
