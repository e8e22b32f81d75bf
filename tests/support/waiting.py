"""Waiting for something to become true, with a limit: what a test does instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


def wait_until(check: Callable[[], T], *, within: float = 20.0, what: str = "the condition") -> T:
    """Call ``check`` until it returns something true, and return that; AssertionError after ``within`` seconds."""
    until = time.monotonic() + within
    while not (result := check()):
        assert time.monotonic() < until, f"{what} did not come true within {within} s; last: {result!r}"
        time.sleep(POLL_SECONDS)
    return result


async def eventually(check: Callable[[], Awaitable[T]], *, within: float = 20.0, what: str = "the condition") -> T:
    """``wait_until`` for a coroutine function, which lets the event loop run meanwhile."""
    until = time.monotonic() + within
    while not (result := await check()):
        assert time.monotonic() < until, f"{what} did not come true within {within} s; last: {result!r}"
        await asyncio.sleep(POLL_SECONDS)
    return result
