"""Components that break one promise each, put in the place of sound ones when a chaos task is composed.

A check that passes on these builds would prove nothing. The faults are in what the composition hands over, never a
switch in the code under test.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.idempotency.port import Claimed
from shared.queue.message import Message, Outgoing
from shared.queue.port import Failed, Queue
from shared.stream.delivery import Deliver
from shared.stream.record import Record
from tests.chaos.effects import Effects, FencedEffects, appended

SOUND = "sound"
DELETE_FIRST = "delete-before-processing"
NO_FENCING = "no-fencing"
SAME_DEDUPLICATION_ID = "dead-letter-without-its-own-deduplication-id"
NO_HEARTBEAT = "no-heartbeat"
NO_GIVE_BACK = "no-give-back-on-drain"
CHECKPOINT_FIRST = "checkpoint-before-sending"


class _Wrapped:
    """A queue that passes everything on."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    @property
    def name(self) -> str:
        return self._queue.name

    @property
    def fifo(self) -> bool:
        return self._queue.fifo

    async def receive(self, *, at_most: int, wait_seconds: int, visibility_seconds: int) -> list[Message]:
        return await self._queue.receive(
            at_most=at_most, wait_seconds=wait_seconds, visibility_seconds=visibility_seconds
        )

    async def delete(self, receipt_handles: Sequence[str]) -> list[Failed]:
        return await self._queue.delete(receipt_handles)

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[Failed]:
        return await self._queue.change_visibility(changes)

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        return await self._queue.send(messages)


class DeletesBeforeProcessing(_Wrapped):
    """Acknowledges on receipt, as a broker client with auto-acknowledgement does."""

    async def receive(self, *, at_most: int, wait_seconds: int, visibility_seconds: int) -> list[Message]:
        messages = await super().receive(
            at_most=at_most, wait_seconds=wait_seconds, visibility_seconds=visibility_seconds
        )
        if messages:
            await self._queue.delete([message.receipt_handle for message in messages])
        return messages

    async def delete(self, receipt_handles: Sequence[str]) -> list[Failed]:
        return []


class NeverExtends(_Wrapped):
    """Drops every heartbeat and says that it succeeded; give-backs still go through."""

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[Failed]:
        give_backs = [(handle, seconds) for handle, seconds in changes if seconds == 0]
        return await self._queue.change_visibility(give_backs) if give_backs else []


class NeverGivesBack(_Wrapped):
    """Drops every give-back and says that it succeeded; heartbeats still go through."""

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[Failed]:
        extensions = [(handle, seconds) for handle, seconds in changes if seconds > 0]
        return await self._queue.change_visibility(extensions) if extensions else []


class DeduplicatesByContent(_Wrapped):
    """Sends with a deduplication id made from the body, as a queue with content-based deduplication does."""

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        return await self._queue.send(
            [
                Outgoing(
                    body=message.body,
                    attributes=message.attributes,
                    group_id=message.group_id,
                    deduplication_id=sha256(message.body.encode()).hexdigest(),
                )
                for message in messages
            ]
        )


def source_queue(build: str, queue: Queue) -> Queue:
    """What the consumer receives from."""
    wrapper = {DELETE_FIRST: DeletesBeforeProcessing, NO_HEARTBEAT: NeverExtends, NO_GIVE_BACK: NeverGivesBack}
    return wrapper[build](queue) if build in wrapper else queue


def dead_letter_queue(build: str, queue: Queue) -> Queue:
    """Where the consumer puts what will never be done."""
    return DeduplicatesByContent(queue) if build == SAME_DEDUPLICATION_ID and queue.fifo else queue


class UnfencedEffects:
    """Has the effect whoever holds the claim by now, and whether or not it was had before."""

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table

    async def apply(self, claimed: Claimed, *, lane: str, message_id: str) -> None:
        with aws_errors():
            await self._client.update_item(**appended(self._table, lane, message_id))


def effects_of(build: str, client: Client, table: str, claims_table: str) -> Effects:
    """How a handled message has its effect."""
    return UnfencedEffects(client, table) if build == NO_FENCING else FencedEffects(client, table, claims_table)


SEND_LATER_SECONDS = 1.0


def bridge_delivery(build: str, deliver: Deliver) -> Deliver:
    """``deliver``, or one that returns before the records are sent, so that the checkpoint comes first."""
    if build != CHECKPOINT_FIRST:
        return deliver
    one_after_the_other = asyncio.Lock()
    under_way: set[asyncio.Task[None]] = set()

    async def send_later(records: Sequence[Record]) -> None:
        async with one_after_the_other:
            await asyncio.sleep(SEND_LATER_SECONDS)
            await deliver(records)

    async def return_at_once(records: Sequence[Record]) -> None:
        sending = asyncio.create_task(send_later(records))
        under_way.add(sending)
        sending.add_done_callback(under_way.discard)

    return return_at_once
