"""A budget a UTC day for the whole fleet, taken in blocks: hundreds of prompts between two writes of the count.

A block that a killed task held stays counted until midnight, so a budget may end up to a block a kill too early, never
too late. docs/decisions/the-tagger-s-day-is-counted-in-dollars.md says why dollars.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.clock import Now
from shared.errors import DeskhandError, OverBudget
from shared.logs import logger
from shared.model.port import Usage
from shared.model.prices import ModelPrice
from shared.model.spend import Reservation, Spend, day_of

log = logger("day_blocks")

FEEDBACK_USD = "feedback-usd"
"""The account of all of feedback's dollars, in billionths of one."""
BLOCKS_A_DAY = 200
"""A task's block is this part of the budget: what a kill costs, and 400 writes if one task spends all of it."""


@dataclass(slots=True, kw_only=True)
class DayBlocks:
    """``limit`` units a day of ``account``; ``cost`` says how many of them a use is (nano-dollars, tokens)."""

    spend: Spend
    account: str
    limit: int
    cost: Callable[[Usage], int]
    now: Now
    _block: Reservation | None = field(init=False, default=None)
    _left: int = field(init=False, default=0)
    _lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    async def take(self, expected: Usage) -> int:
        """Set ``expected`` aside and return its units. Raises OverBudget; TransientError while nobody can count."""
        units = self.cost(expected)
        async with self._lock:
            if self._block is None or self._block.day != day_of(self.now()) or self._left < units:
                await self._next_block(units)
            self._left -= units
        return units

    def settle(self, units: int, used: Usage | None) -> None:
        """What was set aside is replaced by what was used; None: nothing was."""
        self._left += units - (0 if used is None else self.cost(used))

    async def close(self) -> None:
        """Give back what is left of the block: the last thing a task does."""
        async with self._lock:
            await self._close_block()

    async def _next_block(self, units: int) -> None:
        await self._close_block()
        at = self.now()
        for size in (max(units, self.limit // BLOCKS_A_DAY), units):
            block = await self.spend.reserve(self.account, size, limit=self.limit, at=at)
            if block is not None:
                self._block, self._left = block, size
                return
        raise OverBudget(
            f"the budget of a day for {self.account} is used up; it begins anew at midnight UTC",
            retry_after=until_midnight(at),
        )

    async def _close_block(self) -> None:
        block, self._block = self._block, None
        left, self._left = self._left, 0
        if block is None:
            return
        try:
            # Settled even if all was used: open reservations are kept by name in the count's item.
            await self.spend.settle(block, max(0, block.tokens - left))
        except DeskhandError as error:
            log.warning("block_not_settled", account=self.account, left=left, reason=str(error)[:200])


def until_midnight(at: float) -> float:
    """Seconds until the UTC day of ``at`` is over."""
    moment = datetime.fromtimestamp(at, tz=UTC)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - moment).total_seconds()


def day_budgets(
    usd: float,
    quota_tokens: int | None,
    model_id: str,
    price: ModelPrice | None,
    *,
    spend: Spend,
    now: Now,
) -> tuple[DayBlocks, ...]:
    """The budgets of feedback's calls of one model: dollars over all models, and the model's own tokens if limited."""
    budgets = []
    if price is None:
        log.warning("model_without_price", model_id=model_id, consequence="its calls are not held to the day's dollars")
    else:
        budgets.append(
            DayBlocks(spend=spend, account=FEEDBACK_USD, limit=int(usd * 1_000_000_000), cost=price.nano_usd, now=now)
        )
    if quota_tokens is not None:
        counted = price.quota_tokens if price is not None else lambda usage: usage.input_tokens + usage.output_tokens
        budgets.append(DayBlocks(spend=spend, account=f"quota#{model_id}", limit=quota_tokens, cost=counted, now=now))
    return tuple(budgets)
