"""Handing records on, in order, until each is delivered or set aside; the checkpoint follows behind.

What may pass is tried again while the shard waits: going on would break the order. What will not pass is narrowed down
by halving the batch until single records are left over, which are quarantined, and the rest goes on. A half may hold
records that went out before the batch failed: those go out again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count
from typing import TypeAlias

from shared.backoff import Uniform
from shared.errors import PermanentError, TransientError
from shared.logs import logger
from shared.stream.holding import Holding
from shared.stream.record import Record
from shared.stream.settings import StreamSettings
from shared.waiting import is_set_within

log = logger("stream.delivery")

Deliver: TypeAlias = Callable[[Sequence[Record]], Awaitable[None]]
"""Returns only when every record is safe elsewhere. Raises TransientError to be called again with the same records,
PermanentError if one of them cannot be delivered at all."""

Quarantine: TypeAlias = Callable[[Record, str], Awaitable[None]]
"""Keeps a record that cannot be delivered, with the reason; returns only when it is safe."""


class Ended(Enum):
    """How trying ended, if not with a refusal."""

    DELIVERED = "delivered"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Refused:
    """The records cannot be delivered as they are; ``reason`` is fit for a dead letter."""

    error_class: str
    reason: str


Outcome: TypeAlias = Ended | Refused


def halves(records: Sequence[Record]) -> tuple[Sequence[Record], Sequence[Record]]:
    middle = len(records) // 2
    return records[:middle], records[middle:]


class Delivery:
    """Delivers the records of one shard for as long as its lease is held."""

    def __init__(
        self,
        holding: Holding,
        *,
        deliver: Deliver,
        quarantine: Quarantine | None,
        settings: StreamSettings,
        uniform: Uniform,
    ) -> None:
        self._holding = holding
        self._deliver = deliver
        self._quarantine = quarantine
        self._settings = settings
        self._uniform = uniform

    async def deliver(self, records: Sequence[Record]) -> Ended:
        """GIVEN_UP if the lease is to be handed over while delivery fails: the checkpoint shows how far it came.

        Raises LeaseLost.
        """
        parts = deque([records])
        while parts:
            part = parts.popleft()
            outcome = await self._until_settled(partial(self._deliver, part), len(part))
            if isinstance(outcome, Refused):
                if len(part) > 1:
                    parts.extendleft(reversed(halves(part)))
                    continue
                outcome = await self._set_aside(part[0], outcome)
            if outcome is Ended.GIVEN_UP:
                return outcome
            await self._holding.checkpoint(part[-1].sequence_number)
        return Ended.DELIVERED

    async def _set_aside(self, record: Record, refused: Refused) -> Ended:
        """Until it is safe in quarantine, the record holds its shard: passing over it would lose it."""
        for attempt in count():
            log.error(
                "poison_record",
                shard=record.shard_id,
                sequence_number=record.sequence_number,
                event_id=record.event_id,
                error_class=refused.error_class,
                attempt=attempt,
            )
            outcome = await self._until_settled(partial(self._keep, record, refused.reason), 1)
            if isinstance(outcome, Ended):
                return outcome
            if await is_set_within(self._holding.ending, self._settings.backoff.delay(attempt, self._uniform)):
                return Ended.GIVEN_UP
        raise AssertionError("count() has no end")

    async def _keep(self, record: Record, reason: str) -> None:
        if self._quarantine is None:
            raise PermanentError("there is no quarantine")
        await self._quarantine(record, reason)

    async def _until_settled(self, send: Callable[[], Awaitable[None]], records: int) -> Outcome:
        unexpected = 0
        for attempt in count():
            at_least = None
            self._holding.check()
            try:
                async with asyncio.timeout(self._settings.deliver_seconds):
                    await send()
                return Ended.DELIVERED
            except (TransientError, TimeoutError) as error:
                at_least = error.retry_after if isinstance(error, TransientError) else None
                error_class = type(error).__name__
            except PermanentError as error:
                return Refused(type(error).__name__, error.reason)
            except Exception as error:
                # A bug may fail on one record alone; without an end to the tries, that record would hold the shard
                # until its records are trimmed.
                error_class = type(error).__name__
                unexpected += 1
                if unexpected >= self._settings.max_failures:
                    return Refused(error_class, f"{error_class} in each of {unexpected} tries")
            log.warning(
                "delivery_failed", shard=self._shard_id, records=records, attempt=attempt, error_class=error_class
            )
            delay = self._settings.backoff.delay(attempt, self._uniform, at_least=at_least)
            if await is_set_within(self._holding.ending, delay):
                return Ended.GIVEN_UP
        raise AssertionError("count() has no end")

    @property
    def _shard_id(self) -> str:
        return self._holding.lease.shard_id
