"""How much of a model's quota may go out now: a window that is never exceeded, and a pace that spreads it. Pure.

Bedrock counts input + maxTokens when a call starts and, when it ends, input + output x burndown in its place, which can
be more (user guide, "How tokens are counted in Amazon Bedrock"). It does not say whether a minute is a fixed window, a
sliding one or a bucket. A client whose own sum over *every* window of a minute stays within the limit is within it
under all three, wherever a fixed window begins; docs/decisions/a-window-and-a-pace.md has the argument and the figures.

Time is an argument, in seconds of any steady clock.
"""

from collections import deque
from dataclasses import dataclass, field

from shared.model.allowance import Allowance

PERIOD_SECONDS = 60.0
TRAVEL_SECONDS = 1.0
"""What is sent later can arrive earlier: a call counts this much longer than the service's own minute."""
BURST_SECONDS = 5.0
"""How much of a minute may go out at once after a lull; a burst of all of it would leave nothing to who comes next."""


@dataclass(slots=True)
class Entry:
    """What one call holds of a window."""

    at: float
    amount: float


@dataclass(slots=True)
class Window:
    """The sum over the last ``seconds``, moving with time."""

    seconds: float = PERIOD_SECONDS + TRAVEL_SECONDS
    used: float = 0.0
    _entries: deque[Entry] = field(default_factory=deque, repr=False)

    def take(self, amount: float, now: float) -> Entry:
        self.move_to(now)
        entry = Entry(now, amount)
        self._entries.append(entry)
        self.used += amount
        return entry

    def settle(self, entry: Entry, actual: float, now: float) -> None:
        """What is less is free again at once; what is more counts from now on, as a fixed window would have it."""
        self.move_to(now)
        if actual > entry.amount:
            self.take(actual - entry.amount, now)
        elif entry.at > now - self.seconds:
            self.used += actual - entry.amount
            entry.amount = actual

    def wait(self, amount: float, limit: float, now: float) -> float:
        """Seconds until ``amount`` fits under ``limit`` if nothing is settled meanwhile; more than all goes alone."""
        self.move_to(now)
        excess = self.used + min(amount, limit) - limit
        if excess <= 0:
            return 0.0
        for entry in self._entries:
            excess -= entry.amount
            if excess <= _ROUNDING:
                return max(0.0, entry.at + self.seconds - now)
        return self.seconds

    def move_to(self, now: float) -> None:
        entries = self._entries
        while entries and entries[0].at <= now - self.seconds:
            self.used -= entries.popleft().amount
        if not entries:
            self.used = 0.0  # Sums of floats drift.


_ROUNDING = 1e-6


@dataclass(slots=True)
class Pace:
    """A level that refills evenly; it falls below zero by what turns out to cost more than was thought."""

    level: float = 0.0
    refilled: float | None = None

    def wait(self, amount: float, rate: float, capacity: float, now: float) -> float:
        self._refill(rate, capacity, now)
        missing = min(amount, capacity) - self.level
        return max(0.0, missing / rate) if missing > _ROUNDING else 0.0

    def take(self, amount: float) -> None:
        self.level -= amount

    def _refill(self, rate: float, capacity: float, now: float) -> None:
        if self.refilled is None:
            self.level, self.refilled = capacity, now
        self.level = min(capacity, self.level + rate * (now - self.refilled))
        self.refilled = now


@dataclass(slots=True)
class Taken:
    """A call under way: what was set aside for it."""

    at: float
    tokens: float
    paced: float
    _entry: Entry
    _request: Entry
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is published for one model, or one task's share of it; None: no limit is known."""

    tokens_per_minute: float | None = None
    requests_per_minute: float | None = None

    def times(self, share: float) -> "Limits":
        return Limits(
            tokens_per_minute=None if self.tokens_per_minute is None else self.tokens_per_minute * share,
            requests_per_minute=None if self.requests_per_minute is None else self.requests_per_minute * share,
        )


