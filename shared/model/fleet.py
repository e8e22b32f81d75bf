"""Keeps one model's limiter at this task's part of the fleet's limit: a loop that reads, divides and passes on."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from shared.errors import DeskhandError
from shared.lifecycle import StopEvent
from shared.logs import logger
from shared.model.limiter import Limiter
from shared.model.prices import ModelPrice, QuotaCodes
from shared.model.published import Published
from shared.model.quota import Limits, Quota
from shared.model.settings import ModelSettings
from shared.model.shares import BEAT_SECONDS, Member, Shared, Shares
from shared.waiting import is_set_within

log = logger("model_quota")

REREAD_SECONDS = 900.0
"""A raised quota is used a quarter of an hour later."""


@dataclass(slots=True, kw_only=True)
class FleetQuota:
    """``configured`` wins over what is ``published``; without ``shares`` this task has all of it."""

    model_id: str
    limiter: Limiter
    shared: Shared
    service: str
    configured: Limits
    codes: QuotaCodes
    published: Published | None
    shares: Shares | None
    monotonic: Callable[[], float] = field(repr=False)
    _limits: Limits = field(init=False, default=Limits())
    _read_at: float | None = field(init=False, default=None)
    _beat: int = field(init=False, default=0)
    _warned: bool = field(init=False, default=False)

    async def run(self, stop: StopEvent) -> None:
        while not stop.is_set():
            await self.turn()
            await is_set_within(stop, BEAT_SECONDS)
        self.limiter.drain()
        if self.shares is not None:
            try:
                await self.shares.remove(self._member(demand=0.0, beat=self._beat))
            except DeskhandError as error:
                log.warning("share_not_handed_over", model_id=self.model_id, reason=str(error)[:200])

    async def turn(self) -> None:
        """Read what is due, say what this task could use, and take the part that follows."""
        now = self.monotonic()
        if self._read_at is None or now - self._read_at >= REREAD_SECONDS:
            self._read_at = now
            self._limits = await self._read()
        part = 1.0 if self.shares is None else await self._part(self.shares)
        self.limiter.change(self._limits.times(part))

    async def _read(self) -> Limits:
        limits = self.configured
        if limits.tokens_per_minute is None and self.published is not None:
            try:
                found = await self.published.limits(self.codes)
                limits = replace(limits, tokens_per_minute=found.tokens_per_minute)
            except DeskhandError as error:
                # What was read before stays in force; a missing right is said once, not every quarter of an hour.
                limits = self._limits
                if not self._warned:
                    log.warning("quota_not_readable", model_id=self.model_id, reason=str(error)[:200])
                self._warned = True
        if limits != self._limits:
            log.info("model_limits", model_id=self.model_id, tokens_per_minute=limits.tokens_per_minute)
        return limits

    async def _part(self, shares: Shares) -> float:
        self._beat += 1
        try:
            members = await shares.renew(self._member(demand=self.limiter.demand(), beat=self._beat))
            now = self.monotonic()
            for member in self.shared.gone(members, now):
                await shares.remove(member)
            return self.shared.update(members, now)
        except DeskhandError as error:
            # The others count this task as there for a while; its part stays what it was.
            log.warning("shares_away", model_id=self.model_id, reason=str(error)[:200])
            return self.shared.part

    def _member(self, *, demand: float, beat: int) -> Member:
        return Member(task=self.shared.task, service=self.service, demand=demand, beat=beat)


def fleet_quota(
    model_id: str,
    settings: ModelSettings,
    *,
    service: str,
    task: str,
    price: ModelPrice | None,
    published: Published | None,
    shares: Shares | None,
    monotonic: Callable[[], float],
) -> FleetQuota:
    """A limiter for ``model_id`` and what keeps it at this task's part; ``turn`` it once before the first call."""
    codes = price.quota_codes if price is not None else QuotaCodes()
    if settings.model_quota_code is not None:
        codes = replace(codes, tokens_per_minute=settings.model_quota_code)
    return FleetQuota(
        model_id=model_id,
        limiter=Limiter(Quota(Limits()), monotonic=monotonic),
        shared=Shared(task=task, ticket_share=settings.ticket_share),
        service=service,
        configured=settings.model_limits,
        codes=codes,
        published=published,
        shares=shares,
        monotonic=monotonic,
    )
