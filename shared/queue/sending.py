"""Sending until everything is stored: a batch call that succeeds may still have failed for some of its messages."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace

from shared import tracing
from shared.backoff import Backoff, Uniform
from shared.errors import PermanentError, TransientError
from shared.queue.dead_letters import MOST_ATTRIBUTES
from shared.queue.message import Outgoing
from shared.queue.port import Failed, Queue

SEND_BACKOFF = Backoff(base=0.1, cap=5.0)


class NotAllSent(TransientError):
    """``unsent`` were still failing at the last attempt, in the order given; the others are stored."""

    def __init__(self, queue: str, unsent: Sequence[Outgoing], why: str) -> None:
        super().__init__(f"{len(unsent)} messages could not be sent to {queue}: {why}")
        self.unsent = tuple(unsent)


class SendRefused(PermanentError):
    """The queue will never take ``refused``; ``unsent`` (which includes them) are not stored, the others are."""

    def __init__(self, queue: str, refused: Sequence[Outgoing], unsent: Sequence[Outgoing], why: str) -> None:
        super().__init__(f"{queue} refused {len(refused)} messages: {why}")
        self.refused = tuple(refused)
        self.unsent = tuple(unsent)


async def send_all(
    queue: Queue,
    messages: Sequence[Outgoing],
    *,
    uniform: Uniform = random.uniform,
    attempts: int = 5,
    backoff: Backoff = SEND_BACKOFF,
) -> None:
    """Return only when every message is stored; raises NotAllSent or SendRefused if any is not.

    A retry may store a message twice in a standard queue, where the answer to the first send was lost.
    """
    unsent = in_this_trace(messages) if tracing.is_on() else list(messages)
    for attempt in range(attempts):
        if not unsent:
            return
        if attempt:
            await asyncio.sleep(backoff.delay(attempt - 1, uniform))
        failed = await _send(queue, unsent)
        refused = [unsent[failure.index] for failure in failed if failure.sender_fault]
        why = f"{failed[0].code}: {failed[0].text}" if failed else ""
        unsent = [unsent[failure.index] for failure in sorted(failed, key=lambda failure: failure.index)]
        if refused:
            raise SendRefused(queue.name, refused, unsent, why)
    if unsent:
        raise NotAllSent(queue.name, unsent, why)


def in_this_trace(messages: Sequence[Outgoing]) -> list[Outgoing]:
    """``messages`` with the context of the step that sends them; one that has a context of its own keeps it."""
    context = tracing.carrier()
    if not context:
        return list(messages)
    return [
        message
        if tracing.TRACEPARENT in message.attributes or len(message.attributes) >= MOST_ATTRIBUTES
        else replace(message, attributes={**message.attributes, **context})
        for message in messages
    ]


async def _send(queue: Queue, messages: Sequence[Outgoing]) -> list[Failed]:
    try:
        return await queue.send(messages)
    except TransientError as error:
        return [Failed(index, type(error).__name__, str(error), False) for index in range(len(messages))]
    except PermanentError as error:
        return [Failed(index, type(error).__name__, error.reason, True) for index in range(len(messages))]
