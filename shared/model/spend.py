"""The promise of a spending limit a day: one count for the whole fleet, reserved before a call and settled after it.

What was reserved counts as spent until it is settled. A task that is killed between the two leaves its reservation
counted until the day is over: that errs by one call, towards spending less, and never forgets what may have been used.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """``tokens`` of ``account`` on ``day`` (UTC, ``2026-11-22``); settled on that day's count, whenever that is."""

    account: str
    day: str
    reservation_id: str
    tokens: int


class Spend(Protocol):
    """Counts tokens by account and day. Raises TransientError or PermanentError for the store's own failures."""

    async def reserve(
        self, account: str, tokens: int, *, limit: int, at: float, reservation_id: str | None = None
    ) -> Reservation | None:
        """Set ``tokens`` aside if the day's count stays within ``limit``, else None; of many at once, no more than fit.

        ``at`` is in seconds since the epoch and chooses the day. A call that is repeated by itself counts once; so do
        all calls with one ``reservation_id`` on one day until it is settled, whoever makes them.
        """
        ...

    async def settle(self, reservation: Reservation, used: int) -> None:
        """Count what was used in place of what was reserved, more or less. Settling again changes nothing."""
        ...

    async def counted(self, account: str, *, at: float) -> int:
        """What is spent or reserved on the day of ``at``."""
        ...


def day_of(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d")
