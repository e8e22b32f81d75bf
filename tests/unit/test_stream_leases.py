"""Leases as plain values: what they become, when they expire, and who goes for which."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.stream.leases import (
    Lease,
    Moves,
    Sighting,
    checkpointed,
    is_expired,
    is_our_own_write,
    moves,
    released,
    renewed,
    sighted,
    taken,
)
from tests.support.streams import a_lease

LEASE_SECONDS = 6.0


def what_to_do(
    *leases: Lease, me: str = "me", seen: float = 0.0, now: float = 1.0, others: tuple[str, ...] = ()
) -> Moves:
    """The moves of ``me`` at ``now``, having seen all leases as they are since ``seen``; ``others`` have none."""
    by_id = {lease.shard_id: lease for lease in leases}
    return moves(
        by_id,
        sorted({*by_id, *others}),
        sighted({}, leases, seen),
        me=me,
        now=now,
        lease_seconds=LEASE_SECONDS,
    )


def names(found: Moves) -> set[str]:
    return {lease.shard_id for lease in found.take}


def test_every_write_of_a_holder_raises_the_counter() -> None:
    lease = a_lease(owner="a", counter=4, after="10")
    for change in (taken(lease, "b"), renewed(lease), checkpointed(lease, "11"), released(lease)):
        assert change.counter == 5


def test_a_checkpoint_goes_forward_by_number_and_not_by_text() -> None:
    assert checkpointed(a_lease(owner="a", after="99"), "100").after == "100"
    with pytest.raises(ValueError, match="go back from 100 to 99"):
        checkpointed(a_lease(owner="a", after="100"), "99")


def test_a_released_lease_keeps_its_checkpoint_and_for_whom_it_was_released() -> None:
    after = released(a_lease(owner="a", after="7", wanted_by="b"))
    assert (after.owner, after.after, after.ended, after.wanted_by) == (None, "7", False, "b")
    assert released(a_lease(owner="a", after="7"), ended=True).ended


def test_a_lease_expires_when_its_counter_stood_still_for_a_lease_duration() -> None:
    lease = a_lease(owner="a", counter=3)
    seen = sighted({}, [lease], 100.0)
    assert not is_expired(lease, seen, 105.9, LEASE_SECONDS)
    assert is_expired(lease, seen, 106.0, LEASE_SECONDS)


def test_a_renewal_starts_the_wait_again() -> None:
    lease = a_lease(owner="a", counter=3)
    seen = sighted(sighted({}, [lease], 100.0), [renewed(lease)], 105.0)
    assert seen == {"s1": Sighting(4, 105.0)}
    assert not is_expired(renewed(lease), seen, 110.9, LEASE_SECONDS)


def test_a_lease_seen_for_the_first_time_is_not_expired_however_old_it_is() -> None:
    assert not is_expired(a_lease(owner="a"), {}, 1e9, LEASE_SECONDS)


def test_a_write_whose_answer_was_lost_is_known_by_owner_and_count() -> None:
    held = a_lease(owner="a", counter=3)
    assert is_our_own_write(held, renewed(held))
    assert not is_our_own_write(held, taken(held, "b"))
    assert not is_our_own_write(held, a_lease(owner="a", counter=5))  # Lost and taken again: not this holding.
    assert not is_our_own_write(held, None)


def test_a_lone_task_takes_everything_free_and_everything_never_leased() -> None:
    assert names(what_to_do(a_lease("s1"), a_lease("s2"), others=("s3",))) == {"s1", "s2", "s3"}


def test_a_live_lease_is_never_taken() -> None:
    assert what_to_do(a_lease("s1", owner="a")) == Moves()


def test_an_expired_lease_is_taken_before_a_free_one() -> None:
    found = what_to_do(
        a_lease("s1"), a_lease("s2", owner="dead"), a_lease("s3", owner="a"), a_lease("s4", owner="a"), seen=-10.0
    )
    assert found.take[0].shard_id in {"s2", "s3", "s4"}
    assert found.take[-1].shard_id == "s1"


def test_a_task_takes_no_more_than_its_share() -> None:
    found = what_to_do(a_lease("s1", owner="a"), a_lease("s2", owner="me"), a_lease("s3"), a_lease("s4"))
    assert len(found.take) == 1


def test_who_has_less_asks_whoever_has_most_for_one() -> None:
    found = what_to_do(
        a_lease("s1", owner="a"), a_lease("s2", owner="a"), a_lease("s3", owner="a"), a_lease("s4", owner="b")
    )
    assert found.take == ()
    assert found.ask is not None
    assert found.ask.owner == "a"


def test_one_is_asked_for_at_a_time() -> None:
    assert (
        what_to_do(a_lease("s1", owner="a"), a_lease("s2", owner="a"), a_lease("s3", owner="a", wanted_by="me")).ask
        is None
    )


def test_two_idle_tasks_do_not_relieve_a_holder_of_more_than_its_surplus() -> None:
    leases = (a_lease("s1", owner="a"), a_lease("s2", owner="a", wanted_by="b"))
    assert what_to_do(*leases, me="c").ask is None


def test_an_even_spread_is_left_alone() -> None:
    leases = (a_lease("s1", owner="a"), a_lease("s2", owner="a"), a_lease("s3", owner="me"))
    assert what_to_do(*leases) == Moves()


def test_a_lease_handed_over_is_left_to_whom_asked_for_it() -> None:
    handed_over = a_lease("s2", wanted_by="b")
    assert names(what_to_do(a_lease("s1", owner="a"), handed_over, me="a")) == set()
    assert names(what_to_do(a_lease("s1", owner="a"), handed_over, me="b")) == {"s2"}


def test_a_lease_handed_over_to_a_task_that_died_meanwhile_is_taken_by_another() -> None:
    leases = (a_lease("s1", wanted_by="b"),)
    assert names(what_to_do(*leases, me="a", seen=0.0, now=5.9)) == set()
    assert names(what_to_do(*leases, me="a", seen=0.0, now=6.0)) == {"s1"}


def test_ended_and_waiting_shards_are_nobodys_load() -> None:
    leases = {lease.shard_id: lease for lease in (a_lease("s1", ended=True), a_lease("s2", owner="a"))}
    found = moves(leases, ["s2", "s3"], {}, me="me", now=0.0, lease_seconds=LEASE_SECONDS)
    assert names(found) == {"s3"}


class Task:
    """One task: its clock runs at the true speed from a wrong time, and its process may be paused."""

    def __init__(self, name: str, skew: float) -> None:
        self.name = name
        self.skew = skew
        self.sightings: dict[str, Sighting] = {}
        self.held: dict[str, Lease] = {}
        self.trusted_until: dict[str, float] = {}
        self.plan = Moves()
        self.paused = False


class LeaseStore(RuleBasedStateMachine):
    """Tasks that list, decide, write, die and are paused between any two steps, over one store with conditions."""

    SHARDS = ("s1", "s2", "s3")

    def __init__(self) -> None:
        super().__init__()
        self.time = 1_000.0
        self.store: dict[str, Lease] = {}
        self.tasks = [Task("a", 0.0), Task("b", -500.0), Task("c", 777.0)]
        self.checkpoints: dict[str, list[int]] = {shard_id: [] for shard_id in self.SHARDS}
        self.number = 0

    def _clock(self, task: Task) -> float:
        return self.time + task.skew

    def _swap(self, old: Lease, new: Lease) -> bool:
        current = self.store.get(old.shard_id, Lease(shard_id=old.shard_id))
        if (current.owner, current.counter) != (old.owner, old.counter):
            return False
        self.store[old.shard_id] = new
        return True

    @rule(seconds=st.floats(0.1, 4.0))
    def time_passes(self, seconds: float) -> None:
        self.time += seconds
        # What runs looks at its clock: a lease past its time is let go before anything else happens.
        for task in self.tasks:
            if not task.paused:
                self._let_go_of_what_ran_out(task)

    def _let_go_of_what_ran_out(self, task: Task) -> None:
        for shard_id in [s for s, until in task.trusted_until.items() if self._clock(task) >= until]:
            task.held.pop(shard_id)
            task.trusted_until.pop(shard_id)

    @rule(index=st.integers(0, 2))
    def a_task_lists_and_decides(self, index: int) -> None:
        task = self.tasks[index]
        if task.paused:
            return
        now = self._clock(task)
        task.sightings = sighted(task.sightings, self.store.values(), now)
        task.plan = moves(self.store, self.SHARDS, task.sightings, me=task.name, now=now, lease_seconds=LEASE_SECONDS)

    @rule(index=st.integers(0, 2))
    def a_task_acts_on_its_plan_however_old(self, index: int) -> None:
        task = self.tasks[index]
        if task.paused:
            return
        for lease in task.plan.take:
            new = taken(lease, task.name)
            if lease.shard_id not in task.held and self._swap(lease, new):
                task.held[lease.shard_id] = new
                task.trusted_until[lease.shard_id] = self._clock(task) + LEASE_SECONDS
        ask, task.plan = task.plan.ask, Moves()
        if ask is not None:
            current = self.store[ask.shard_id]
            if current.owner == ask.owner and current.wanted_by is None:
                self.store[ask.shard_id] = replace(current, wanted_by=task.name)

    @rule(index=st.integers(0, 2), data=st.data(), kind=st.sampled_from(["renew", "checkpoint", "release"]))
    def a_holder_writes(self, index: int, data: st.DataObject, kind: str) -> None:
        """Also a paused one: its request may have been on the wire."""
        task = self.tasks[index]
        if not task.held:
            return
        shard_id = data.draw(st.sampled_from(sorted(task.held)))
        held = task.held[shard_id]
        if kind == "checkpoint":
            self.number += 1
            new = checkpointed(held, str(self.number))
        else:
            new = renewed(held) if kind == "renew" else released(held)
        current = self.store[shard_id]
        new = replace(new, wanted_by=current.wanted_by)
        if not self._swap(held, new) or kind == "release":
            task.held.pop(shard_id)
            task.trusted_until.pop(shard_id)
        else:
            task.held[shard_id] = new
            task.trusted_until[shard_id] = self._clock(task) + LEASE_SECONDS
            if kind == "checkpoint":
                self.checkpoints[shard_id].append(self.number)

    @rule(index=st.integers(0, 2))
    def a_task_is_killed_and_another_starts_in_its_place(self, index: int) -> None:
        self.number += 1
        self.tasks[index] = Task(f"task-{self.number}", skew=float(self.number))

    @rule(index=st.integers(0, 2))
    def a_task_is_paused(self, index: int) -> None:
        self.tasks[index].paused = True

    @rule(index=st.integers(0, 2))
    def a_task_wakes(self, index: int) -> None:
        self.tasks[index].paused = False
        self._let_go_of_what_ran_out(self.tasks[index])

    @invariant()
    def at_most_one_running_task_holds_a_shard(self) -> None:
        held = [shard_id for task in self.tasks if not task.paused for shard_id in task.held]
        assert len(held) == len(set(held))

    @invariant()
    def no_checkpoint_goes_back(self) -> None:
        for shard_id, numbers in self.checkpoints.items():
            assert numbers == sorted(numbers)
            if numbers:
                assert self.store[shard_id].after == str(numbers[-1])


TestLeaseStore = LeaseStore.TestCase
TestLeaseStore.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