class Quota:
    """One model's quota as one task has it.

    ``wait`` says whether a call may go, ``take`` sends it, and exactly one of ``settle``, ``throttled`` and
    ``give_back`` ends it. One that nobody ends stops counting by itself after a minute.
    """

    def __init__(
        self, limits: Limits, *, period_seconds: float = PERIOD_SECONDS, travel_seconds: float | None = None
    ) -> None:
        # A minute in production; measurements shorten it, and what may arrive late shrinks with it unless they say.
        travel = TRAVEL_SECONDS * period_seconds / PERIOD_SECONDS if travel_seconds is None else travel_seconds
        self._tokens = Window(period_seconds + travel)
        self._requests = Window(period_seconds + travel)
        self._pace = Pace()
        self._expected = 1.0  # How much of what calls set aside they have used of late.
        self.limits = limits
        self.allowance = Allowance(limits.tokens_per_minute, period_seconds=period_seconds)

    def change(self, limits: Limits) -> None:
        """Other published limits, or another share of them; what was learned from throttles stays in proportion."""
        self.limits = limits
        self.allowance.change(limits.tokens_per_minute)

    def used(self, now: float) -> float:
        """Tokens that count at this moment."""
        self._tokens.move_to(now)
        return self._tokens.used

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until a call of ``tokens`` may go: 0 for now. Ask again when anything is settled."""
        probing = self.allowance.wait(now)
        if probing > 0:
            return probing
        limit = self.allowance.limit
        waits = [0.0]
        if limit is not None:
            rate = limit / self._tokens.seconds
            waits.append(self._tokens.wait(tokens, limit, now))
            waits.append(self._pace.wait(tokens * self._expected, rate, self._capacity(limit), now))
        if self.limits.requests_per_minute is not None:
            # At least one: a limit below one a minute would stop everything for ever.
            most = max(1.0, self.limits.requests_per_minute * self.allowance.factor)
            waits.append(self._requests.wait(1.0, most, now))
        return max(waits)

    def take(self, tokens: float, now: float) -> Taken:
        paced = tokens * self._expected
        self._pace.take(paced)
        self.allowance.sent(now)
        return Taken(now, tokens, paced, self._tokens.take(tokens, now), self._requests.take(1.0, now))

    def settle(self, taken: Taken, actual: float, now: float) -> None:
        """The call was answered and used ``actual`` tokens of the quota."""
        if not self._end(taken):
            return
        used = self.used(now)
        self._tokens.settle(taken._entry, actual, now)
        self._pace.take(actual - taken.paced)
        if taken.tokens > 0:
            share = min(2.0, max(_LEAST_EXPECTED, actual / taken.tokens))
            self._expected += (share - self._expected) * _LEARNED_FROM_ONE
        self.allowance.accepted(sent_at=taken.at, used=used)

    def unanswered(self, taken: Taken, now: float) -> None:
        """The call failed in a way that may have used all that was set aside: it stays counted."""
        if self._end(taken):
            self.allowance.accepted(sent_at=taken.at, used=self.used(now))

    def throttled(self, taken: Taken, now: float) -> None:
        """The service refused the call for its rate and counted nothing."""
        if self._give_back(taken, now):
            self.allowance.throttled(sent_at=taken.at, used=self.used(now), now=now)

    def give_back(self, taken: Taken, now: float) -> None:
        """The call was never sent, or refused for another reason: it counted nothing and shows nothing."""
        if self._give_back(taken, now):
            self.allowance.withdrawn(sent_at=taken.at)

    def _give_back(self, taken: Taken, now: float) -> bool:
        if not self._end(taken):
            return False
        self._tokens.settle(taken._entry, 0.0, now)
        self._requests.settle(taken._request, 0.0, now)
        self._pace.take(-taken.paced)
        return True

    def _capacity(self, limit: float) -> float:
        return limit * BURST_SECONDS / PERIOD_SECONDS

    @staticmethod
    def _end(taken: Taken) -> bool:
        first, taken.settled = not taken.settled, True
        return first


_LEARNED_FROM_ONE = 0.1
_LEAST_EXPECTED = 0.02
