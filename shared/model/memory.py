"""A day's spending and a fleet's shares in memory: the promises of spend.py and shares.py for one process."""

import itertools
from collections import Counter
from collections.abc import Sequence

from shared.model.shares import Member
from shared.model.spend import Reservation, day_of


class MemorySpend:
    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._open: set[Reservation] = set()
        self._ids = itertools.count(1)

    async def reserve(self, account: str, tokens: int, *, limit: int, at: float) -> Reservation | None:
        day = day_of(at)
        if self._counts[account, day] + tokens > limit:
            return None
        reservation = Reservation(account=account, day=day, reservation_id=f"r-{next(self._ids)}", tokens=tokens)
        self._counts[account, day] += tokens
        self._open.add(reservation)
        return reservation

    async def settle(self, reservation: Reservation, used: int) -> None:
        if reservation in self._open:
            self._open.remove(reservation)
            self._counts[reservation.account, reservation.day] += used - reservation.tokens

    async def counted(self, account: str, *, at: float) -> int:
        return self._counts[account, day_of(at)]


class MemoryShares:
    def __init__(self) -> None:
        self._members: dict[str, Member] = {}

    async def renew(self, member: Member) -> Sequence[Member]:
        self._members[member.task] = member
        return list(self._members.values())

    async def remove(self, member: Member) -> None:
        found = self._members.get(member.task)
        if found is not None and found.beat == member.beat:
            del self._members[member.task]
