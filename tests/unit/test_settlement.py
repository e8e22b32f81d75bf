"""How a handled message ends, as a pure decision; and over a whole life of failures, as a state machine."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.backoff import Backoff
from shared.errors import BadInput, PermanentError, Throttled, TransientError
from shared.queue.failures import Failures
from shared.queue.message import Ack, DeadLetter, GiveBack, Retry, Settlement
from shared.queue.settlement import (
    LONGEST_INVISIBILITY_SECONDS,
    ConsumerSettings,
    DeadlineExceeded,
    Outcome,
    counts_against_message,
    is_failure,
    longest_invisibility,
    settle,
)
from tests.support.queues import no_jitter

SETTINGS = ConsumerSettings(max_failures=3, transient_seconds=100, retry=Backoff(base=1, cap=20))


def decided(outcome: Outcome, *, counted: int = 0, total: int = 1, age: float = 0.0) -> Settlement:
    return settle(outcome, Failures(counted, total, first_at=1000), SETTINGS, now=1000 + age, uniform=no_jitter)


@pytest.mark.parametrize("outcome", [None, Ack()])
def test_a_handled_message_is_acknowledged_whatever_happened_before(outcome: Outcome) -> None:
    assert decided(outcome, counted=99, total=99, age=1e6) == Ack()


def test_what_is_given_back_is_no_failure_and_stays_so() -> None:
    later = GiveBack("not today", after=3600)
    assert not is_failure(later)
    assert decided(later, counted=99, total=99, age=1e6) == later


def test_two_failures_with_a_long_wait_between_them_are_no_outage_where_more_are_asked_for() -> None:
    patient = replace(SETTINGS, transient_failures=3)

    def ended(total: int) -> Settlement:
        return settle(TransientError("away"), Failures(0, total, 0), patient, now=1e6, uniform=no_jitter)

    assert isinstance(ended(2), Retry)
    assert isinstance(ended(3), DeadLetter)


def test_a_permanent_error_ends_at_once() -> None:
    assert decided(PermanentError("no")) == DeadLetter("no", "PermanentError")


def test_bad_input_ends_with_its_field_and_remedy() -> None:
    error = BadInput(field="days", problem="is missing", remedy="send a number")

    assert decided(error) == DeadLetter("days: is missing; send a number", "BadInput")


def test_a_verdict_of_the_handler_stands() -> None:
    assert decided(DeadLetter("why", "Class")) == DeadLetter("why", "Class")


@pytest.mark.parametrize(("total", "after"), [(1, 1), (2, 2), (3, 4), (6, 20), (5000, 20)])
def test_a_retry_waits_longer_each_time_up_to_the_cap(total: int, after: float) -> None:
    settlement = decided(TransientError("busy"), total=total)

    assert isinstance(settlement, Retry)
    assert settlement.after == after


def test_a_retry_keeps_the_wait_that_the_handler_named() -> None:
    assert decided(Retry("not yet", after=17)) == Retry("not yet", after=17)


def test_a_retry_without_a_wait_gets_one() -> None:
    assert decided(Retry("not yet"), total=2) == Retry("not yet", after=2)


def test_jitter_comes_on_top_of_what_the_other_side_named() -> None:
    settlement = decided(Throttled("slow down", retry_after=30), total=2)

    assert isinstance(settlement, Retry)
    assert settlement.after == 32


@pytest.mark.parametrize(("counted", "ends"), [(1, False), (2, False), (3, True), (4, True)])
def test_unexpected_errors_end_at_the_limit(counted: int, ends: bool) -> None:
    assert isinstance(decided(ValueError("x"), counted=counted), DeadLetter) is ends


@pytest.mark.parametrize(("age", "ends"), [(0, False), (100, False), (101, True)])
def test_transient_errors_end_by_time_and_not_by_count(age: float, ends: bool) -> None:
    assert isinstance(decided(TransientError("busy"), total=50, age=age), DeadLetter) is ends
    assert isinstance(decided(Retry("not yet", after=1), total=50, age=age), DeadLetter) is ends


@pytest.mark.parametrize(
    ("outcome", "failure", "counts"),
    [
        (None, False, False),
        (Ack(), False, False),
        (Retry("later"), True, False),
        (DeadLetter("why", "Class"), True, False),
        (TransientError("busy"), True, False),
        (Throttled("busy"), True, False),
        (PermanentError("no"), True, False),
        (DeadlineExceeded("late"), True, True),
        (ValueError("bug"), True, True),
        (TimeoutError(), True, True),
    ],
)
def test_what_is_a_failure_and_what_speaks_against_the_message(outcome: Outcome, failure: bool, counts: bool) -> None:
    assert is_failure(outcome) is failure
    assert counts_against_message(outcome) is counts


@given(seconds=st.floats(0, 1e7), held_for=st.floats(0, 2 * LONGEST_INVISIBILITY_SECONDS))
def test_a_message_is_never_asked_to_stay_away_longer_than_sqs_allows(seconds: float, held_for: float) -> None:
    asked = longest_invisibility(seconds, held_for)

    assert asked >= 0
    assert asked == 0 or held_for + asked <= LONGEST_INVISIBILITY_SECONDS


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"workers": 0}, "workers must be at least 1"),
        ({"prefetch": -1}, "prefetch must be at least 0"),
        ({"wait_seconds": 21}, "the longest SQS long poll"),
        ({"visibility_seconds": 50_000}, "12 hours"),
        ({"deadline_seconds": 50_000.0}, "12 hours"),
        ({"linger_seconds": 1.0, "visibility_seconds": 3}, "below a third of visibility_seconds"),
    ],
)
def test_settings_that_cannot_hold_are_refused(change: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ConsumerSettings(**change)  # type: ignore[arg-type]


class LifeOfAMessage(RuleBasedStateMachine):
    """Whatever a handler does and however long it takes: a message ends, and never for another's fault."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.failures = Failures(0, 0, first_at=self.now)
        self.counted_by_us = 0
        self.settlement: Settlement | None = None

    @rule(
        outcome=st.sampled_from(
            [
                ValueError("bug"),
                DeadlineExceeded("late"),
                TransientError("busy"),
                Throttled("slow down", retry_after=9),
                Retry("later"),
                Retry("later", after=3.0),
            ]
        ),
        fraction=st.floats(0, 1),
    )
    def handled(self, outcome: Outcome, fraction: float) -> None:
        if isinstance(self.settlement, DeadLetter):
            return
        counted = counts_against_message(outcome)
        self.counted_by_us += counted
        first_at = self.failures.first_at if self.failures.total else self.now
        self.failures = Failures(self.failures.counted + counted, self.failures.total + 1, first_at)
        self.settlement = settle(
            outcome,
            self.failures,
            SETTINGS,
            now=self.now,
            uniform=lambda low, high: low + fraction * (high - low),
        )
        if isinstance(self.settlement, Retry):
            assert self.settlement.after is not None
            self.now += self.settlement.after

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def it_ends_for_its_own_failures_or_for_its_age_alone(self) -> None:
        too_many = self.counted_by_us >= SETTINGS.max_failures
        too_old = self.now - self.failures.first_at > SETTINGS.transient_seconds
        if isinstance(self.settlement, DeadLetter):
            assert too_many or too_old
        if too_many:
            assert isinstance(self.settlement, DeadLetter)

    @invariant()
    def it_is_never_acknowledged_unhandled(self) -> None:
        assert not isinstance(self.settlement, Ack)

    @invariant()
    def a_wait_is_bounded(self) -> None:
        if isinstance(self.settlement, Retry):
            assert self.settlement.after is not None
            assert 0 <= self.settlement.after <= SETTINGS.retry.cap + 9


TestLifeOfAMessage = LifeOfAMessage.TestCase
TestLifeOfAMessage.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
