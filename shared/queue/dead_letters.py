"""Moving a message to the dead-letter queue: what the letter says, and that it is stored before the source lets go."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from shared.errors import TransientError
from shared.queue.message import DeadLetter, Message, Outgoing
from shared.queue.port import Queue

OnDeadLetter: TypeAlias = Callable[[Message, DeadLetter], Awaitable[None]]
"""Told before the message moves, so that its owner can hand the work to a person or count it. It may be told twice of
one message (a crash between the move and the delete) and must bear that; if it raises, the message is retried."""

REASON = "reason"
ERROR_CLASS = "error_class"
FIRST_FAILURE_AT = "first_failure_at"
SOURCE_MESSAGE_ID = "source_message_id"
SOURCE_QUEUE = "source_queue"
SENDER_ID = "sender_id"
FURTHER_ATTRIBUTES = "further_attributes"
"""What a dead letter says about itself beside the original's own attributes. ``sender_id`` is the SQS SenderId of the
message that failed, and those before it (``senders``): that of the letter itself is the task's that moved it."""

ABOUT = (REASON, ERROR_CLASS, FIRST_FAILURE_AT, SOURCE_MESSAGE_ID, SOURCE_QUEUE, SENDER_ID)

REDRIVEN_FROM = "redriven_from"
"""On a message that was moved back from the dead letters: the SenderIds it was sent with before, the last one first,
with blanks between. SQS's own SenderId is whoever moved it back."""

RESERVED = frozenset({*ABOUT, FURTHER_ATTRIBUTES, REDRIVEN_FROM})
"""What a letter alone says: a sender's own attributes of these names are not passed on as the original's."""

# Source: Amazon SQS Developer Guide, "Amazon SQS message quotas".
MOST_ATTRIBUTES = 10
MOST_BYTES = 1_048_576
MOST_REASON_CHARACTERS = 1_000


class NotMoved(TransientError):
    """The dead-letter queue did not take the message; it stays where it is."""


async def move(message: Message, letter: Outgoing, dead_letters: Queue) -> None:
    """Store the letter; raises NotMoved, TransientError or PermanentError if it is not known to be stored."""
    failed = await dead_letters.send([letter])
    if failed:
        raise NotMoved(f"{dead_letters.name} refused {message.message_id}: {failed[0].code}")


def dead_letter(
    message: Message, verdict: DeadLetter, *, source_queue: str, first_failure_at: str, fifo: bool
) -> Outgoing:
    """The message with its reason. ``fifo`` is that of the dead-letter queue.

    Its deduplication id is the source's message id: the original id, or one made from the content, would let a second
    failure within five minutes of a redrive vanish.
    """
    about = {
        REASON: _as_attribute(verdict.reason)[:MOST_REASON_CHARACTERS] or "not said",
        ERROR_CLASS: _as_attribute(verdict.error_class) or "not said",
        FIRST_FAILURE_AT: first_failure_at,
        SOURCE_MESSAGE_ID: message.message_id,
        SOURCE_QUEUE: source_queue,
        SENDER_ID: _as_attribute(" ".join(senders(message))) or "not said",
    }
    original = {name: value for name, value in message.attributes.items() if name not in RESERVED}
    return Outgoing(
        body=message.body,
        attributes=_fitted(about, original, room=MOST_BYTES - _bytes(message.body)),
        group_id=(message.group_id or message.message_id) if fifo else None,
        deduplication_id=message.message_id if fifo else None,
    )


def senders(message: Message) -> tuple[str, ...]:
    """Everybody through whose hands the message came: who sent it, then those whom ``redriven_from`` names.

    A letter that SQS itself moved back (StartMessageMoveTask, the console's button) still says what letters say.
    Anybody may write these attributes. Whoever judges a sender must ask the same of each of them: then it can only take
    rights away, and a letter that was refused stays refused when somebody of more rights moves it back.
    """
    said = [message.attributes.get(REDRIVEN_FROM, "")]
    if SOURCE_MESSAGE_ID in message.attributes:
        said.append(message.attributes.get(SENDER_ID, ""))
    return tuple(dict.fromkeys((message.sender_id, *" ".join(said).split())))


def _fitted(about: Mapping[str, str], original: Mapping[str, str], *, room: int) -> Mapping[str, str]:
    """The most that SQS takes beside the body: a letter that it refuses would leave its message queued for ever."""
    shortened = {**about, REASON: about[REASON][:100]}
    candidates = (
        {**_packed(original, len(about)), **about},
        {**about},
        {**shortened},
        {SOURCE_MESSAGE_ID: about[SOURCE_MESSAGE_ID], SENDER_ID: about[SENDER_ID]},
    )
    return next((candidate for candidate in candidates if _size(candidate) <= room), {})


def _packed(original: Mapping[str, str], taken: int) -> Mapping[str, str]:
    """The original's attributes, those beyond the ten in all as JSON in one."""
    room = MOST_ATTRIBUTES - taken
    if len(original) <= room:
        return original
    names = list(original)
    further = {name: original[name] for name in names[room - 1 :]}
    return {**{name: original[name] for name in names[: room - 1]}, FURTHER_ATTRIBUTES: json.dumps(further)}


def _size(attributes: Mapping[str, str]) -> int:
    return sum(_bytes(name) + _bytes(value) + len("String") for name, value in attributes.items())


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _as_attribute(text: str) -> str:
    """``text`` without the characters that SQS refuses in an attribute (API reference, "SendMessage")."""
    return "".join(character if _is_allowed(character) else " " for character in text).strip()


def _is_allowed(character: str) -> bool:
    return (
        character in "\t\n\r"
        or " " <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
    )
