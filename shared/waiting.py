"""Waiting for an event or for time to pass, whichever comes first, and for tasks to be gone."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait at most ``seconds`` for ``event``; whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks`` and wait until they are gone, so that nothing of theirs runs on behind the caller's back."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
