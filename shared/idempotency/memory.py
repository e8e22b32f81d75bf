"""Claims in memory, for tests of the loops."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from shared.clock import Now, wall_clock
from shared.idempotency.port import Claim, Claimed, ClaimLost, Completed, InProgress


@dataclass(slots=True)
class _Record:
    token: int
    until: float
    owner: str
    released: bool = False
    result: str | None = None
    forget_at: float = field(default=float("inf"))


class MemoryIdempotency:
    """``before`` is called with the name of each operation first and may raise, as a network would."""

    def __init__(self, *, now: Now = wall_clock, before: Callable[[str], None] = lambda _: None) -> None:
        self._now = now
        self._before = before
        self._records: dict[str, _Record] = {}

    async def claim(self, key: str, *, owner: str, ttl_seconds: float) -> Claim:
        self._before("claim")
        now = self._now()
        record = self._records.get(key)
        if record is not None and record.forget_at > now:
            if record.result is not None:
                return Completed(record.result)
            if record.until > now and not record.released:
                return InProgress(record.until)
        token = int(now * 1000) + 1 if record is None else max(record.token, int(now * 1000)) + 1
        self._records[key] = _Record(token, now + ttl_seconds, owner)
        return Claimed(key, token, now + ttl_seconds)

    async def renew(self, claimed: Claimed, *, ttl_seconds: float) -> Claimed:
        self._before("renew")
        record = self._held(claimed)
        if record.result is not None:
            raise ClaimLost(f"{claimed.key} is completed")
        record.until = self._now() + ttl_seconds
        return replace(claimed, until=record.until)

    async def complete(self, claimed: Claimed, result: str, *, remember_seconds: float) -> None:
        self._before("complete")
        record = self._held(claimed)
        record.result = result
        record.forget_at = self._now() + remember_seconds

    async def release(self, claimed: Claimed) -> None:
        self._before("release")
        record = self._records.get(claimed.key)
        if record is not None and record.token == claimed.token and record.result is None:
            record.released = True

    def _held(self, claimed: Claimed) -> _Record:
        record = self._records.get(claimed.key)
        if record is None or record.token != claimed.token or record.released:
            raise ClaimLost(f"{claimed.key} was released or taken by another")
        return record
