"""Keeping what is held invisible to others, and noticing when that failed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from shared.logs import logger
from shared.queue.hand import Hand, Held, Stage
from shared.queue.port import Queue
from shared.queue.settlement import longest_invisibility

log = logger("queue.heartbeats")


@dataclass(slots=True, kw_only=True, eq=False)
class Heartbeats:
    """Extends the visibility of everything in ``hand`` every third of it, until cancelled.

    ``lost`` is called for a message that is no longer ours: the queue said so, or its time ran out before an extension
    came through. ``changing`` is shared with all other changes of visibility: overtaken by a heartbeat that started
    before it, a give-back would be undone.
    """

    queue: Queue
    hand: Hand
    visibility_seconds: int
    changing: asyncio.Lock
    lost: Callable[[Held, str], None]

    async def run(self) -> None:
        every = self.visibility_seconds / 3  # three chances to extend
        next_turn = _time() + every
        while True:
            wake_at = min([next_turn, *(held.visible_at for held in self._kept())])
            # A timer may fire a tick early: sleeping for what is left of the tick would spin.
            await asyncio.sleep(max(0.001, wake_at - _time()))
            if _time() >= next_turn:
                # After a failure sooner again: the third chance may come too late.
                next_turn = _time() + (every if await self._extend() else every / 3)
            self._notice_expired()

    async def _extend(self) -> bool:
        """Extend everything held; return whether no extension has to be tried again."""
        async with self.changing:
            asked_at = _time()
            asked = [
                (held, seconds)
                for held in self._kept()
                if (seconds := longest_invisibility(self.visibility_seconds, asked_at - held.received_at)) > 0
            ]
            if not asked:
                return True
            try:
                # A call that hangs must not keep the next one from its turn.
                async with asyncio.timeout(self.visibility_seconds / 3):
                    failed = await self.queue.change_visibility(
                        [(held.message.receipt_handle, seconds) for held, seconds in asked]
                    )
            except Exception as error:
                log.warning(
                    "heartbeat_failed", queue=self.queue.name, held=len(asked), error_class=type(error).__name__
                )
                return False
        by_index = {failure.index: failure for failure in failed}
        for index, (held, seconds) in enumerate(asked):
            failure = by_index.get(index)
            if held not in self.hand:
                continue  # It ended while the call was on its way.
            if failure is None:
                held.visible_at = asked_at + seconds
            elif failure.sender_fault and held.stage in KEPT:
                self.lost(held, f"the queue refused to extend it: {failure.code}")
        return all(failure.sender_fault for failure in failed)

    def _notice_expired(self) -> None:
        now = _time()
        for held in self._kept():
            if held.visible_at <= now:
                self.lost(held, "its visibility ran out before an extension came through")

    def _kept(self) -> list[Held]:
        return [held for held in self.hand if held.stage in KEPT and held.lost is None]


KEPT = frozenset({Stage.READY, Stage.BEHIND, Stage.AT_WORK, Stage.DONE})


def _time() -> float:
    return asyncio.get_running_loop().time()
