"""Waiting before another try: full jitter under a rising ceiling."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import Backoff
from tests.support.queues import no_jitter

BACKOFF = Backoff(base=0.5, cap=20)


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0.5), (1, 1), (2, 2), (5, 16), (6, 20), (10_000, 20)])
def test_the_ceiling_doubles_up_to_the_cap(attempt: int, seconds: float) -> None:
    assert BACKOFF.delay(attempt, no_jitter) == seconds


@given(attempt=st.integers(0, 2000), seed=st.integers())
def test_a_wait_lies_anywhere_below_the_ceiling(attempt: int, seed: int) -> None:
    assert 0 <= BACKOFF.delay(attempt, random.Random(seed).uniform) <= BACKOFF.delay(attempt, no_jitter)


def test_those_who_were_told_the_same_number_do_not_come_back_together() -> None:
    waits = {BACKOFF.delay(3, random.Random(seed).uniform, at_least=30) for seed in range(20)}

    assert min(waits) >= 30
    assert len(waits) == 20


@pytest.mark.parametrize(("base", "cap"), [(0, 1), (-1, 1), (2, 1)])
def test_a_backoff_that_cannot_be_is_refused(base: float, cap: float) -> None:
    with pytest.raises(ValueError, match="base must be above 0"):
        Backoff(base=base, cap=cap)
