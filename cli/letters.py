"""A dead letter as the operator sees it, and the message that it becomes when it is moved back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.provisioning import QUEUES, Queue
from shared.queue.dead_letters import (
    ABOUT,
    ERROR_CLASS,
    FIRST_FAILURE_AT,
    FURTHER_ATTRIBUTES,
    MOST_ATTRIBUTES,
    REASON,
    REDRIVEN_FROM,
    RESERVED,
    SENDER_ID,
    SOURCE_MESSAGE_ID,
)

DOORS = frozenset({"ticket-intake", "ticket-decisions"})
"""Queues whose messages are judged by who sent them."""

UNSAID = "not said"
MOVED_BY_SQS = "received too often: SQS moved it by itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """``senders``: the SenderIds that the message was sent with, the last one first; empty if nobody knows.

    ``attributes`` are the original's, as SQS writes them.
    """

    letter_id: str
    receipt_handle: str = field(repr=False)
    body: str = field(repr=False)
    reason: str
    error_class: str
    failed_at: str
    source_message_id: str
    senders: tuple[str, ...]
    group_id: str | None
    attributes: Mapping[str, Mapping[str, Any]]

    def as_document(self) -> dict[str, Any]:
        """What is shown of it: never its text."""
        return {
            "letter_id": self.letter_id,
            "source_message_id": self.source_message_id,
            "reason": self.reason,
            "error_class": self.error_class,
            "failed_at": self.failed_at,
            "senders": list(self.senders),
            "group_id": self.group_id,
        }


def queue_named(text: str, prefix: str) -> Queue | None:
    """The queue that ``text`` means: ``feedback-items``, that of its dead letters, or a full name. None if none is."""
    bare = text.removesuffix(".fifo").removeprefix(f"{prefix}-").removesuffix("-dead")
    return next((queue for queue in QUEUES if queue.name == bare), None)


def read_letter(entry: Mapping[str, Any]) -> Letter:
    """A received message of a dead-letter queue, received with all attributes."""
    system = entry.get("Attributes", {})
    attributes: dict[str, Mapping[str, Any]] = dict(entry.get("MessageAttributes", {}))
    # SQS says so itself of a message that it moved, and leaves what it says alone: it holds the sender's own words.
    by_sqs = "DeadLetterQueueSourceArn" in system
    about = {} if by_sqs else {name: _text(attributes.pop(name)) for name in ABOUT if name in attributes}
    earlier = _text(attributes.pop(REDRIVEN_FROM, None))
    said = f"{system.get('SenderId', '')} {earlier}" if by_sqs else about.get(SENDER_ID, "")
    further = _text(attributes.pop(FURTHER_ATTRIBUTES, None)) if not by_sqs else ""
    return Letter(
        letter_id=str(entry["MessageId"]),
        receipt_handle=str(entry["ReceiptHandle"]),
        body=str(entry["Body"]),
        reason=MOVED_BY_SQS if by_sqs else about.get(REASON) or UNSAID,
        error_class="" if by_sqs else about.get(ERROR_CLASS) or UNSAID,
        failed_at=about.get(FIRST_FAILURE_AT, ""),
        source_message_id=about.get(SOURCE_MESSAGE_ID, "") or str(entry["MessageId"]),
        senders=() if said == UNSAID else tuple(said.split()),
        group_id=system.get("MessageGroupId"),
        attributes={**attributes, **{name: _as_attribute(value) for name, value in _unpacked(further).items()}},
    )


def refusal(letter: Letter, queue: Queue) -> str:
    """Why the letter may not be moved back; empty if it may."""
    if queue.name in DOORS and not letter.senders:
        return "nobody knows who sent it: its sender has to send it again"
    return ""


def moved_back(letter: Letter, queue: Queue) -> dict[str, Any]:
    """The parameters of SendMessage, the queue's URL apart.

    Two moves of one letter are one message on a FIFO queue, as its deduplication id is the letter's; the same message
    failing again is another letter, and so not swallowed as a repeat.
    """
    attributes = dict(letter.attributes)
    if queue.name in DOORS:
        # Without it, or with one of the sender's own, the message would be judged as one that the operator sent.
        attributes.pop(REDRIVEN_FROM, None)
        others = list(attributes.items())[: MOST_ATTRIBUTES - 1]
        attributes = {REDRIVEN_FROM: _as_attribute(" ".join(letter.senders)), **dict(others)}
    sent: dict[str, Any] = {"MessageBody": letter.body, "MessageAttributes": attributes}
    if queue.fifo:
        sent |= {
            "MessageGroupId": letter.group_id or letter.letter_id,
            "MessageDeduplicationId": f"redrive-{letter.letter_id}",
        }
    elif letter.group_id is not None:
        sent["MessageGroupId"] = letter.group_id
    return sent


@dataclass(slots=True)
class Pace:
    """At most ``rate`` a second, evenly."""

    rate: float
    now: Callable[[], float]
    sleep: Callable[[float], None]
    due: float | None = None

    def wait(self) -> None:
        now = self.now()
        if self.due is not None and self.due > now:
            self.sleep(self.due - now)
            now = self.due
        self.due = now + 1 / self.rate


def _unpacked(further: str) -> Mapping[str, str]:
    """Less what only we may say: a sender may have written the attribute that this is read from."""
    try:
        found = json.loads(further or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): str(value) for name, value in found.items() if name not in RESERVED}


def _text(attribute: Mapping[str, Any] | None) -> str:
    return "" if attribute is None else str(attribute.get("StringValue", ""))


def _as_attribute(text: str) -> Mapping[str, Any]:
    return {"DataType": "String", "StringValue": text}
