"""One model's quota for all callers of a process: they wait in fair lanes until their call may go.

    limiter = Limiter(Quota(Limits(tokens_per_minute=200_000)), monotonic=time.monotonic)
    model = LimitedModel(BedrockModel(client), limiter, lane="files", price=PRICES.of(model_id), uniform=random.uniform)

``Limits()`` without a figure sends everything until the service refuses, and learns from that. ``period_seconds`` of
Quota shortens the minute for measurements.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.errors import TransientError
from shared.model.lanes import LANES, Lanes
from shared.model.quota import Limits, Quota, Taken

UNHURRIED = frozenset({"files", "singles"})
"""Lanes whose work goes back to its queue on a drain instead of waiting a minute for quota; a ticket's run goes on."""


class Hold:
    """A call that may go, or is under way. Exactly one of its methods ends it; a second one changes nothing."""

    __slots__ = ("_limiter", "_taken")

    def __init__(self, limiter: "Limiter", taken: Taken) -> None:
        self._limiter = limiter
        self._taken = taken

    def settle(self, tokens: float) -> None:
        """It was answered and used ``tokens`` of the quota."""
        self._limiter._end(lambda quota, now: quota.settle(self._taken, tokens, now))

    def throttled(self) -> None:
        self._limiter.throttles += 1
        self._limiter._end(lambda quota, now: quota.throttled(self._taken, now))

    def unanswered(self) -> None:
        """It may have used all that it reserved: that stays counted until it leaves the minute by itself."""
        self._limiter._end(lambda quota, now: quota.unanswered(self._taken, now))

    def give_back(self) -> None:
        """It was never sent, or refused for a reason that has nothing to do with the rate."""
        self._limiter._end(lambda quota, now: quota.give_back(self._taken, now))


@dataclass(slots=True, eq=False)
class _Waiter:
    tokens: float
    granted: "asyncio.Future[Taken]"


@dataclass(slots=True, kw_only=True)
class RetryBudget:
    """Retries are at most a tenth of first tries over time: many callers that all retry would be a storm."""

    share: float = 0.1
    most: float = 20.0
    left: float = field(default=20.0)

    def first_try(self) -> None:
        self.left = min(self.most, self.left + self.share)

    def take(self) -> bool:
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Limiter:
    """``monotonic`` in seconds. Not for several event loops at once."""

    def __init__(
        self, quota: Quota, *, monotonic: Callable[[], float], shares: Mapping[str, float] | None = None
    ) -> None:
        self._quota = quota
        self._monotonic = monotonic
        self._lanes = Lanes(LANES if shares is None else shares)
        self._waiting: dict[str, deque[_Waiter]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._draining = False
        self.retries = RetryBudget()
        self.throttles = 0

    async def reserve(self, lane: str, tokens: float, *, again: bool = False) -> Hold:
        """Wait until a call of ``tokens`` may go; ``again`` puts a call that was refused before those behind it.

        Raises TransientError during a drain, in lanes whose work can go back to its queue.
        """
        if lane not in self._lanes:
            raise ValueError(f"no lane is called {lane!r}")
        if self._draining and lane in UNHURRIED:
            raise TransientError("the service is stopping; nothing new is sent to the model")
        waiter = _Waiter(tokens, asyncio.get_running_loop().create_future())
        queue = self._waiting.get(lane)
        if queue is None:
            queue = self._waiting[lane] = deque()
            self._lanes.join(lane)
        if again:
            queue.appendleft(waiter)
        else:
            queue.append(waiter)
        self._pump()
        try:
            return Hold(self, await waiter.granted)
        except asyncio.CancelledError:
            # Granted and cancelled in the same moment: nobody will send this call.
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                self._quota.give_back(waiter.granted.result(), self._monotonic())
            self._pump()
            raise

    def change(self, limits: Limits) -> None:
        """Other limits, or another share of them, from now on."""
        self._quota.change(limits)
        self._pump()

    def drain(self) -> None:
        """From now on nothing waits in lanes whose work can go back to its queue."""
        self._draining = True
        for lane in UNHURRIED & self._waiting.keys():
            for waiter in self._waiting.pop(lane):
                if not waiter.granted.done():
                    waiter.granted.set_exception(TransientError("the service is stopping"))
        self._pump()

    def demand(self) -> float:
        """Tokens a minute that this process could use: what counts now and what waits."""
        waiting = sum(
            waiter.tokens for queue in self._waiting.values() for waiter in queue if not waiter.granted.done()
        )
        return self._quota.used(self._monotonic()) + waiting

    @property
    def allowed(self) -> float | None:
        """Tokens a minute that are let through as far as is known; None: no limit was met yet."""
        return self._quota.allowance.limit

    def _end(self, end: Callable[[Quota, float], None]) -> None:
        end(self._quota, self._monotonic())
        self._pump()

    def _pump(self) -> None:
        """Grant whatever may go now, and wake up when the next may."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            lane = self._lanes.next(self._waiting)
            queue = self._waiting[lane]
            while queue and queue[0].granted.done():
                queue.popleft()  # Cancelled while it waited.
            if not queue:
                del self._waiting[lane]
                continue
            waiter, now = queue[0], self._monotonic()
            if (wait := self._quota.wait(waiter.tokens, now)) > 0:
                # Not a smaller one behind it: a large call would never go.
                self._timer = asyncio.get_running_loop().call_later(wait, self._pump)
                return
            queue.popleft()
            if not queue:
                del self._waiting[lane]
            self._lanes.took(lane, waiter.tokens)
            waiter.granted.set_result(self._quota.take(waiter.tokens, now))
