"""What a model's quotas let through, counted in three ways that a client cannot tell apart from outside.

The formula is the Bedrock user guide's ("How tokens are counted in Amazon Bedrock"):

    at the start of a request      input tokens + maxTokens (the model's own limit where the request gives none)
    at its end, in its place       input tokens + cache writes + output tokens x burndown rate of the model

so the end can cost more than the start reserved: the excess is charged all the same and later requests pay for it. AWS
does not publish how it counts time; hence the shapes:

    fixed_window     the sum since the last whole period, counted from when the limit was set; a refund for a request
                     of an earlier window is lost, its excess falls into the present one
    sliding_window   the sum over the last period, moving with time
    token_bucket     a level that refills evenly up to the limit; it can fall below zero by excess

A refused request costs nothing. Time is an argument, in seconds.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from local.bedrock.settings import Limit


@dataclass(slots=True)
class Entry:
    """What one request holds of one limit."""

    at: float
    amount: float


class Count(Protocol):
    """One limit's state. ``take`` is for an amount that ``room`` has."""

    def room(self, now: float) -> float: ...

    def take(self, amount: float, now: float) -> Entry: ...

    def settle(self, entry: Entry, actual: float, now: float) -> None: ...


def allowed(limit: Limit) -> float:
    """What the limit really lets through in a period, before other tenants."""
    return limit.amount * (1 - limit.hidden_margin_percent / 100)


@dataclass(slots=True)
class FixedWindow:
    limit: Limit
    started: float
    window: int = 0
    used: float = 0

    def room(self, now: float) -> float:
        self._turn(now)
        into = (now - self.started) / self.limit.per_seconds - self.window
        return allowed(self.limit) - self.used - self.limit.other_tenant_amount * into

    def take(self, amount: float, now: float) -> Entry:
        self._turn(now)
        self.used += amount
        return Entry(now, amount)

    def settle(self, entry: Entry, actual: float, now: float) -> None:
        self._turn(now)
        difference = actual - entry.amount
        same_window = self._window_of(entry.at) == self.window
        self.used += difference if same_window else max(0.0, difference)

    def _turn(self, now: float) -> None:
        if (window := self._window_of(now)) != self.window:
            self.window, self.used = window, 0

    def _window_of(self, at: float) -> int:
        return math.floor((at - self.started) / self.limit.per_seconds)


@dataclass(slots=True)
class SlidingWindow:
    limit: Limit
    entries: deque[Entry] = field(default_factory=deque)

    def room(self, now: float) -> float:
        while self.entries and self.entries[0].at <= now - self.limit.per_seconds:
            self.entries.popleft()
        return allowed(self.limit) - sum(entry.amount for entry in self.entries) - self.limit.other_tenant_amount

    def take(self, amount: float, now: float) -> Entry:
        entry = Entry(now, amount)
        self.entries.append(entry)
        return entry

    def settle(self, entry: Entry, actual: float, now: float) -> None:
        if entry.at > now - self.limit.per_seconds:
            entry.amount = actual
        elif actual > entry.amount:
            self.entries.append(Entry(now, actual - entry.amount))


@dataclass(slots=True)
class TokenBucket:
    limit: Limit
    level: float
    refilled: float

    def room(self, now: float) -> float:
        refill = max(0.0, allowed(self.limit) - self.limit.other_tenant_amount) / self.limit.per_seconds
        self.level = min(allowed(self.limit), self.level + refill * (now - self.refilled))
        self.refilled = now
        return self.level

    def take(self, amount: float, now: float) -> Entry:
        self.level = self.room(now) - amount
        return Entry(now, amount)

    def settle(self, entry: Entry, actual: float, now: float) -> None:
        self.level = min(allowed(self.limit), self.room(now) + entry.amount - actual)


def counting(limit: Limit, now: float) -> Count:
    match limit.shape:
        case "fixed_window":
            return FixedWindow(limit, started=now)
        case "sliding_window":
            return SlidingWindow(limit)
        case "token_bucket":
            return TokenBucket(limit, level=allowed(limit), refilled=now)


@dataclass(frozen=True, slots=True)
class Reservation:
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Throttled:
    """The limit that has no room."""

    limit: Limit


class Quota:
    """All limits of one model together: a request needs room in each, and takes of all or none."""

    def __init__(self, limits: Sequence[Limit], now: float) -> None:
        self._limits = tuple((limit, counting(limit, now)) for limit in limits)

    def reserve(self, tokens: float, now: float) -> Reservation | Throttled:
        for limit, count in self._limits:
            if count.room(now) < _cost(limit, tokens):
                return Throttled(limit)
        return Reservation(tuple(count.take(_cost(limit, tokens), now) for limit, count in self._limits))

    def settle(self, reservation: Reservation, tokens: float, now: float) -> None:
        for (limit, count), entry in zip(self._limits, reservation.entries, strict=True):
            count.settle(entry, _cost(limit, tokens), now)

    def room(self, now: float) -> list[float]:
        """What each limit has left, in the order of the settings."""
        return [count.room(now) for _, count in self._limits]


def _cost(limit: Limit, tokens: float) -> float:
    return 1 if limit.counts == "requests" else tokens
