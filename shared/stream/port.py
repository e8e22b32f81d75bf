"""The promises of a change stream and of the leases on its shards, whichever service is behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.errors import PermanentError, TransientError
from shared.stream.leases import Lease
from shared.stream.lineage import Shard, Start
from shared.stream.record import Record


class IteratorExpired(TransientError):
    """The shard iterator is too old (15 minutes on AWS); get a new one from the checkpoint."""


class RecordsTrimmed(PermanentError):
    """The position lies before the oldest record that is kept (24 hours on AWS): records may be lost to the reader."""


class ShardGone(PermanentError):
    """The stream no longer knows the shard: it was trimmed as a whole, or the stream was replaced."""


class LeaseLost(PermanentError):
    """The lease is not as its writer last saw it: someone else took it, or it was forgotten.

    ``current`` is what stands in the store, where it still holds the lease.
    """

    def __init__(self, shard_id: str, current: Lease | None) -> None:
        super().__init__(f"the lease on {shard_id} has changed hands")
        self.current = current


@dataclass(frozen=True, slots=True)
class Batch:
    """``next_iterator`` is None when the shard has ended and ``records`` are its last."""

    records: Sequence[Record] = field(repr=False)
    next_iterator: str | None


class StreamSource(Protocol):
    """The records of each shard in the order they were written, kept for a limited time.

    Every method raises TransientError or PermanentError besides those it names.
    """

    async def shards(self) -> list[Shard]:
        """Every shard of which anything may still be read, all pages of the listing."""
        ...

    async def iterator(self, shard_id: str, *, after: str | None) -> str:
        """Where to read on: after that sequence number, or (None) at the oldest record that is kept.

        Raises RecordsTrimmed or ShardGone.
        """
        ...

    async def read(self, shard_id: str, iterator: str, *, at_most: int) -> Batch:
        """Between 0 and ``at_most`` (1 to 1,000) records, and the iterator to go on with; does not wait for records.

        None does not mean that there are none: it may take several calls to come to them.
        Raises IteratorExpired, RecordsTrimmed or ShardGone.
        """
        ...


class Leases(Protocol):
    """The leases of one consumer (a group of tasks that share a stream), kept where all of its tasks see them.

    Reads are strongly consistent: a lease that was written is seen by whoever lists after it.
    Every method raises TransientError or PermanentError besides those it names.
    """

    async def begin(self, start: Start) -> Start:
        """Record where this consumer begins, if nothing is recorded yet; what is recorded."""
        ...

    async def listing(self) -> list[Lease]:
        """All leases of this consumer, those of ended shards among them."""
        ...

    async def swap(self, old: Lease, new: Lease) -> Lease:
        """Write owner, counter and checkpoint of ``new`` if owner and counter still are those of ``old``.

        An ``old`` with counter 0 means that there must be no lease yet. The lease as written comes back, with
        ``wanted_by`` as it stands in the store, except that taking a lease clears it. A repeat of a write that took
        effect while its answer was lost succeeds. Raises LeaseLost.
        """
        ...

    async def ask(self, lease: Lease, wanted_by: str) -> None:
        """Ask the owner to hand the lease over. Nothing happens if it changed hands or somebody else asked first."""
        ...

    async def forget(self, lease: Lease) -> None:
        """Remove the lease of an ended shard. Nothing happens if it has changed since it was listed."""
        ...
