"""A lease in hand: renewed, moved on and given back; or lost, and then of no more use.

The holder trusts the lease until ``lease_seconds`` after it began its last successful write, by its own clock. Whoever
watches the counter sees that write later than it began, so its wait ends later than the holder's trust.
"""

import asyncio
from collections.abc import Callable
from itertools import count

from shared.backoff import Uniform
from shared.errors import DeskhandError
from shared.logs import logger
from shared.stream.leases import Lease, checkpointed, is_our_own_write, released, renewed
from shared.stream.port import LeaseLost, Leases
from shared.stream.settings import StreamSettings

log = logger("stream.lease")


class Holding:
    """One held lease. ``ending`` is set when it is to be given back as soon as what is in hand is delivered."""

    def __init__(
        self, lease: Lease, *, taken_at: float, leases: Leases, settings: StreamSettings, uniform: Uniform
    ) -> None:
        self.lease = lease
        self.ending = asyncio.Event()
        self._leases = leases
        self._settings = settings
        self._uniform = uniform
        self._trusted_until = taken_at + settings.lease_seconds
        # Renewal and checkpoint both raise the counter that the other's condition names: one after the other.
        self._writing = asyncio.Lock()
        self._unsure = False
        self._over = False

    def check(self) -> None:
        """Raises LeaseLost if the lease may no longer be acted upon. Call before each delivery, without an await
        between: after a pause of the whole process this is the first thing that notices."""
        if self._over or asyncio.get_running_loop().time() >= self._trusted_until:
            raise LeaseLost(self.lease.shard_id, None)

    def saw(self, listed: Lease) -> None:
        """Take note of a listing, which shows sooner than the next renewal that somebody asks for the lease."""
        if listed.owner == self.lease.owner and listed.wanted_by is not None:
            self.ending.set()

    async def keep(self) -> None:
        """Renew until the lease is given back. Raises LeaseLost."""
        while not self._over:
            await asyncio.sleep(self._settings.renew_seconds)
            await self._write(renewed)

    async def checkpoint(self, after: str) -> None:
        """Everything up to ``after`` is safely delivered. Tries until it is written; raises LeaseLost."""
        await self._write(lambda lease: checkpointed(lease, after))

    async def release(self, *, ended: bool) -> None:
        """Give the lease back, at its checkpoint or as ended. Tries until it is written; raises LeaseLost."""
        await self._write(lambda lease: released(lease, ended=ended))

    async def _write(self, change: Callable[[Lease], Lease]) -> None:
        loop = asyncio.get_running_loop()
        for attempt in count():
            try:
                async with self._writing:
                    if self._over and change is renewed:
                        return
                    self.check()
                    # A try that hangs must leave time for another.
                    until = min(loop.time() + self._settings.renew_seconds, self._trusted_until)
                    async with asyncio.timeout_at(until):
                        await self._try(change, began=loop.time())
                    return
            except LeaseLost:
                self._over = True
                raise
            except (DeskhandError, TimeoutError) as error:
                log.warning("lease_write_failed", shard=self.lease.shard_id, attempt=attempt, error=repr(error))
            left = self._trusted_until - loop.time()
            await asyncio.sleep(max(0.0, min(self._settings.backoff.delay(attempt, self._uniform), left)))

    async def _try(self, change: Callable[[Lease], Lease], *, began: float) -> None:
        earlier_may_have_landed = self._unsure
        # However this try ends, unless with an answer: it may have taken effect.
        self._unsure = True
        try:
            written = await self._leases.swap(self.lease, change(self.lease))
        except LeaseLost as lost:
            if not (earlier_may_have_landed and lost.current and is_our_own_write(self.lease, lost.current)):
                raise
            # An earlier write whose answer was lost did take effect: go on from what it left.
            self.lease = lost.current
            written = await self._leases.swap(self.lease, change(self.lease))
        self.lease = written
        self._unsure = False
        self._trusted_until = began + self._settings.lease_seconds
        self._over = written.owner is None
        if written.wanted_by is not None:
            self.ending.set()
