"""Building queue messages and consumers: a test names only what matters to it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

from shared.queue.consumer import Consumer, ConsumerSettings, Handler
from shared.queue.failures import MemoryFailureCounts
from shared.queue.memory import MemoryQueue
from shared.queue.message import Message, Outgoing, Settlement
from shared.queue.port import Queue

_numbers = itertools.count(1)


def outgoing(
    body: str,
    *,
    group: str | None = None,
    deduplication_id: str | None = None,
    attributes: Mapping[str, str] | None = None,
    delay_seconds: int = 0,
) -> Outgoing:
    """A message to send; one with a group gets a deduplication id of its own."""
    return Outgoing(
        body=body,
        attributes=attributes or {},
        group_id=group,
        deduplication_id=deduplication_id or (f"id-{next(_numbers)}" if group is not None else None),
        delay_seconds=delay_seconds,
    )


def a_message(
    body: str = "a body",
    *,
    message_id: str = "message-1",
    attributes: Mapping[str, str] | None = None,
    group: str | None = None,
    sender_id: str = "sender",
) -> Message:
    """A received message."""
    return Message(
        message_id=message_id,
        receipt_handle=f"handle of {message_id}",
        body=body,
        receive_count=1,
        sent_at=0.0,
        first_received_at=0.0,
        sender_id=sender_id,
        attributes=attributes or {},
        group_id=group,
    )


def no_jitter(low: float, high: float) -> float:
    """Takes the place of ``random.uniform``: always the longest wait."""
    return high


def loop_time() -> float:
    return asyncio.get_running_loop().time()


def a_consumer(queue: Queue, handle: Handler, **changes: Any) -> Consumer:
    """A consumer of ``queue`` on virtual time. Settings and fields are given by name alike; the rest is plain."""
    names = {field.name for field in fields(ConsumerSettings)}
    settings = {name: value for name, value in changes.items() if name in names}
    others = {name: value for name, value in changes.items() if name not in names}
    dead = queue.name.removesuffix(".fifo") + "-dead" + (".fifo" if queue.fifo else "")
    defaults: dict[str, Any] = {
        "queue": queue,
        "dead_letters": MemoryQueue(dead),
        "handle": handle,
        "failures": MemoryFailureCounts(),
        "settings": ConsumerSettings(**{"workers": 4, **settings}),
        "now": loop_time,
        "uniform": no_jitter,
    }
    return Consumer(**{**defaults, **others})


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[asyncio.Event]:
    """Run ``consumer`` inside the block, then stop and drain it. Yields its stop event."""
    stop = asyncio.Event()
    task = asyncio.create_task(consumer.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await task


class Recorder:
    """A handler that notes when each body began and ended, and does what ``act`` does in between."""

    def __init__(self, act: Callable[[Message], Awaitable[Settlement | None]] | None = None, *, seconds: float = 0.0):
        self._act = act
        self._seconds = seconds
        self.began: list[tuple[float, str]] = []
        self.ended: list[tuple[float, str]] = []
        self.cancelled: list[str] = []
        self.at_work = 0
        self.most_at_work = 0

    async def __call__(self, message: Message) -> Settlement | None:
        self.began.append((loop_time(), message.body))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await asyncio.sleep(self._seconds)
            settlement = None if self._act is None else await self._act(message)
        except asyncio.CancelledError:
            self.cancelled.append(message.body)
            raise
        finally:
            self.at_work -= 1
        self.ended.append((loop_time(), message.body))
        return settlement

    @property
    def bodies(self) -> list[str]:
        return [body for _, body in self.began]

    def times(self, body: str) -> list[float]:
        return [at for at, began in self.began if began == body]
