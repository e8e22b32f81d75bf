"""What is sent through the queues: bodies made from the seed, some of them poison, some sent again later."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Body: TypeAlias = dict[str, Any]

POISON_SHARE = 0.02
BUG_SHARE = 0.02
FLAKY_SHARE = 0.05
SLOW_SHARE = 0.08
SLOW_SECONDS = 0.6
"""Long enough for strikes to land inside a handling."""
DUPLICATE_SHARE = 0.08


@dataclass(slots=True)
class Traffic:
    """Makes the messages of one queue. ``lanes`` are groups where the queue is FIFO."""

    name: str
    lanes: int
    die: random.Random
    sent: list[Body] = field(default_factory=list)
    _last: Counter[str] = field(default_factory=Counter)

    def more(self, how_many: int) -> list[Body]:
        """New messages, and among them a few that were sent long ago."""
        old = self.sent[: max(0, len(self.sent) - 5 * self.lanes)]
        fresh = [self._next() for _ in range(how_many)]
        self.sent += fresh
        # A letter of each poisonous message is counted, so those are not doubled.
        again = [body for body in old if body["kind"] in {"plain", "flaky"}]
        return fresh + [self.die.choice(again) for _ in fresh if again and self.die.random() < DUPLICATE_SHARE]

    def ids(self) -> set[str]:
        return {body["id"] for body in self.sent}

    def poison(self) -> set[str]:
        return {body["id"] for body in self.sent if body["kind"] in {"poison", "bug"}}

    def _next(self) -> Body:
        lane = f"{self.name}{self.die.randrange(self.lanes)}"
        self._last[lane] += 1
        return {"id": f"{lane}-{self._last[lane]}", "lane": lane, "kind": self._kind(), "seconds": self._seconds()}

    def _kind(self) -> str:
        kinds = ("poison", "bug", "flaky", "plain")
        rest = 1 - POISON_SHARE - BUG_SHARE - FLAKY_SHARE
        return self.die.choices(kinds, (POISON_SHARE, BUG_SHARE, FLAKY_SHARE, rest))[0]

    def _seconds(self) -> float:
        slow = self.die.random() < SLOW_SHARE
        return round(self.die.uniform(0.2, SLOW_SECONDS) if slow else self.die.uniform(0.0, 0.03), 3)
