"""Rows keep their order, their limits and their numbers on the way into chunks."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.feedback_tagger.planner.chunks import ChunkLimits, Sized, chunked

SIZES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.booleans()))
LIMITS = st.builds(
    ChunkLimits, rows=st.integers(1, 7), bytes=st.integers(1, 60), tokens=st.just(0) | st.integers(1, 60)
)


def sized(sizes: Sequence[tuple[int, int, bool]]) -> list[Sized[int]]:
    """Rows named by their place; those that are not taken are rejects, which leave a gap."""
    return [Sized(place, place, size, tokens) for place, (size, tokens, taken) in enumerate(sizes, start=1) if taken]


@given(SIZES, LIMITS)
def test_every_row_is_in_one_chunk_in_order_within_all_limits(
    sizes: list[tuple[int, int, bool]], limits: ChunkLimits
) -> None:
    rows = sized(sizes)
    chunks = list(chunked(rows, limits))
    assert [row for chunk in chunks for row in chunk.rows] == [row.row for row in rows]
    for chunk in chunks:
        assert 1 <= len(chunk.rows) <= limits.rows
        assert chunk.end == chunk.rows[-1]
        if len(chunk.rows) > 1:
            assert sum(sizes[row - 1][0] for row in chunk.rows) <= limits.bytes
            assert not limits.tokens or sum(sizes[row - 1][1] for row in chunk.rows) <= limits.tokens


@given(SIZES, LIMITS, LIMITS, st.integers(0, 5), st.integers(1, 5))
def test_cut_again_under_other_limits_the_chunks_under_way_are_the_same_and_the_rest_follows(
    sizes: list[tuple[int, int, bool]], limits: ChunkLimits, others: ChunkLimits, sent: int, under_way: int
) -> None:
    rows = sized(sizes)
    first = list(chunked(rows, limits))
    if len(first) < sent + under_way:
        return
    ends = [0, *(chunk.end for chunk in first)]
    again = list(chunked(rows, others, cuts=ends[sent : sent + under_way + 1]))
    assert again[:under_way] == first[sent : sent + under_way]
    assert [row for chunk in again for row in chunk.rows] == [row for chunk in first[sent:] for row in chunk.rows]


def test_a_chunk_that_has_no_row_left_is_empty_and_those_behind_it_keep_their_numbers() -> None:
    chunks = chunked(sized([(1, 1, True)] * 4), ChunkLimits(rows=1, bytes=9), cuts=(1, 2, 2, 3))
    assert [list(chunk.rows) for chunk in chunks] == [[2], [], [3], [4]]
