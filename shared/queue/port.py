"""The promise of a queue, whichever service is behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.queue.message import Message, Outgoing


@dataclass(frozen=True, slots=True)
class Failed:
    """Entry ``index`` of a batch was not carried out; ``sender_fault`` says that sending it again cannot help."""

    index: int
    code: str
    text: str
    sender_fault: bool


class Queue(Protocol):
    """At-least-once delivery with a visibility timeout; in FIFO order inside a group where ``fifo``.

    Batches of any length are taken and split as the service needs. A call that fails as a whole raises TransientError
    or PermanentError; one that fails in part returns what failed, by the index the caller gave.
    """

    @property
    def name(self) -> str: ...

    @property
    def fifo(self) -> bool: ...

    async def receive(self, *, at_most: int, wait_seconds: int, visibility_seconds: int) -> list[Message]:
        """Between 0 and ``at_most`` (1 to 10) messages, invisible to others for ``visibility_seconds``.

        Waits up to ``wait_seconds`` (0 to 20) for the first. Let a started call end: a long poll that is cancelled may
        already hold messages, which then stay invisible until their timeout.
        """
        ...

    async def delete(self, receipt_handles: Sequence[str]) -> list[Failed]:
        """Remove received messages for good. Deleting one again is no failure."""
        ...

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[Failed]:
        """Set for each (receipt handle, seconds from now) when it becomes visible; 0 gives it back at once.

        A handle whose visibility has run out fails with ``sender_fault``: someone else may hold the message.
        """
        ...

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        """Store the messages. A FIFO queue accepts and drops a deduplication id seen in the last five minutes."""
        ...
