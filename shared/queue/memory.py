"""The queue port in memory, on the event loop's clock: visibility, groups, deduplication and faults on demand."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, TypeAlias

from shared.errors import DeskhandError, TransientError
from shared.queue.message import Message, Outgoing
from shared.queue.port import Failed

DEDUPLICATION_SECONDS = 300.0
MOST_BYTES = 1_048_576

Operation: TypeAlias = Literal["receive", "delete", "change_visibility", "send"]


@dataclass(slots=True)
class Faults:
    """What shall go wrong, for tests. Each fault is used up once it happened.

    ``calls`` names every call that began, in order; ``hang_at`` is the number (from 0) of the call that never returns,
    before or after it took effect.
    """

    calls: list[Operation] = field(default_factory=list)
    hang_at: int | None = None
    hang_after_effect: bool = False
    hung: asyncio.Event = field(default_factory=asyncio.Event)
    _errors: dict[Operation, list[DeskhandError]] = field(default_factory=dict)
    _partial: dict[Operation, list[tuple[frozenset[int], bool]]] = field(default_factory=dict)

    def fail(self, operation: Operation, *, times: int = 1, error: DeskhandError | None = None) -> None:
        """The next ``times`` calls raise and have no effect."""
        self._errors.setdefault(operation, []).extend([error or TransientError("injected")] * times)

    def fail_in_part(
        self, operation: Operation, indexes: Iterable[int], *, times: int = 1, sender_fault: bool = False
    ) -> None:
        """The next ``times`` calls leave the entries at ``indexes`` undone and say so."""
        self._partial.setdefault(operation, []).extend([(frozenset(indexes), sender_fault)] * times)

    async def before(self, operation: Operation) -> int:
        number = len(self.calls)
        self.calls.append(operation)
        if number == self.hang_at and not self.hang_after_effect:
            await self._hang()
        if self._errors.get(operation):
            raise self._errors[operation].pop(0)
        return number

    async def after(self, number: int) -> None:
        if number == self.hang_at and self.hang_after_effect:
            await self._hang()

    def refused(self, operation: Operation) -> tuple[frozenset[int], bool]:
        partial = self._partial.get(operation)
        return partial.pop(0) if partial else (frozenset(), False)

    async def _hang(self) -> None:
        self.hung.set()
        await asyncio.Event().wait()


@dataclass(slots=True, eq=False)
class _Stored:
    message_id: str
    outgoing: Outgoing
    sent_at: float
    visible_at: float
    receive_count: int = 0
    first_received_at: float | None = None
    handle: str | None = None


@dataclass(slots=True, eq=False)
class MemoryQueue:
    """Keeps the promise of ``Queue`` where SQS keeps it worst: an expired handle deletes nothing that was received
    again, and a group stays locked while any of its messages is in flight.

    ``latency`` seconds pass in each call. With ``redrive_to``, a message received ``max_receive_count`` times moves
    there at the next receive. A name that ends in ``.fifo`` makes it one.
    """

    name: str
    _: KW_ONLY
    latency: float = 0.0
    sender_id: str = "sender"
    redrive_to: "MemoryQueue | None" = None
    max_receive_count: int = 50
    clock: Callable[[], float] = field(default=lambda: asyncio.get_running_loop().time())
    faults: Faults = field(default_factory=Faults)
    _stored: list[_Stored] = field(default_factory=list)
    _sent_ids: dict[tuple[str | None, str], float] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: int = 0

    @property
    def fifo(self) -> bool:
        return self.name.endswith(".fifo")

    async def receive(self, *, at_most: int, wait_seconds: int, visibility_seconds: int) -> list[Message]:
        number = await self.faults.before("receive")
        await asyncio.sleep(self.latency)
        until = self.clock() + wait_seconds
        while not (chosen := self._receivable(at_most)) and self.clock() < until:
            self._changed.clear()
            await self._something_to_happen(until)
        received = [self._receive(stored, visibility_seconds) for stored in chosen]
        await self.faults.after(number)
        return received

    async def delete(self, receipt_handles: Sequence[str]) -> list[Failed]:
        number = await self.faults.before("delete")
        await asyncio.sleep(self.latency)
        refused, sender_fault = self.faults.refused("delete")
        failed = []
        for index, handle in enumerate(receipt_handles):
            stored = self._with_handle(handle)
            if index in refused:
                failed.append(Failed(index, "Injected", "", sender_fault))
            elif not handle.startswith(f"{self.name}/"):
                failed.append(Failed(index, "ReceiptHandleIsInvalid", "No receipt handle of this queue.", True))
            elif stored is not None and self.fifo and not self._in_flight(stored):
                failed.append(Failed(index, "ReceiptHandleIsInvalid", "The receipt handle has expired.", True))
            elif stored is not None:
                self._stored.remove(stored)
        self._changed.set()
        await self.faults.after(number)
        return failed

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[Failed]:
        number = await self.faults.before("change_visibility")
        await asyncio.sleep(self.latency)
        refused, sender_fault = self.faults.refused("change_visibility")
        failed = []
        for index, (handle, seconds) in enumerate(changes):
            stored = self._with_handle(handle)
            if index in refused:
                failed.append(Failed(index, "Injected", "", sender_fault))
            elif stored is None or not self._in_flight(stored):
                failed.append(Failed(index, "MessageNotInflight", "The message is not in flight.", True))
            else:
                stored.visible_at = self.clock() + seconds
        self._changed.set()
        await self.faults.after(number)
        return failed

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        number = await self.faults.before("send")
        await asyncio.sleep(self.latency)
        refused, sender_fault = self.faults.refused("send")
        failed: list[Failed] = []
        stuck: set[str | None] = set()
        for index, message in enumerate(messages):
            if self.fifo and message.group_id in stuck:
                failed.append(Failed(index, "Behind", "an earlier one of its group failed", False))
            elif index in refused:
                failed.append(Failed(index, "Injected", "", sender_fault))
            elif (why := self._unacceptable(message)) is not None:
                failed.append(Failed(index, "InvalidParameterValue", why, True))
            else:
                self._store(message)
                continue
            stuck.add(message.group_id)
        self._changed.set()
        await self.faults.after(number)
        return failed

    # What a test looks at

    @property
    def stored(self) -> list[Outgoing]:
        """Every message that is not deleted, visible or in flight, in the order sent."""
        return [stored.outgoing for stored in self._stored]

    @property
    def visible(self) -> list[Outgoing]:
        """Those that a receive could return now."""
        return [stored.outgoing for stored in self._receivable(len(self._stored))]

    @property
    def in_flight(self) -> list[Outgoing]:
        return [stored.outgoing for stored in self._stored if self._in_flight(stored)]

    def expire(self, body: str) -> None:
        """End the visibility timeout of the message with ``body`` now, as if its heartbeats had never arrived."""
        for stored in self._stored:
            if stored.outgoing.body == body:
                stored.visible_at = self.clock()
        self._changed.set()

    # How it works

    def _receivable(self, at_most: int) -> list[_Stored]:
        now = self.clock()
        self._redrive(now)
        locked = {stored.outgoing.group_id for stored in self._stored if self._in_flight(stored)}
        chosen: list[_Stored] = []
        for stored in self._stored:
            if stored.visible_at <= now and not (self.fifo and stored.outgoing.group_id in locked):
                chosen.append(stored)
            elif self.fifo:
                locked.add(stored.outgoing.group_id)  # Nothing overtakes inside a group.
        return chosen[:at_most]

    def _receive(self, stored: _Stored, visibility_seconds: int) -> Message:
        now = self.clock()
        self._numbers += 1
        stored.receive_count += 1
        stored.visible_at = now + visibility_seconds
        stored.handle = f"{self.name}/{self._numbers}"
        stored.first_received_at = now if stored.first_received_at is None else stored.first_received_at
        return Message(
            message_id=stored.message_id,
            receipt_handle=stored.handle,
            body=stored.outgoing.body,
            receive_count=stored.receive_count,
            sent_at=stored.sent_at,
            first_received_at=stored.first_received_at,
            sender_id=self.sender_id,
            attributes={name: value for name, value in stored.outgoing.attributes.items() if value},
            group_id=stored.outgoing.group_id,
            deduplication_id=stored.outgoing.deduplication_id,
        )

    def _redrive(self, now: float) -> None:
        if self.redrive_to is None:
            return
        for stored in list(self._stored):
            if stored.visible_at <= now and stored.receive_count >= self.max_receive_count:
                self._stored.remove(stored)
                self.redrive_to._stored.append(_Stored(stored.message_id, stored.outgoing, stored.sent_at, now))
                self.redrive_to._changed.set()

    def _store(self, message: Outgoing) -> None:
        now = self.clock()
        if self.fifo and message.deduplication_id is not None:
            # High throughput FIFO queues deduplicate inside a message group.
            sent_id = (message.group_id, message.deduplication_id)
            if now - self._sent_ids.get(sent_id, -DEDUPLICATION_SECONDS) < DEDUPLICATION_SECONDS:
                return
            self._sent_ids[sent_id] = now
        self._numbers += 1
        message_id = f"message-{self._numbers}"
        self._stored.append(_Stored(message_id, message, sent_at=now, visible_at=now + message.delay_seconds))

    def _unacceptable(self, message: Outgoing) -> str | None:
        attributes = "".join(name + value + "String" for name, value in message.attributes.items())
        if len((message.body + attributes).encode()) > MOST_BYTES:
            return "The message is longer than 1048576 bytes."
        if not message.body:
            return "The message is empty."
        if len(message.attributes) > 10:
            return "The message has more than 10 attributes."
        if self.fifo and (message.group_id is None or message.deduplication_id is None):
            return "A FIFO queue needs a group id and a deduplication id."
        if not self.fifo and message.deduplication_id is not None:
            return "Only a FIFO queue takes a deduplication id."
        return None

    def _with_handle(self, handle: str) -> _Stored | None:
        return next((stored for stored in self._stored if stored.handle == handle), None)

    def _in_flight(self, stored: _Stored) -> bool:
        return stored.handle is not None and stored.visible_at > self.clock()

    async def _something_to_happen(self, until: float) -> None:
        now = self.clock()
        next_visible = min((stored.visible_at for stored in self._stored if stored.visible_at > now), default=until)
        with suppress(TimeoutError):
            # A timer may fire a tick early: waiting for what is left of the tick would spin.
            async with asyncio.timeout(max(0.001, min(until, next_visible) - now)):
                await self._changed.wait()
