"""A claim that one task of a fleet holds while it lives; the others stand by and take over when it runs out."""

from dataclasses import dataclass, field

from shared.errors import DeskhandError
from shared.idempotency.port import Claimed, ClaimLost, Idempotency
from shared.logs import logger

log = logger("standing")


@dataclass(slots=True, kw_only=True)
class StandingClaim:
    """``owner`` names this task's life. Ask ``is_ours`` at least three times in ``ttl_seconds``, or others take it.

    Two may believe it theirs for a moment (a task that was paused): what is done under it must bear that.
    """

    claims: Idempotency = field(repr=False)
    key: str
    owner: str
    ttl_seconds: float
    _held: Claimed | None = field(default=None, init=False)

    async def is_ours(self) -> bool:
        """Renew it or try to take it. Raises TransientError or PermanentError; then nothing is known."""
        if self._held is not None:
            try:
                self._held = await self.claims.renew(self._held, ttl_seconds=self.ttl_seconds)
            except ClaimLost:
                self._held = None
        if self._held is None:
            claim = await self.claims.claim(self.key, owner=self.owner, ttl_seconds=self.ttl_seconds)
            if isinstance(claim, Claimed):
                log.info("claimed", key=self.key, owner=self.owner)
                self._held = claim
        return self._held is not None

    async def leave(self) -> None:
        """Let another task have it at once."""
        if self._held is None:
            return
        try:
            await self.claims.release(self._held)
        except DeskhandError as error:
            log.warning("claim_not_released", key=self.key, error=repr(error))
        self._held = None
