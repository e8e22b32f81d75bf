"""A day's spending, a fleet's shares and an embedder in memory: the promises of their ports for one process."""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Sequence

from shared.errors import PermanentError
from shared.model.embeddings import Embedding
from shared.model.shares import Member
from shared.model.spend import Reservation, day_of


class MemorySpend:
    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._open: set[Reservation] = set()
        self._ids = itertools.count(1)

    async def reserve(
        self, account: str, tokens: int, *, limit: int, at: float, reservation_id: str | None = None
    ) -> Reservation | None:
        day = day_of(at)
        name = f"r-{next(self._ids)}" if reservation_id is None else reservation_id
        reservation = Reservation(account=account, day=day, reservation_id=name, tokens=tokens)
        if reservation in self._open:
            return reservation
        if self._counts[account, day] + tokens > limit:
            return None
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


class MemoryEmbedder:
    """Vectors by the words of a text: texts that share words are near each other, and nothing more is meant by it."""

    def __init__(self, dimensions: int = 64) -> None:
        self._dimensions = dimensions

    async def embed(self, text: str) -> Embedding:
        words = text.lower().split()
        if not words:
            raise PermanentError("a text without a word has no embedding")
        sums = [0.0] * self._dimensions
        for word in words:
            place = int.from_bytes(hashlib.blake2b(word.encode(errors="ignore"), digest_size=8).digest(), "big")
            sums[place % self._dimensions] += 1.0 if place & (1 << 63) else -1.0
        length = math.hypot(*sums)
        if length == 0:
            sums[0] = length = 1.0
        return Embedding(tuple(number / length for number in sums), max(1, len(words)))
