"""Which shards may be read now: a child only after its parents end.

A key's changes lie in one shard until that shard closes (after about four hours, or when its partition splits), and
then in a child of it. Who reads a child before its parent is done hands on an older change of a key after a newer one.
AWS document: "Capturing table activity with DynamoDB Streams", reading and processing a stream.
"""

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shared.stream.leases import Lease

InitialPosition: TypeAlias = Literal["TRIM_HORIZON", "LATEST"]

# A start is one item of at most 400 KB; shards beyond are read and their records dropped by age, which is only slower.
MOST_PAST_SHARDS = 5_000


@dataclass(frozen=True, slots=True)
class Shard:
    """``parents`` are the shards whose keys it took over: none or one on DynamoDB."""

    shard_id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Where a consumer began, decided once, by its first task, and never again.

    Records created before ``since`` (seconds since the epoch, None: no limit) are not delivered from a shard that has
    no checkpoint yet. Shards in ``past`` were closed then, so that they hold nothing newer.
    """

    since: float | None = None
    past: frozenset[str] = frozenset()


def first_start(initial: InitialPosition, shards: Iterable[Shard], now: float) -> Start:
    """The start of a consumer that has none yet.

    LATEST leaves out what was written before ``now`` by the record's own time, and is no iterator of that type: that
    one points to a different place each time it is asked for, so a task killed before its first checkpoint would lose
    what was written until the next one came. Children are therefore read from TRIM_HORIZON, like any other shard.
    The task's clock is compared with the service's: records of that difference may be left out or delivered.
    """
    if initial == "TRIM_HORIZON":
        return Start()
    # Creation times are rounded down to the second.
    past = sorted(shard.shard_id for shard in shards if shard.closed)
    return Start(since=float(int(now)), past=frozenset(past[:MOST_PAST_SHARDS]))


def readable(shards: Collection[Shard], leases: Mapping[str, Lease], start: Start) -> list[str]:
    """Ids of the shards that somebody should be reading now, oldest first.

    An unfinished lease on a shard that is no longer listed is among them: its holder finds the shard gone, reports the
    gap and ends the lease. Only then are its children read.
    """
    parents = {shard.shard_id: shard.parents for shard in shards}
    unlisted = {shard_id: () for shard_id, lease in leases.items() if shard_id not in parents and not lease.ended}
    return sorted(
        shard_id
        for shard_id, its_parents in {**parents, **unlisted}.items()
        if not _is_done(shard_id, leases, start)
        and all(_is_over(parent, parents.keys(), leases, start) for parent in its_parents)
    )


def _is_done(shard_id: str, leases: Mapping[str, Lease], start: Start) -> bool:
    lease = leases.get(shard_id)
    read_to_its_end = lease is not None and lease.ended
    over_before_the_start = lease is None and shard_id in start.past
    return read_to_its_end or over_before_the_start


def _is_over(parent: str, listed: Set[str], leases: Mapping[str, Lease], start: Start) -> bool:
    """No record of ``parent`` is still to be delivered."""
    # The listing holds a shard for as long as one of its records is kept, and parents are listed before children.
    trimmed = parent not in listed and parent not in leases
    return trimmed or _is_done(parent, leases, start)


def childless_ends(shards: Collection[Shard], leases: Mapping[str, Lease]) -> list[str]:
    """Shards that were read to their end while no child of theirs is listed: the listing is behind, ask again soon."""
    with_child = {parent for shard in shards for parent in shard.parents}
    return sorted(
        shard.shard_id
        for shard in shards
        if shard.shard_id not in with_child and shard.shard_id in leases and leases[shard.shard_id].ended
    )
