"""What may be tuned in a stream consumer, and why each number is what it is."""

from dataclasses import dataclass, field

from shared.backoff import Backoff
from shared.stream.lineage import InitialPosition


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """All in seconds unless the name says otherwise.

    ``lease_seconds``: silence after which others take a lease. A killed task's shards are read again within
    lease_seconds + 2 * take_seconds, so by default within 7 s; much shorter, and a slow write to the lease table would
    cost a healthy task its shards.
    ``take_seconds``: how often each task lists the leases; half of it is the mean wait of a shard that was handed over.
    ``sync_seconds``: how often the shards are listed; a shard that ends is followed at once, and does not wait for it.
    ``idle_seconds``: the wait after a read that found nothing; half of it is the mean delay of a lone record.
    ``busy_seconds``: the least time from read to read while there are records, so that a trickle does not cost one
    read a record.
    Reads are charged per GetRecords call, also when it finds nothing: a shard costs 86,400 / idle_seconds calls a day,
    by default 345,600, about 10.4 million in 30 days, of which 2.5 million a month, account and region are free
    (document "Evaluate your DynamoDB streams usage"); GetShardIterator and DescribeStream cost nothing. There is no
    published limit of calls a second and shard as Kinesis has one (five), only that of two readers at a time, which
    leaves room for one other consumer of the stream.
    ``read_at_most`` and ``deliver_at_most``: records a read, and records a delivery. The checkpoint moves after each
    delivery, so the latter is how many records a kill may repeat, and how long a hand-over may wait.
    ``deliver_seconds``: a delivery that takes longer is cancelled and tried again.
    ``max_failures``: how often one delivery may fail with an error that is neither transient nor permanent before the
    records in it count as poison.
    ``forget_seconds``: how long the lease of an ended shard outlives its listing.
    """

    start: InitialPosition = "TRIM_HORIZON"
    lease_seconds: float = 6.0
    take_seconds: float = 0.5
    sync_seconds: float = 30.0
    idle_seconds: float = 0.25
    busy_seconds: float = 0.1
    read_at_most: int = 1_000
    deliver_at_most: int = 100
    deliver_seconds: float = 30.0
    max_failures: int = 5
    forget_seconds: float = 3_600.0
    backoff: Backoff = field(default_factory=lambda: Backoff(base=0.1, cap=5.0))

    def __post_init__(self) -> None:
        if not 1 <= self.read_at_most <= 1_000:
            raise ValueError(f"read_at_most must be 1 to 1,000, got {self.read_at_most}")
        if self.deliver_at_most < 1 or self.max_failures < 1:
            raise ValueError("deliver_at_most and max_failures must be at least 1")
        if self.take_seconds > self.renew_seconds:
            raise ValueError("take_seconds must be at most a third of lease_seconds, or take-over is late")

    @property
    def renew_seconds(self) -> float:
        return self.lease_seconds / 3  # three chances to renew
