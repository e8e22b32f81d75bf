"""Who may read which shard: what a lease becomes, when it counts as expired, and which leases a task goes for.

Pure: time is the observer's own monotonic clock, never compared with another task's. A lease is expired when its
counter has not changed for a lease duration as one observer saw it; its holder stops by itself a lease duration after
it began its last successful write, which is earlier. So clocks that disagree cannot give two tasks one shard; a process
that was stopped and wakes can, for the moment until it looks at its clock, and then the counter in each write's
condition keeps it from moving the checkpoint.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to read ``shard_id`` and to move its checkpoint.

    ``counter`` grows with every write of a holder: it is heartbeat and fencing token in one. 0: not stored yet.
    ``after`` is the checkpoint: the last sequence number that was delivered, None before the first. ``ended`` says that
    the whole shard was. ``wanted_by`` is a task that asks for it, to even out; it stays until someone takes the lease.
    """

    shard_id: str
    owner: str | None = None
    counter: int = 0
    after: str | None = None
    ended: bool = False
    wanted_by: str | None = None


# What a lease becomes. Each result is written only if the lease still is what it was made from.


def taken(lease: Lease, owner: str) -> Lease:
    return replace(lease, owner=owner, counter=lease.counter + 1, wanted_by=None)


def renewed(lease: Lease) -> Lease:
    return replace(lease, counter=lease.counter + 1)


def checkpointed(lease: Lease, after: str) -> Lease:
    """Raises ValueError if the checkpoint would go backwards."""
    if lease.after is not None and int(after) < int(lease.after):
        raise ValueError(f"checkpoint of {lease.shard_id} would go back from {lease.after} to {after}")
    return replace(lease, counter=lease.counter + 1, after=after)


def released(lease: Lease, *, ended: bool = False) -> Lease:
    after = None if ended else lease.after
    return replace(lease, owner=None, counter=lease.counter + 1, after=after, ended=ended)


def is_our_own_write(held: Lease, current: Lease | None) -> bool:
    """After a write whose answer was lost: did it take effect, so that we hold the lease one count further on?

    Only a holder writes while it holds, and each of its writes is conditional on the count before, so that at most one
    of several tries can have taken effect.
    """
    if current is None:
        return False
    still_ours = current.owner == held.owner
    one_write_on = current.counter == held.counter + 1
    return still_ours and one_write_on


# When a lease counts as expired.


@dataclass(frozen=True, slots=True)
class Sighting:
    """Since when (observer's monotonic seconds) an observer has been seeing a lease at this counter."""

    counter: int
    since: float


Sightings: TypeAlias = Mapping[str, Sighting]


def sighted(before: Sightings, leases: Iterable[Lease], now: float) -> dict[str, Sighting]:
    """What is known after listing ``leases``; ``now`` is read after the listing came back, never before."""
    return {
        lease.shard_id: before[lease.shard_id]
        if lease.shard_id in before and before[lease.shard_id].counter == lease.counter
        else Sighting(lease.counter, now)
        for lease in leases
    }


def is_expired(lease: Lease, sightings: Sightings, now: float, lease_seconds: float) -> bool:
    is_held = lease.owner is not None
    return is_held and _has_been_silent(lease, sightings, now, lease_seconds)


def is_kept_for_another(lease: Lease, sightings: Sightings, *, me: str, now: float, lease_seconds: float) -> bool:
    """A lease handed over at somebody's request is theirs to take, unless they do not for a lease duration.

    Its last holder would else take it back before the asker, who may look less often, sees it.
    """
    is_free = lease.owner is None
    was_asked_for_by_another = lease.wanted_by not in {None, me}
    return is_free and was_asked_for_by_another and not _has_been_silent(lease, sightings, now, lease_seconds)


def _has_been_silent(lease: Lease, sightings: Sightings, now: float, lease_seconds: float) -> bool:
    sighting = sightings.get(lease.shard_id)
    if sighting is None:
        return False
    is_what_was_seen = sighting.counter == lease.counter
    for_a_lease_duration = now - sighting.since >= lease_seconds
    return is_what_was_seen and for_a_lease_duration


# Which leases a task goes for.


@dataclass(frozen=True, slots=True)
class Moves:
    """``take`` are free or expired; ``ask`` is somebody's, who is to hand it over when its batch is done."""

    take: tuple[Lease, ...] = ()
    ask: Lease | None = None


def moves(
    leases: Mapping[str, Lease],
    readable: Collection[str],
    sightings: Sightings,
    *,
    me: str,
    now: float,
    lease_seconds: float,
) -> Moves:
    """What task ``me`` should do now to have its share of the shards in ``readable``.

    A live holder's lease is never taken, only asked for, one at a time: a lease taken from under its holder would make
    records of the batch in hand go out twice. Tasks alive are those that hold a live lease, and ``me``; the others
    show when they ask.
    """
    wanted = [leases.get(shard_id, Lease(shard_id=shard_id)) for shard_id in readable]
    expired = [lease for lease in wanted if is_expired(lease, sightings, now, lease_seconds)]
    kept = [
        lease for lease in wanted if is_kept_for_another(lease, sightings, me=me, now=now, lease_seconds=lease_seconds)
    ]
    free = [lease for lease in wanted if lease.owner is None and lease not in kept]
    live = [lease for lease in wanted if lease.owner is not None and lease not in expired]

    # A lease that is asked for counts as the asker's, or two tasks would each relieve the same holder of one too many.
    load = Counter(lease.wanted_by or lease.owner for lease in live + kept)
    tasks = {*load, *(lease.owner for lease in live), me}
    share = -(-len(wanted) // len(tasks))

    # Expired before free: nobody has read those for a lease duration. Then each task in an order of its own, so that
    # several do not race for the same one.
    candidates = sorted(expired, key=lambda lease: _order(me, lease)) + sorted(
        free, key=lambda lease: _order(me, lease)
    )
    take = tuple(candidates[: max(0, share - load[me])])
    return Moves(take, None if candidates else _ask(live, load, me))


def _ask(live: list[Lease], load: Counter[str | None], me: str) -> Lease | None:
    """One lease of the task that has most, if that leaves it with no fewer than ``me`` gets."""
    unasked = [lease for lease in live if lease.owner != me and lease.wanted_by is None]
    if not unasked:
        return None
    most = max(unasked, key=lambda lease: (load[lease.owner], _order(me, lease)))
    already_asking = any(lease.wanted_by == me for lease in live)
    evens_out = load[most.owner] >= load[me] + 2
    return most if evens_out and not already_asking else None


def _order(me: str, lease: Lease) -> bytes:
    # hash() of a text differs from process to process, which would be chance without a seed.
    return blake2b(f"{me} {lease.shard_id}".encode(), digest_size=8).digest()
