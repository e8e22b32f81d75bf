"""The alarms of the ticket table's stream, on virtual time: the real bridge behind a stream that stalls, is trimmed, or
holds a record that nobody can route."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.ticket_agent.bridge import Bridge
from services.ticket_agent.domain.state import UNASSIGNED
from services.ticket_agent.store.agenda import DynamoDbAgenda
from services.ticket_agent.store.ledger import DynamoDbLedger
from shared.backoff import Backoff
from shared.errors import TransientError
from shared.queue.memory import MemoryQueue
from shared.queue.message import Outgoing
from shared.queue.port import Failed
from shared.stream.consumer import StreamConsumer
from shared.stream.memory import MemoryLeases, MemoryStream
from shared.stream.port import Batch
from shared.stream.settings import StreamSettings
from tests.support.alarm_proofs import POISON_RECORD, RECORDS_LOST, STREAM_LATE, alarms_named, watching
from tests.support.alarms import Watch
from tests.support.overreach import TABLES, a_memory
from tests.support.streams import half_way, until, virtual_now
from tests.support.terraform import Whole

pytestmark = pytest.mark.looptime

# Ten times slower than a task: each turn costs real time, and these tests last for minutes of the virtual one.
SLOW = StreamSettings(
    lease_seconds=60.0, take_seconds=5.0, idle_seconds=5.0, busy_seconds=1.0, backoff=Backoff(base=1.0, cap=20.0)
)
TICKET = {"ticketId": "T-1", "employeeId": "111"}


class StoppableQueue(MemoryQueue):
    away = False

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        if self.away:
            raise TransientError("the queue is away")
        return await super().send(messages)


class StoppableStream(MemoryStream):
    away = False

    async def read(self, shard_id: str, iterator: str, *, at_most: int) -> Batch:
        if self.away:
            raise TransientError("the stream is away")
        return await super().read(shard_id, iterator, at_most=at_most)


@dataclass(slots=True)
class Table:
    """The ticket table's stream with the bridge behind it; ``memory`` is the table."""

    stream: StoppableStream = field(default_factory=lambda: StoppableStream(now=virtual_now))
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    work: StoppableQueue = field(default_factory=lambda: StoppableQueue("ticket-work.fifo"))
    work_dead: MemoryQueue = field(default_factory=lambda: MemoryQueue("ticket-work-dead.fifo"))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[StreamConsumer]:
        """One task's bridge, until the end of the block."""
        memory = a_memory()
        await memory.put_item(
            TableName="Ticket",
            Item={name: {"S": value} for name, value in {**TICKET, "assignStatus": UNASSIGNED}.items()},
        )
        bridge = Bridge(
            work=self.work,
            updates=MemoryQueue("ticket-updates.fifo"),
            work_dead=self.work_dead,
            agenda=DynamoDbAgenda(memory, TABLES),
            ledger=DynamoDbLedger(memory, "Ledger"),
        )
        consumer = StreamConsumer(
            source=self.stream,
            leases=self.leases,
            deliver=bridge.deliver,
            quarantine=bridge.quarantine,
            on_gap=bridge.on_gap,
            owner=f"task-{virtual_now()}",
            settings=SLOW,
            now=virtual_now,
            uniform=half_way,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(consumer.run(stop))
        try:
            yield consumer
        finally:
            stop.set()
            await task


async def minutes_pass(watch: Watch, count: int) -> set[str]:
    for _ in range(count):
        await asyncio.sleep(60.0)
        watch.minute_passes()
    return watch.ringing


@pytest.mark.parametrize("away", ["queue", "stream"])
async def test_a_stream_that_is_not_passed_on_rings_although_nothing_is_read(whole: Whole, away: str) -> None:
    """Lets the queue refuse a record, or the stream every read, for eleven minutes."""
    table = Table()
    broken = table.work if away == "queue" else table.stream
    with watching(whole, *STREAM_LATE) as watch:
        async with table.read():
            assert await minutes_pass(watch, 2) == set()
            broken.away = True
            table.stream.put(TICKET)
            assert await minutes_pass(watch, 11) == alarms_named(*STREAM_LATE)
            # The page: which step fails? Then mend it.
            assert watch.seen("delivery_failed" if away == "queue" else "read_failed")
            broken.away = False
            assert await minutes_pass(watch, 2) == set()
        assert watch.seen("delivered")


async def test_records_that_were_trimmed_unread_ring_once_and_the_table_makes_up_for_them(whole: Whole) -> None:
    """Lets nobody read until the stream has forgotten a ticket."""
    table = Table()
    with watching(whole, *RECORDS_LOST) as watch:
        async with table.read() as consumer:
            table.stream.put(TICKET)
            await until(lambda: watch.heard("delivered"))
            shard = consumer.held[0]
        watch.minute_passes()
        table.stream.put(TICKET)
        table.stream.trim(shard, 2)
        async with table.read():
            assert await minutes_pass(watch, 1) == alarms_named(*RECORDS_LOST)
            # The page: see that it did; `messages` says how many it sent.
            [filled] = watch.seen("gap_filled")
            sent = await table.work.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
            assert {"T-1"} <= {message.group_id for message in sent}
            assert filled["messages"] == len(sent) - 1  # the first one came by the stream
            assert await minutes_pass(watch, 1) == set()


async def test_a_record_that_cannot_be_routed_rings_and_waits_among_the_dead_letters(whole: Whole) -> None:
    """Puts an item without an employee into the stream, and a sound one behind it."""
    table = Table()
    with watching(whole, *POISON_RECORD) as watch:
        async with table.read():
            table.stream.put({"ticketId": "T-0"})
            table.stream.put(TICKET)
            assert await minutes_pass(watch, 1) == alarms_named(*POISON_RECORD)
            # The page: the line names what failed; the letter holds the keys, and what came behind went on.
            [line] = watch.seen("poison_record")
            assert line["error_class"] == "KeyError"
            [letter] = await table.work_dead.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
            assert letter.attributes["error_class"] == "PoisonRecord"
            [work] = await table.work.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
            assert work.group_id == "T-1"
            assert await minutes_pass(watch, 1) == set()
