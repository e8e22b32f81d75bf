"""Which shards may be read: decided from listings and leases alone."""

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shared.stream.leases import Lease
from shared.stream.lineage import Shard, Start, childless_ends, first_start, readable
from tests.support.streams import a_lease

EVERYTHING = Start()


def by_id(*leases: Lease) -> dict[str, Lease]:
    return {lease.shard_id: lease for lease in leases}


def a_family() -> list[Shard]:
    return [Shard("s1", closed=True), Shard("s2", ("s1",)), Shard("s3", ("s1",))]


def test_a_shard_without_a_parent_is_read() -> None:
    assert readable([Shard("s1")], {}, EVERYTHING) == ["s1"]


def test_children_wait_for_their_parent() -> None:
    assert readable(a_family(), by_id(a_lease("s1", owner="a", after="7")), EVERYTHING) == ["s1"]


def test_a_closed_parent_that_nobody_has_begun_is_read_first() -> None:
    assert readable(a_family(), {}, EVERYTHING) == ["s1"]


def test_children_are_read_once_their_parent_ended() -> None:
    assert readable(a_family(), by_id(a_lease("s1", ended=True)), EVERYTHING) == ["s2", "s3"]


def test_a_shard_with_two_parents_waits_for_both() -> None:
    shards = [Shard("s1", closed=True), Shard("s2", closed=True), Shard("s3", ("s1", "s2"))]
    assert readable(shards, by_id(a_lease("s1", ended=True)), EVERYTHING) == ["s2"]
    assert readable(shards, by_id(a_lease("s1", ended=True), a_lease("s2", ended=True)), EVERYTHING) == ["s3"]


def test_a_trimmed_parent_counts_as_ended() -> None:
    assert readable([Shard("s2", ("s1",))], {}, EVERYTHING) == ["s2"]


def test_a_parent_trimmed_before_it_was_read_to_its_end_is_seen_to_first() -> None:
    lease = a_lease("s1", after="7")
    assert readable([Shard("s2", ("s1",))], by_id(lease), EVERYTHING) == ["s1"]
    assert readable([Shard("s2", ("s1",))], by_id(a_lease("s1", ended=True)), EVERYTHING) == ["s2"]


def test_latest_passes_over_what_was_closed_at_the_start_and_no_more() -> None:
    start = first_start("LATEST", [Shard("s1", closed=True), Shard("s2", ("s1",))], now=100.7)
    assert start == Start(since=100.0, past=frozenset({"s1"}))
    later = [Shard("s1", closed=True), Shard("s2", ("s1",), closed=True), Shard("s3", ("s2",))]
    assert readable(later, {}, start) == ["s2"]
    assert readable(later, by_id(a_lease("s2", ended=True)), start) == ["s3"]


def test_a_past_shard_that_somebody_began_all_the_same_is_finished() -> None:
    start = Start(since=100.0, past=frozenset({"s1"}))
    assert readable(a_family(), by_id(a_lease("s1", owner="a")), start) == ["s1"]


def test_the_start_of_a_very_large_stream_still_fits_an_item() -> None:
    shards = [Shard(f"shardId-{number:020}-{number:08x}", closed=True) for number in range(9_000)]
    start = first_start("LATEST", shards, now=1.0)
    assert sum(len(shard_id) for shard_id in start.past) < 300_000


def test_trim_horizon_starts_without_a_limit() -> None:
    assert first_start("TRIM_HORIZON", a_family(), now=1.0) == EVERYTHING


def test_an_ended_shard_without_a_listed_child_asks_for_a_new_listing() -> None:
    ended = by_id(a_lease("s1", ended=True))
    assert childless_ends([Shard("s1", closed=True)], ended) == ["s1"]
    assert childless_ends(a_family(), ended) == []
    assert childless_ends([Shard("s1", closed=True)], {}) == []


class Lineage(RuleBasedStateMachine):
    """A stream that splits, rolls over and loses shards while some are read; the listing may lag behind."""

    def __init__(self) -> None:
        super().__init__()
        self.shards: dict[str, Shard] = {"s000": Shard("s000")}
        self.parent: dict[str, str] = {}
        self.leases: dict[str, Lease] = {}
        self.listing: list[Shard] = []
        self.began: list[str] = []
        self.finished: list[str] = []

    def _ids(self, *, closed: bool) -> list[str]:
        return sorted(shard_id for shard_id, shard in self.shards.items() if shard.closed is closed)

    @rule(data=st.data(), children=st.integers(1, 2))
    def a_shard_closes_and_has_children(self, data: st.DataObject, children: int) -> None:
        parent = data.draw(st.sampled_from(self._ids(closed=False)))
        self.shards[parent] = Shard(parent, self.shards[parent].parents, closed=True)
        for _ in range(children):
            child = f"s{len(self.parent) + 1:03}"
            self.parent[child] = parent
            self.shards[child] = Shard(child, (parent,))

    @precondition(lambda self: self._ids(closed=True))
    @rule()
    def the_oldest_closed_shard_is_trimmed(self) -> None:
        del self.shards[self._ids(closed=True)[0]]

    @rule()
    def the_shards_are_listed(self) -> None:
        self.listing = list(self.shards.values())

    @rule(data=st.data())
    def somebody_begins_a_shard(self, data: st.DataObject) -> None:
        choices = [shard_id for shard_id in self._readable() if shard_id not in self.leases]
        if choices:
            shard_id = data.draw(st.sampled_from(choices))
            parent = self.parent.get(shard_id)
            # A parent of which nothing is listed any more and nobody holds a lease is gone, not unread.
            parent_was_listed = parent in {shard.shard_id for shard in self.listing}
            assert parent is None or parent in self.finished or not parent_was_listed
            self.began.append(shard_id)
            self.leases[shard_id] = a_lease(shard_id, owner="a")

    @rule(data=st.data())
    def somebody_finishes_a_shard(self, data: st.DataObject) -> None:
        running = [
            shard_id
            for shard_id, lease in self.leases.items()
            if not lease.ended and (shard_id not in self.shards or self.shards[shard_id].closed)
        ]
        if running:
            shard_id = data.draw(st.sampled_from(sorted(running)))
            self.leases[shard_id] = a_lease(shard_id, ended=True)
            self.finished.append(shard_id)

    def _readable(self) -> list[str]:
        return readable(self.listing, self.leases, EVERYTHING)

    @invariant()
    def a_child_is_never_read_with_its_parent(self) -> None:
        now = set(self._readable())
        assert not [shard_id for shard_id in now if self.parent.get(shard_id) in now]

    @invariant()
    def no_shard_is_begun_twice_or_read_after_its_end(self) -> None:
        assert len(self.began) == len(set(self.began))
        assert not set(self._readable()) & set(self.finished)

    @invariant()
    def reading_never_comes_to_a_standstill(self) -> None:
        listed: Iterable[str] = (shard.shard_id for shard in self.listing)
        if set(listed) - set(self.finished):
            assert self._readable()


TestLineage = Lineage.TestCase
TestLineage.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
