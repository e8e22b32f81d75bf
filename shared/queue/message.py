"""What a queue hands out and takes in, and how a handled message ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One received message. ``body`` and ``receipt_handle`` stay out of ``repr``, so that logs never hold them.

    ``sent_at`` and ``first_received_at`` are seconds since the epoch. ``receive_count`` counts this receipt; give-backs
    and kills raise it too, so it is no count of failures. ``sender_id`` is SQS's ``SenderId``: for a user the user id,
    for a role ``roleId:sessionName``.
    """

    message_id: str
    receipt_handle: str = field(repr=False)
    body: str = field(repr=False)
    receive_count: int
    sent_at: float
    first_received_at: float
    sender_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    group_id: str | None = None
    deduplication_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message to send. FIFO queues need ``group_id`` and ``deduplication_id``; standard queues take neither the
    latter, nor need the former (there it is a fairness hint: document "Amazon SQS fair queues")."""

    body: str = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict)
    group_id: str | None = None
    deduplication_id: str | None = None
    delay_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Ack:
    """Done: delete it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Not done, but may be later: make it visible again after ``after`` seconds (None: by the backoff policy)."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Not its time, and no failure: make it visible again after ``after`` seconds, for as many days as it takes.

    Each time raises the receive count: ``after`` must be so long that the queue's own limit on it is not reached.
    """

    reason: str
    after: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Never going to be done: move it to the dead-letter queue with its reason."""

    reason: str
    error_class: str


Settlement: TypeAlias = Ack | Retry | GiveBack | DeadLetter
