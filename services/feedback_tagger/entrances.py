"""Uploads that are no feedback: each kind has a prefix of its own under uploads/ and somebody who takes it.

They come by the same notifications as files of feedback, so nothing new is to be provisioned, permitted or watched.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from services.feedback_tagger.messages.uploaded import Uploaded, uploads_in
from shared.errors import BadInput
from shared.queue.consumer import Handler
from shared.queue.message import DeadLetter, Message, Settlement


class Entrance(Protocol):
    """``prefix`` is longer than that of feedback, which stands aside for it."""

    @property
    def prefix(self) -> str: ...

    async def take(self, uploaded: Uploaded) -> None:
        """Do what the object says, any number of times with the same outcome. Raises TransientError to be asked again,
        PermanentError where the message is for the dead letters."""
        ...

    async def bury(self, uploaded: Uploaded, reason: str) -> None:
        """The message is on its way to the dead letters: whoever waits for an answer gets this one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrances:
    """The handler of feedback-files: what has an entrance goes there, everything else to ``feedback``."""

    bucket: str
    entrances: Sequence[Entrance] = field(repr=False)
    feedback: Handler = field(repr=False)
    bury_feedback: Callable[[Message, DeadLetter], Awaitable[None]] = field(repr=False)

    async def handle(self, message: Message) -> Settlement | None:
        taken, rest = self._parted(message)
        for entrance, uploaded in taken:
            await entrance.take(uploaded)
        return None if rest is None else await self.feedback(rest)

    async def bury(self, message: Message, letter: DeadLetter) -> None:
        try:
            taken, rest = self._parted(message)
        except BadInput:
            return  # No upload at all, so nobody waits for an answer.
        for entrance, uploaded in taken:
            await entrance.bury(uploaded, letter.reason)
        if rest is not None:
            await self.bury_feedback(rest, letter)

    def _parted(self, message: Message) -> tuple[list[tuple[Entrance, Uploaded]], Message | None]:
        """What goes where; the message without what has an entrance, None if nothing is left of it."""
        uploads = uploads_in(message.body)
        taken = [
            (entrance, uploaded)
            for uploaded in uploads
            if uploaded.bucket == self.bucket and (entrance := entrance_for(self.entrances, uploaded.key))
        ]
        if not taken:
            return [], message
        if len(taken) == len(uploads):
            return taken, None
        ours = {uploaded.key for _, uploaded in taken}
        event = json.loads(message.body)
        records = [
            record
            for record in event["Records"]
            if not any(upload.key in ours for upload in uploads_in(json.dumps({"Records": [record]})))
        ]
        return taken, replace(message, body=json.dumps({**event, "Records": records}))


def entrance_for(entrances: Sequence[Entrance], key: str) -> Entrance | None:
    """The entrance whose prefix the key has, the longest first; None: it is a file of feedback."""
    fitting = [entrance for entrance in entrances if key.startswith(entrance.prefix)]
    return max(fitting, key=lambda entrance: len(entrance.prefix), default=None)
