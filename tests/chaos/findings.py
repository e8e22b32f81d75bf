"""What a run broke: pure comparison of what was sent with what the stores hold afterwards.

Each finding names the promise first, so that a test can ask for one kind.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

LETTER_ATTRIBUTES = ("reason", "error_class", "first_failure_at", "source_message_id", "source_queue")


@dataclass(frozen=True, slots=True)
class Finding:
    """``promise``: lost, twice, out of order, no letter, bad letter, left over, checkpoint ahead, bad exit."""

    promise: str
    what: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter as its queue holds it."""

    id: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class QueueRun:
    """One queue after a consumer run. ``applied`` are the effects of each lane in the order they were stored."""

    fifo: bool
    sent: Collection[str]
    poison: Collection[str]
    applied: Mapping[str, Sequence[str]]
    letters: Sequence[Letter]
    left: int


def queue_findings(run: QueueRun) -> list[Finding]:
    """Handled or dead-lettered, once, in order, and nothing left."""
    times = Counter(each for lane in run.applied.values() for each in lane)
    letters = Counter(letter.id for letter in run.letters)
    sound = set(run.sent) - set(run.poison)
    found = [Finding("lost", f"{each} was sent and never handled") for each in sorted(sound - set(times))]
    found += [Finding("twice", f"{each} took effect {count} times") for each, count in times.items() if count > 1]
    found += [Finding("twice", f"{each} took effect and is poison") for each in sorted(set(run.poison) & set(times))]
    found += [
        Finding("no letter", f"{each} is in no dead-letter queue") for each in sorted(set(run.poison) - set(letters))
    ]
    found += [Finding("bad letter", f"{each} was never poison") for each in sorted(set(letters) - set(run.poison))]
    found += [finding for letter in run.letters for finding in _letter_findings(letter)]
    if run.fifo:
        # A dead letter has its source's message id for deduplication, so a repeated move does not double it.
        found += [Finding("bad letter", f"{each} lies there {n} times") for each, n in letters.items() if n > 1]
        found += [finding for lane, ids in run.applied.items() for finding in _order_findings(lane, ids)]
    if run.left:
        found.append(Finding("left over", f"{run.left} messages are still in the queue or in flight"))
    return found


def _letter_findings(letter: Letter) -> Iterable[Finding]:
    for name in LETTER_ATTRIBUTES:
        if not letter.attributes.get(name):
            yield Finding("bad letter", f"{letter.id} has no {name}")


def _order_findings(lane: str, ids: Sequence[str]) -> Iterable[Finding]:
    # The first effect of each counts: a second one is a finding of its own.
    numbers = [position_of(each) for each in dict.fromkeys(ids)]
    for earlier, later in pairwise(numbers):
        if later < earlier:
            yield Finding("out of order", f"{lane}: {later} took effect after {earlier}")


def position_of(message_id: str) -> int:
    """``g3-17`` is number 17 of its lane."""
    return int(message_id.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message of the bridge as it came out of the FIFO queue."""

    ticket: str
    version: int
    sequence_number: int


@dataclass(frozen=True, slots=True)
class Freeze:
    """A moment when no task ran: the checkpoint in the lease table, and how many messages had arrived by then."""

    checkpoint: int
    arrived: int


@dataclass(frozen=True, slots=True)
class BridgeRun:
    """``written`` are (ticket, version) by the stream's own sequence number."""

    written: Mapping[int, tuple[str, int]]
    arrivals: Sequence[Arrival]
    freezes: Sequence[Freeze] = field(default_factory=tuple)


def bridge_findings(run: BridgeRun) -> list[Finding]:
    """Every change arrives, each once (inside the deduplication window), in order per ticket, before its checkpoint."""
    times = Counter(arrival.sequence_number for arrival in run.arrivals)
    found = [
        Finding("lost", f"{ticket} version {version} never arrived")
        for number, (ticket, version) in run.written.items()
        if number not in times
    ]
    found += [
        Finding("twice", f"record {number} arrived {count} times") for number, count in times.items() if count > 1
    ]
    by_ticket: defaultdict[str, list[int]] = defaultdict(list)
    for arrival in run.arrivals:
        by_ticket[arrival.ticket].append(arrival.version)
    for ticket, versions in by_ticket.items():
        found += [
            Finding("out of order", f"{ticket}: version {later} arrived after {earlier}")
            for earlier, later in pairwise(versions)
            if later < earlier
        ]
    for freeze in run.freezes:
        found += list(_checkpoint_findings(run, freeze))
    return found


def _checkpoint_findings(run: BridgeRun, freeze: Freeze) -> Iterable[Finding]:
    arrived = {arrival.sequence_number for arrival in run.arrivals[: freeze.arrived]}
    ahead = [number for number in run.written if number <= freeze.checkpoint and number not in arrived]
    if ahead:
        yield Finding("checkpoint ahead", f"{len(ahead)} records up to {freeze.checkpoint} had not been sent")
