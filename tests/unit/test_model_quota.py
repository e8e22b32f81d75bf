"""The quota's promise: whatever calls come and whatever they cost, no way of counting a minute refuses one."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.bedrock.quota import Quota as Service
from local.bedrock.quota import Reservation, Throttled
from local.bedrock.settings import Limit
from shared.model.allowance import Allowance
from shared.model.quota import Limits, Quota, Taken, Window

SHAPES = ("fixed_window", "sliding_window", "token_bucket")


def a_quota(tokens: float | None = 1000, requests: float | None = None) -> Quota:
    return Quota(Limits(tokens_per_minute=tokens, requests_per_minute=requests))


@dataclass(frozen=True)
class Call:
    after: float
    reserved: int
    actual: int
    seconds: float


# What a call uses can be less than, or twice, what was set aside for it (an output that burns the quota fivefold).
calls = st.lists(
    st.builds(
        Call,
        after=st.floats(0, 30),
        reserved=st.integers(1, 400),
        actual=st.integers(1, 800),
        seconds=st.floats(0.1, 90),
    ),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("shape", SHAPES)
@given(calls=calls, phase=st.floats(0, 60))
@settings(max_examples=60, deadline=None)
def test_no_call_that_may_go_is_refused_however_the_service_counts(shape: str, calls: list[Call], phase: float) -> None:
    service = Service([Limit.model_validate({"counts": "tokens", "amount": 1000, "shape": shape})], 0.0)
    quota = a_quota(1000)
    now = phase
    ends: list[tuple[float, int, tuple[Taken, Reservation, int]]] = []
    for number, call in enumerate(calls):
        now += call.after
        while True:
            for end in sorted(end for end in ends if end[0] <= now):
                ends.remove(end)
                taken, reserved, actual = end[2]
                service.settle(reserved, actual, end[0])
                quota.settle(taken, actual, end[0])
            wait = quota.wait(call.reserved, now)
            if wait == 0:
                break
            now = min([now + wait, *(end[0] for end in ends)])
        reservation = service.reserve(call.reserved, now)
        # What was charged beyond its reservation can put a bucket below what a window would allow: see below.
        if isinstance(reservation, Throttled):
            overrun = sum(max(0, other.actual - other.reserved) for other in calls[:number])
            assert overrun > 0
            return
        ends.append((now + call.seconds, number, (quota.take(call.reserved, now), reservation, call.actual)))


@pytest.mark.parametrize("shape", SHAPES)
@given(calls=calls, phase=st.floats(0, 60))
@settings(max_examples=60, deadline=None)
def test_calls_that_use_no_more_than_they_set_aside_are_never_refused(
    shape: str, calls: list[Call], phase: float
) -> None:
    service = Service([Limit.model_validate({"counts": "tokens", "amount": 1000, "shape": shape})], 0.0)
    quota = a_quota(1000)
    now = phase
    for call in calls:
        now += call.after
        while (wait := quota.wait(call.reserved, now)) > 0:
            now += wait
        reservation = service.reserve(call.reserved, now)
        assert not isinstance(reservation, Throttled)
        taken = quota.take(call.reserved, now)
        actual = min(call.actual, call.reserved)
        now += call.seconds / 20
        service.settle(reservation, actual, now)
        quota.settle(taken, actual, now)


def test_a_call_that_used_more_than_it_set_aside_makes_later_ones_wait() -> None:
    quota = a_quota(1000)
    taken = quota.take(100, 0.0)
    quota.settle(taken, 950, 5.0)
    assert quota.used(5.0) == 950
    assert quota.wait(100, 5.0) > 0
    assert quota.wait(100, 67.0) == 0


def test_a_call_larger_than_the_limit_goes_when_nothing_else_counts() -> None:
    quota = a_quota(1000)
    quota.take(10, 0.0)
    assert quota.wait(5000, 1.0) == pytest.approx(60.0)
    assert quota.wait(5000, 61.0) == 0


def test_a_lull_saves_up_no_more_than_a_few_seconds() -> None:
    quota = a_quota(6000)
    sent = 0
    while quota.wait(50, 1000.0) == 0:
        quota.take(50, 1000.0)
        sent += 1
    assert sent * 50 == 500


def test_requests_a_minute_hold_calls_back_as_well() -> None:
    quota = a_quota(None, requests=2)
    quota.take(1, 0.0)
    quota.take(1, 1.0)
    assert quota.wait(1, 2.0) == pytest.approx(59.0)


def test_without_a_limit_everything_goes_until_the_service_refuses() -> None:
    quota = a_quota(None)
    for _ in range(1000):
        assert quota.wait(1000, 0.0) == 0
        last = quota.take(1000, 0.0)
    quota.throttled(last, 0.1)
    assert quota.allowance.limit is not None
    assert quota.wait(1000, 0.1) > 0


def test_a_reservation_that_nobody_ends_stops_counting_after_a_minute() -> None:
    quota = a_quota(1000)
    lost = quota.take(1000, 0.0)
    assert quota.wait(100, 30.0) > 0
    assert quota.wait(100, 61.0) == 0
    quota.settle(lost, 400, 100.0)
    assert quota.used(100.0) == 0


@given(amounts=st.lists(st.tuples(st.floats(0, 20), st.integers(0, 500), st.integers(0, 900)), max_size=40))
def test_a_window_s_sum_is_what_its_entries_say(amounts: list[tuple[float, int, int]]) -> None:
    window = Window(seconds=60)
    now = 0.0
    for after, amount, actual in amounts:
        now += after
        entry = window.take(amount, now)
        if actual % 2:
            window.settle(entry, actual, now + 1)
            now += 1
        assert window.used == pytest.approx(sum(entry.amount for entry in window._entries))
        assert window.used >= 0


class TestAnAllowance:
    def test_falls_once_for_all_refusals_of_one_moment(self) -> None:
        allowance = Allowance(1000)
        for _ in range(5):
            allowance.throttled(sent_at=10.0, used=900, now=10.1)
        assert allowance.limit == pytest.approx(900)
        assert allowance.episodes == 1

    def test_lets_one_call_at_a_time_see_whether_the_service_still_refuses(self) -> None:
        allowance = Allowance(1000)
        allowance.throttled(sent_at=10.0, used=900, now=10.0)
        assert allowance.wait(10.0) == 0.25
        allowance.sent(10.25)
        assert allowance.wait(10.25) == 1.0
        allowance.throttled(sent_at=10.25, used=900, now=10.3)
        assert allowance.wait(10.3) == 0.5
        allowance.sent(10.8)
        # A refusal would have come by now: the call was let through, though its answer is not here.
        assert allowance.wait(11.8) == 0
        assert allowance.episode is None

    def test_a_lone_refusal_costs_a_twentieth_and_no_pause(self) -> None:
        allowance = Allowance(1000)
        allowance.throttled(sent_at=10.0, used=990, now=10.0)
        allowance.sent(10.25)
        allowance.accepted(sent_at=10.25, used=990)
        assert allowance.wait(10.5) == 0
        assert allowance.limit == pytest.approx(950)

    def test_falls_by_the_part_of_a_minute_that_the_service_refused(self) -> None:
        allowance = Allowance(1000)
        allowance.throttled(sent_at=48.0, used=1000, now=48.0)
        now = 48.0
        while now + (wait := allowance.wait(now)) < 60.0:
            now += wait
            allowance.sent(now)
            allowance.throttled(sent_at=now, used=1000, now=now)
        now += allowance.wait(now)
        allowance.sent(now)
        allowance.accepted(sent_at=now, used=0)
        assert allowance.limit == pytest.approx(800, rel=0.05)

    def test_rises_again_by_what_is_let_through_and_never_above_what_is_published(self) -> None:
        allowance = Allowance(1000)
        allowance.throttled(sent_at=0.0, used=900, now=0.0)
        allowance.sent(0.25)
        allowance.accepted(sent_at=0.25, used=900)
        before = allowance.limit
        for turn in range(2000):
            allowance.accepted(sent_at=1.0 + turn, used=1000)
        assert before is not None
        assert before < 1000
        assert allowance.limit == 1000

    def test_does_not_rise_while_it_holds_nobody_back(self) -> None:
        allowance = Allowance(1000)
        allowance.throttled(sent_at=0.0, used=900, now=0.0)
        allowance.sent(0.25)
        allowance.accepted(sent_at=0.25, used=10)
        before = allowance.limit
        for turn in range(2000):
            allowance.accepted(sent_at=1.0 + turn, used=10)
        assert allowance.limit == before

    def test_keeps_what_it_learned_when_the_share_changes(self) -> None:
        allowance = Allowance(1000)
        allowance.throttled(sent_at=0.0, used=900, now=0.0)
        allowance.change(500)
        assert allowance.limit == pytest.approx(450)
        assert allowance.factor == pytest.approx(0.9)

    @given(
        st.lists(
            st.tuples(st.floats(0.01, 5), st.floats(0, 2000), st.booleans()),
            max_size=200,
        )
    )
    def test_stays_between_its_least_and_what_is_published(self, events: list[tuple[float, float, bool]]) -> None:
        allowance = Allowance(1000)
        now = 0.0
        for after, used, refused in events:
            now += after
            now += (wait := allowance.wait(now))
            assert wait <= 4.0
            allowance.sent(now)
            if refused:
                allowance.throttled(sent_at=now, used=used, now=now)
            else:
                allowance.accepted(sent_at=now, used=used)
            assert allowance.limit is not None
            assert 20 - 1e-6 <= allowance.limit <= 1000
