"""The day's dollars as batch jobs take them: what a job may cost is set aside before it is created, settled at its end.

A job counts on the day on which it was created, under its own name: a task that is killed in between and tried again
counts it once. docs/decisions/a-job-s-cost-is-set-aside-at-its-creation.md says what happens where it does not fit.
"""

from dataclasses import dataclass, field

from shared.clock import Now
from shared.model.day_blocks import FEEDBACK_USD, until_midnight
from shared.model.spend import Reservation, Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBudget:
    """``limit`` is in billionths of a dollar a UTC day, the same count as that of the calls at once."""

    spend: Spend = field(repr=False)
    limit: int
    now: Now = field(repr=False)

    async def take(self, name: str, nano_usd: int) -> str | None:
        """The day whose budget now holds ``nano_usd`` for the job ``name``; None if no room is left on it."""
        held = await self.spend.reserve(
            FEEDBACK_USD, nano_usd, limit=self.limit, at=self.now(), reservation_id=f"job#{name}"
        )
        return None if held is None else held.day

    async def settle(self, name: str, day: str, nano_usd: int, used: int) -> None:
        """Count ``used`` in place of the ``nano_usd`` taken on ``day``; again changes nothing."""
        held = Reservation(account=FEEDBACK_USD, day=day, reservation_id=f"job#{name}", tokens=nano_usd)
        await self.spend.settle(held, used)

    def until_next_day(self) -> float:
        return until_midnight(self.now())
