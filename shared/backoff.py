"""How long to wait before trying again: exponential with full jitter.

Source: AWS Architecture Blog, "Exponential Backoff And Jitter".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Uniform: TypeAlias = Callable[[float, float], float]
"""``random.uniform``: a float between its two arguments."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between 0 and ``base * 2 ** attempt`` seconds, never more than ``cap``."""

    base: float
    cap: float

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.cap:
            raise ValueError(f"base must be above 0 and at most cap, got base={self.base} cap={self.cap}")

    def delay(self, attempt: int, uniform: Uniform, *, at_least: float | None = None) -> float:
        """Seconds to wait after failure number ``attempt`` (0 is the first).

        ``at_least`` is the other side's own word (``TransientError.retry_after``): jitter is added on top of it, or
        everybody who was told the same number would come back at once.
        """
        # 2 ** 63 already exceeds any cap; an unbounded exponent would overflow a float after 1,024 failures.
        ceiling = min(self.cap, self.base * 2.0 ** min(attempt, 63))
        jitter = uniform(0.0, ceiling)
        return jitter if at_least is None else at_least + jitter
