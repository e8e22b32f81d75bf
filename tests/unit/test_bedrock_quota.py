"""How the local Bedrock endpoint counts a quota."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.bedrock.quota import Quota, Reservation, Throttled
from local.bedrock.settings import Limit

SHAPES = ("fixed_window", "sliding_window", "token_bucket")
START = 1_000.0


def a_limit(**other: Any) -> Limit:
    return Limit(**{"counts": "tokens", "amount": 100, "per_seconds": 60, **other})


def a_quota(*limits: Limit) -> Quota:
    return Quota(limits, START)


def taken(quota: Quota, tokens: float, now: float = START) -> Reservation:
    reserved = quota.reserve(tokens, now)
    assert isinstance(reserved, Reservation)
    return reserved


def refused(quota: Quota, tokens: float, now: float = START) -> bool:
    return isinstance(quota.reserve(tokens, now), Throttled)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_quota_lets_through_its_amount_and_no_more(shape: str) -> None:
    quota = a_quota(a_limit(shape=shape))
    taken(quota, 60)
    taken(quota, 40)
    assert refused(quota, 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_whole_period_later_all_is_there_again(shape: str) -> None:
    quota = a_quota(a_limit(shape=shape))
    taken(quota, 100)
    assert refused(quota, 100, START + 59)
    taken(quota, 100, START + 60)


def test_a_fixed_window_forgets_all_at_once_and_a_sliding_one_by_and_by() -> None:
    fixed, sliding = a_quota(a_limit(shape="fixed_window")), a_quota(a_limit(shape="sliding_window"))
    for quota in (fixed, sliding):
        taken(quota, 50, START + 10)
        taken(quota, 50, START + 50)
    assert fixed.room(START + 61) == [100]
    assert sliding.room(START + 61) == [0]
    assert sliding.room(START + 70) == [50]
    assert sliding.room(START + 110) == [100]


def test_a_bucket_refills_evenly_and_only_to_the_brim() -> None:
    quota = a_quota(a_limit(shape="token_bucket"))
    taken(quota, 100)
    assert quota.room(START + 30) == [pytest.approx(50)]
    assert quota.room(START + 600) == [100]


@pytest.mark.parametrize("shape", SHAPES)
def test_settling_gives_back_what_the_answer_did_not_use(shape: str) -> None:
    quota = a_quota(a_limit(shape=shape))
    quota.settle(taken(quota, 100), 30, START)
    assert quota.room(START) == [70]


@pytest.mark.parametrize("shape", SHAPES)
def test_settling_charges_what_exceeds_the_reservation(shape: str) -> None:
    quota = a_quota(a_limit(shape=shape))
    quota.settle(taken(quota, 40), 120, START)
    assert quota.room(START) == [-20]
    assert refused(quota, 1)


@pytest.mark.parametrize("shape", ["fixed_window", "sliding_window"])
def test_an_excess_of_an_earlier_window_falls_into_this_one_and_a_refund_is_lost(shape: str) -> None:
    quota = a_quota(a_limit(shape=shape))
    late, early = taken(quota, 50), taken(quota, 50)
    quota.settle(late, 80, START + 61)
    quota.settle(early, 10, START + 61)
    assert quota.room(START + 61) == [70]


def test_a_hidden_margin_lowers_the_limit_in_silence() -> None:
    quota = a_quota(a_limit(hidden_margin_percent=20))
    assert refused(quota, 81)
    taken(quota, 80)


@pytest.mark.parametrize(
    ("shape", "room"),
    [("fixed_window", [100, 85, 70]), ("sliding_window", [70, 70, 70]), ("token_bucket", [100, 100, 100])],
)
def test_another_tenant_uses_the_same_quota(shape: str, room: list[float]) -> None:
    quota = a_quota(a_limit(shape=shape, other_tenant_amount=30))
    seen = [quota.room(START + at)[0] for at in (0, 30, 59.999)]
    assert seen == [pytest.approx(value, abs=0.01) for value in room]


def test_another_tenant_slows_the_refill_of_a_bucket() -> None:
    quota = a_quota(a_limit(shape="token_bucket", other_tenant_amount=40))
    taken(quota, 100)
    assert quota.room(START + 30) == [pytest.approx(30)]


def test_requests_count_one_each_whatever_their_tokens_and_settle_to_one() -> None:
    quota = a_quota(a_limit(counts="requests", amount=2))
    quota.settle(taken(quota, 5_000), 9_000, START)
    assert quota.room(START) == [1]


def test_a_request_refused_by_one_limit_takes_nothing_of_the_others() -> None:
    quota = a_quota(a_limit(amount=100), a_limit(counts="requests", amount=1))
    taken(quota, 10)
    throttled = quota.reserve(10, START)
    assert isinstance(throttled, Throttled)
    assert throttled.limit.counts == "requests"
    assert quota.room(START) == [90, 0]


def test_no_limits_let_everything_through() -> None:
    taken(a_quota(), 10**9)


@given(
    shape=st.sampled_from(SHAPES),
    requests=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60), st.integers(1, 60)), max_size=40),
)
def test_no_period_lets_more_through_than_twice_the_limit(shape: str, requests: list[tuple[float, int, int]]) -> None:
    """Twice, because a fixed window and a full bucket both allow a burst on each side of a boundary."""
    quota, now, let_through = a_quota(a_limit(shape=shape)), START, list[tuple[float, int]]()
    for pause, tokens, actual in requests:
        now += pause
        reserved = quota.reserve(tokens, now)
        if isinstance(reserved, Reservation):
            used = min(tokens, actual)
            quota.settle(reserved, used, now)
            let_through.append((now, used))
    most = 100 if shape == "sliding_window" else 200
    for at, _ in let_through:
        assert sum(used for moment, used in let_through if at <= moment < at + 60) <= most
