"""Entries carried out together and soon: ten share a call, and what fails in part is tried again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.backoff import Backoff, Uniform
from shared.logs import logger
from shared.queue.port import Failed

log = logger("queue.batches")

Entry = TypeVar("Entry")

BATCH = 10
"""The most entries of one SQS batch call (Amazon SQS API reference, "DeleteMessageBatch")."""


@dataclass(slots=True, kw_only=True, eq=False)
class Batches(Generic[Entry]):
    """Collects entries for at most ``linger`` seconds, carries them out, and tells ``done`` how each ended.

    An entry stays here until its call has answered: cancelled at any point, ``flush_once`` finds all that may not have
    been carried out. A refused entry (``sender_fault``) is done; other failures are tried again while ``still_wanted``.
    """

    name: str
    carry_out: Callable[[Sequence[Entry]], Awaitable[list[Failed]]]
    done: Callable[[Entry, Failed | None], None]
    still_wanted: Callable[[Entry], bool]
    linger: float
    call_seconds: float
    uniform: Uniform
    retry: Backoff = field(default_factory=lambda: Backoff(base=0.1, cap=5.0))
    _entries: list[Entry] = field(default_factory=list)
    _due: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None
    _hurried: bool = False

    def add(self, entry: Entry, *, urgent: bool = False) -> None:
        """Carry ``entry`` out: at once if ``urgent`` or ten are together, else after the linger."""
        self._entries.append(entry)
        if urgent or self._hurried or len(self._entries) >= BATCH or self.linger == 0:
            self._due.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self.linger, self._due.set)

    def hurry(self) -> None:
        """Linger no more, for the drain: there is nothing left to wait for."""
        self._hurried = True
        if self._entries:
            self._due.set()

    async def run(self) -> None:
        """Turn until cancelled."""
        failed_turns = 0
        while True:
            await self._due.wait()
            if await self._turn():
                failed_turns = 0
            else:
                await asyncio.sleep(self.retry.delay(failed_turns, self.uniform))
                failed_turns += 1

    async def flush_once(self) -> None:
        """One attempt at everything, for a consumer that is being cancelled; ``run`` must have ended."""
        if self._entries:
            await self._turn()
        self._stop_timer()

    async def _turn(self) -> bool:
        """Carry out what is there; return whether nothing has to be tried again."""
        self._due.clear()
        self._stop_timer()
        batch = list(self._entries)
        failed = await self._call(batch)
        del self._entries[: len(batch)]
        again = self._settle(batch, failed)
        self._entries.extend(again)
        if self._entries:
            self._due.set()
        return not again

    async def _call(self, batch: Sequence[Entry]) -> list[Failed]:
        try:
            async with asyncio.timeout(self.call_seconds):
                return await self.carry_out(batch)
        except Exception as error:
            # Whatever it was, none of the batch is known to be carried out, and the loop must go on.
            log.warning("batch_failed", batches=self.name, entries=len(batch), error_class=type(error).__name__)
            code = type(error).__name__
            return [Failed(index, code, str(error), sender_fault=False) for index in range(len(batch))]

    def _settle(self, batch: Sequence[Entry], failed: Sequence[Failed]) -> list[Entry]:
        by_index = {failure.index: failure for failure in failed}
        again: list[Entry] = []
        for index, entry in enumerate(batch):
            failure = by_index.get(index)
            if failure is not None and not failure.sender_fault and self.still_wanted(entry):
                again.append(entry)
            else:
                self.done(entry, failure)
        return again

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
