"""Who goes next when several kinds of work wait for one quota: fair shares, nothing left idle. Pure.

Start-time fair queueing: each lane has a virtual time that advances by what it took over its share, and the waiting
lane furthest behind goes next. A lane that was idle starts at the present, so it is next when it comes, however long
the others' backlog is; while it is idle the others have all of it.
"""

from collections.abc import Iterable, Mapping

LANES: Mapping[str, float] = {"tickets": 0.4, "singles": 0.2, "files": 0.4}
"""Shares of one task's quota while all lanes wait. Tickets live in tasks of another service: see ``shares``."""


class Lanes:
    def __init__(self, shares: Mapping[str, float] = LANES) -> None:
        if not shares or min(shares.values()) <= 0:
            raise ValueError("each lane needs a share above zero")
        self._shares = dict(shares)
        self._taken = dict.fromkeys(shares, 0.0)
        self._present = 0.0

    def __contains__(self, lane: str) -> bool:
        return lane in self._shares

    def join(self, lane: str) -> None:
        """The lane begins to wait after a time in which it did not."""
        self._taken[lane] = max(self._taken[lane], self._present)

    def next(self, waiting: Iterable[str]) -> str:
        """Of the lanes that wait, the one that goes first."""
        return min(waiting, key=lambda lane: (self._taken[lane], -self._shares[lane]))

    def took(self, lane: str, tokens: float) -> None:
        self._present = max(self._present, self._taken[lane])
        self._taken[lane] += tokens / self._shares[lane]
