"""How a handled message ends: decided from what its handler said or raised and how often it failed before."""

from dataclasses import dataclass, field
from typing import TypeAlias

from shared.backoff import Backoff, Uniform
from shared.errors import DeskhandError, PermanentError, TransientError
from shared.queue.failures import Failures
from shared.queue.message import Ack, DeadLetter, GiveBack, Retry, Settlement

LONGEST_INVISIBILITY_SECONDS = 12 * 3600
"""Counted from the receipt, over all extensions (Amazon SQS Developer Guide, "Amazon SQS visibility timeout")."""


class DeadlineExceeded(TransientError):
    """The handler did not end inside its deadline and was cancelled; unlike other transient errors it is counted."""


Outcome: TypeAlias = Settlement | BaseException | None
"""What a handler returned (None means Ack) or raised."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSettings:
    """What each number protects is said beside it; seconds throughout.

    ``workers`` handle one message each. ``prefetch`` more are received and kept alive by heartbeats but not begun: 0
    suits slow handlers (a message waits here while another task is idle), two or three times ``workers`` suits handlers
    faster than a receive. ``receivers`` long polls run at once.
    """

    deadline_seconds: float = 300.0
    """For one handling; then the handler is cancelled and that counts as a failure."""
    workers: int = 8
    prefetch: int = 0
    receivers: int = 1
    visibility_seconds: int = 60
    """How long a message stays away from others after a kill; heartbeats renew it every third of it."""
    wait_seconds: int = 20
    """The longest SQS long poll; also the longest that a drain waits for one."""
    max_failures: int = 5
    """Failures that suggest the message is at fault (an unexpected exception, a deadline) before the dead letter."""
    transient_seconds: float = 2 * 3600.0
    """How long a message may go on failing transiently, or asking for a retry, before the dead letter. An outage is no
    fault of the message, so this is limited by time and not by count."""
    transient_failures: int = 1
    """And how many such failures it takes besides: a queue whose messages are given back for hours sets more, or one
    failure before the wait and one after it would pass for an outage that lasted all the time."""
    retry: Backoff = field(default_factory=lambda: Backoff(base=1.0, cap=900.0))
    linger_seconds: float = 0.05
    """How long an acknowledgement waits for nine others to share its call."""

    def __post_init__(self) -> None:
        whole_and_positive = ("workers", "receivers", "wait_seconds", "max_failures", "visibility_seconds")
        wrong = [f"{name} must be at least 1" for name in whole_and_positive if getattr(self, name) < 1]
        if self.prefetch < 0:
            wrong.append("prefetch must be at least 0")
        if self.wait_seconds > 20:
            wrong.append("wait_seconds must be at most 20, the longest SQS long poll")
        if self.visibility_seconds > LONGEST_INVISIBILITY_SECONDS:
            wrong.append("visibility_seconds must be at most 12 hours")
        if not 0 < self.deadline_seconds < LONGEST_INVISIBILITY_SECONDS:
            wrong.append(
                "deadline_seconds must be above 0 and below 12 hours, the longest SQS keeps a message invisible"
            )
        # Held longer than a heartbeat is away, an acknowledgement could outlive the receipt that it acknowledges.
        if not 0 <= self.linger_seconds < self.visibility_seconds / 3:
            wrong.append("linger_seconds must be at least 0 and below a third of visibility_seconds")
        if wrong:
            raise ValueError("; ".join(wrong))


def is_failure(outcome: Outcome) -> bool:
    """Whether the message did not end well this time, so that its first failure is worth remembering."""
    return not (outcome is None or isinstance(outcome, Ack | GiveBack))


def counts_against_message(outcome: Outcome) -> bool:
    """Whether it suggests that the message is at fault. A throttle or a lost connection says nothing about it."""
    if not isinstance(outcome, BaseException):
        return False
    return isinstance(outcome, DeadlineExceeded) or not isinstance(outcome, DeskhandError)


def settle(
    outcome: Outcome,
    failures: Failures,
    settings: ConsumerSettings,
    *,
    now: float,
    uniform: Uniform,
) -> Settlement:
    """The end of this handling; a Retry that is returned always says after how many seconds.

    ``failures`` includes this one, if it is one. ``now`` is seconds since the epoch, as in ``failures.first_at``.
    """
    if isinstance(outcome, GiveBack):
        return outcome
    if not is_failure(outcome):
        return Ack()
    if isinstance(outcome, DeadLetter):
        return outcome
    if isinstance(outcome, PermanentError):
        return DeadLetter(reason=outcome.reason, error_class=type(outcome).__name__)
    reason, error_class = _named(outcome)
    if failures.counted >= settings.max_failures:
        return DeadLetter(reason=f"failed {failures.counted} times, at last: {reason}", error_class=error_class)
    age = now - failures.first_at
    if age > settings.transient_seconds and failures.total >= settings.transient_failures:
        return DeadLetter(reason=f"not done {age:.0f} s after its first failure: {reason}", error_class=error_class)
    if isinstance(outcome, Retry) and outcome.after is not None:
        return outcome
    named_by_other_side = outcome.retry_after if isinstance(outcome, TransientError) else None
    attempt = max(failures.total - 1, 0)
    return Retry(reason, after=settings.retry.delay(attempt, uniform, at_least=named_by_other_side))


def _named(outcome: Outcome) -> tuple[str, str]:
    if isinstance(outcome, BaseException):
        name = type(outcome).__name__
        return f"{name}: {outcome}".removesuffix(": "), name
    return (outcome.reason, "Retry") if isinstance(outcome, Retry) else ("", "")


def longest_invisibility(seconds: float, held_for: float) -> int:
    """``seconds`` as SQS takes it for a message received ``held_for`` seconds ago: whole, and inside the 12 hours.

    Asking for more than is left is an error there, and the message would come back at once instead of late.
    """
    left = int(LONGEST_INVISIBILITY_SECONDS - held_for) - 1
    return max(0, min(round(seconds), left))
