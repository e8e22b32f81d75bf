"""Work that takes its time, beside the event loop, which has heartbeats to send meanwhile."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def aside(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """``work(*arguments)``, in a thread.

    A cancelled caller still waits for it: the thread would go on with files that the caller closes.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise
