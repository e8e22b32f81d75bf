"""How many rows share a prompt follows from counts alone; chance neither shrinks prompts nor hides that it should."""

from hypothesis import given
from hypothesis import strategies as st

from services.feedback_tagger.domain.spent import Agreement
from services.feedback_tagger.planner.agreement import (
    EARLY_LINES,
    EARLY_SHARE,
    ENOUGH,
    PASSED_FOR_ANOTHER_TRY,
    bounds,
    position,
    rows_per_prompt,
    share_to_check,
    sizes,
)

LEAST = 0.9


def counted(rows: int, checked: int, agreed: int) -> Agreement:
    return Agreement(rows_per_prompt=rows, checked=checked, agreed=agreed)


def next_size(*seen: Agreement) -> int:
    return rows_per_prompt(20, seen, least=LEAST)


def test_prompts_start_at_the_size_that_is_set() -> None:
    assert next_size() == 20
    assert next_size(counted(20, ENOUGH - 1, 0)) == 20


def test_what_may_be_chance_shrinks_nothing() -> None:
    assert next_size(counted(20, 30, 24)) == 20
    assert next_size(counted(20, 1000, 890)) == 20


def test_what_is_no_chance_halves_the_prompt() -> None:
    assert next_size(counted(20, 30, 21)) == 10
    assert next_size(counted(20, 1000, 870)) == 10
    assert next_size(counted(20, 15, 10), counted(20, 15, 11)) == 10


def test_it_goes_on_halving_down_to_one_row() -> None:
    bad = [counted(size, 100, 50) for size in (20, 10, 5, 2)]
    assert [next_size(*bad[:count]) for count in range(5)] == [20, 10, 5, 2, 1]
    assert sizes(20) == [20, 10, 5, 2, 1]


def test_a_size_that_failed_is_tried_again_for_each_stretch_that_the_smaller_one_passes() -> None:
    bad = counted(20, ENOUGH, 15)
    assert next_size(bad, counted(10, PASSED_FOR_ANOTHER_TRY - 1, 295)) == 10
    assert next_size(bad, counted(10, PASSED_FOR_ANOTHER_TRY, 296)) == 20
    still_bad = counted(20, 2 * ENOUGH, 30)
    assert next_size(still_bad, counted(10, PASSED_FOR_ANOTHER_TRY, 296)) == 10
    assert next_size(still_bad, counted(10, 2 * PASSED_FOR_ANOTHER_TRY, 592)) == 20


def test_a_size_that_failed_by_bad_luck_comes_back_for_good() -> None:
    assert next_size(counted(20, 400, 380), counted(10, 10, 10)) == 20


@given(st.lists(st.tuples(st.sampled_from([20, 10, 5, 2]), st.integers(0, 500), st.floats(0, 1)), max_size=8))
def test_the_same_counts_give_the_same_size_in_whatever_order_they_came(raw: list[tuple[int, int, float]]) -> None:
    seen = [counted(rows, checked, int(checked * share)) for rows, checked, share in raw]
    assert next_size(*seen) == next_size(*reversed(seen))
    assert next_size(*seen) in sizes(20)


@given(st.integers(1, 2000), st.floats(0, 1))
def test_the_bounds_hold_the_share_that_was_seen(checked: int, share: float) -> None:
    agreed = int(checked * share)
    low, high = bounds(agreed, checked)
    rounding = 1e-9
    assert 0 <= low <= agreed / checked + rounding
    assert agreed / checked - rounding <= high <= 1


def test_a_short_run_is_checked_too_and_zero_switches_the_check_off() -> None:
    assert share_to_check(0.02, EARLY_LINES) == EARLY_SHARE
    assert share_to_check(0.02, EARLY_LINES + 1) == 0.02
    assert share_to_check(0.5, 2) == 0.5
    assert share_to_check(0.0, 2) == 0.0
    assert EARLY_LINES * EARLY_SHARE >= ENOUGH


def test_rows_are_drawn_evenly_and_always_the_same() -> None:
    drawn = [identity for identity in map(str, range(10_000)) if position(identity) < 0.02]
    assert 150 < len(drawn) < 250
    assert drawn == [identity for identity in map(str, range(10_000)) if position(identity) < 0.02]
    assert 0 <= position("\ud800") < 1
