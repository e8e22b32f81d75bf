"""Many callers, one batch: what comes in together within a moment goes out together.

Each caller waits for its own result, so backpressure stays with whoever limits the callers. A batch that is refused
goes out again one by one, so that whoever is at fault for it fails alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.errors import TransientError

T = TypeVar("T")
R = TypeVar("R")


class Coalescer(Generic[T, R]):
    """Calls ``flush`` with up to ``at_most`` things as soon as there are so many, or ``seconds`` after the first.

    ``flush`` returns one result a thing, in order. If it raises TransientError, every caller of that batch gets the
    error: asking for each alone would only add to what is too much already. After any other error each thing is flushed
    once more by itself, one after the other, and its caller gets what comes of that.
    """

    def __init__(self, flush: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, at_most: int, seconds: float) -> None:
        self._flush = flush
        self._at_most = at_most
        self._seconds = seconds
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._flushes: set[asyncio.Task[None]] = set()

    async def submit(self, thing: T) -> R:
        """The result for ``thing``. Cancelled, it leaves its batch if that has not gone out."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        entry = (thing, future)
        self._waiting.append(entry)
        if len(self._waiting) >= self._at_most:
            self._go()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds, self._go)
        try:
            return await future
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    def _go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        if batch:
            # The loop itself keeps only weak references to tasks.
            flush = asyncio.ensure_future(self._run(batch))
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)

    async def _run(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._flush([thing for thing, _ in batch])
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, TransientError):
                for entry in batch:
                    # Whoever gave up waiting meanwhile has nobody to be asked for.
                    if not entry[1].done():
                        await self._run([entry])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
