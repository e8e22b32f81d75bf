"""What all tickets together may spend on the model in a day: asked before every call, told after it."""

from dataclasses import dataclass

from shared.clock import Now
from shared.errors import DeskhandError
from shared.logs import logger
from shared.model.port import Usage
from shared.model.spend import Reservation, Spend

log = logger("day_budget")

ACCOUNT = "tickets"


class DayBudgetSpent(Exception):
    """No more calls today; the text is the reason as a person reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBudget:
    """``tokens`` is the limit a UTC day for every task of the service together."""

    spend: Spend
    tokens: int
    now: Now

    async def reserve(self, tokens: int) -> Reservation:
        """Raises DayBudgetSpent; TransientError while the count cannot be reached: nobody spends uncounted."""
        reservation = await self.spend.reserve(ACCOUNT, tokens, limit=self.tokens, at=self.now())
        if reservation is None:
            raise DayBudgetSpent(
                f"The agent's budget of {self.tokens} tokens a day for all tickets is used up; "
                "it begins anew at midnight UTC."
            )
        return reservation

    async def settle(self, reservation: Reservation, used: Usage) -> None:
        """A reply that does not say what it used counts as it was reserved."""
        if (tokens := used.input_tokens + used.output_tokens) > 0:
            await self._settle(reservation, tokens)

    async def give_back(self, reservation: Reservation) -> None:
        """For a call that was refused and has certainly used nothing."""
        await self._settle(reservation, 0)

    async def _settle(self, reservation: Reservation, used: int) -> None:
        try:
            await self.spend.settle(reservation, used)
        except DeskhandError as error:
            # The reply is paid for and must not be lost over its bill: the reservation stays counted.
            log.warning("not_settled", tokens=reservation.tokens, used=used, reason=str(error)[:200])
