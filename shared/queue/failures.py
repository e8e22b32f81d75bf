"""How often a message failed, in our own records: a receive count also rises by give-backs, Spot stops and kills."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Failures:
    """``counted`` failures suggest that the message is at fault; ``total`` also has those that do not.

    ``first_at`` is seconds since the epoch.
    """

    counted: int
    total: int
    first_at: float


class FailureCounts(Protocol):
    """Remembers failures across tasks and restarts, at least a day after the last one.

    A count may be one too high when the answer to an ``add`` was lost and it was sent again; never too low.
    """

    async def add(self, key: str, *, now: float, counted: bool) -> Failures:
        """Record one failure of ``key`` and return all of them. Raises TransientError or PermanentError."""
        ...


class MemoryFailureCounts:
    """Counts of this process, for tests of the loops."""

    def __init__(self) -> None:
        self.failures: dict[str, Failures] = {}

    async def add(self, key: str, *, now: float, counted: bool) -> Failures:
        before = self.failures.get(key, Failures(0, 0, now))
        after = Failures(before.counted + counted, before.total + 1, before.first_at)
        self.failures[key] = after
        return after
