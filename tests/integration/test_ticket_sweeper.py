"""What the sweeper does about overdue tickets, on real tables and with the days passing as the test says."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from services.ticket_agent.bridge import Bridge
from services.ticket_agent.domain.access import AccessType, Grant
from services.ticket_agent.domain.agenda import Delays
from services.ticket_agent.domain.outcome import Assigned, HandedOver, Outcome, Resolved
from services.ticket_agent.domain.state import State
from services.ticket_agent.store.agenda import DynamoDbAgenda
from services.ticket_agent.store.port import Figures, Warrant
from services.ticket_agent.sweeper import Sweeper
from shared.idempotency.memory import MemoryIdempotency
from shared.queue.memory import MemoryQueue
from shared.stream.record import Record
from tests.support.ticket_desk import NOON, TicketDesk, open_ticket_desk
from tests.support.tickets import a_text
from tests.support.waiting import eventually

DAY = 86_400.0
DELAYS = Delays(open=300, run=300, tell=300, remind=DAY, escalate=3 * DAY, expire=7 * DAY)


@dataclass
class Swept:
    """A sweeper over the desk's tables; ``at`` of the desk is its clock."""

    desk: TicketDesk
    work: MemoryQueue = field(default_factory=lambda: MemoryQueue("work.fifo"))
    updates: MemoryQueue = field(default_factory=lambda: MemoryQueue("updates.fifo"))
    work_dead: MemoryQueue = field(default_factory=lambda: MemoryQueue("work-dead.fifo"))
    claims: MemoryIdempotency = field(default_factory=lambda: MemoryIdempotency(now=lambda: NOON))

    def sweeper(self, owner: str = "task-1", *, sweep_seconds: float = 0.05) -> Sweeper:
        return Sweeper(
            claims=self.claims,
            agenda=DynamoDbAgenda(self.desk.client, self.desk.tables),
            tickets=self.desk.tickets,
            ledger=self.desk.ledger,
            directory=self.desk.directory,
            access=self.desk.directory,
            changes=self.desk.changes,
            work=self.work,
            updates=self.updates,
            delays=DELAYS,
            owner=owner,
            sweep_seconds=sweep_seconds,
            now=lambda: self.desk.at,
        )

    def bridge(self) -> Bridge:
        return Bridge(
            work=self.work,
            updates=self.updates,
            work_dead=self.work_dead,
            agenda=DynamoDbAgenda(self.desk.client, self.desk.tables),
            ledger=self.desk.ledger,
        )

    async def after(self, seconds: float) -> int:
        """Let so much time pass, sweep, and say how many tickets were looked at."""
        self.desk.at += seconds
        return await self.sweeper().sweep_once()

    async def told(self, ticket_id: str = "T-1") -> None:
        """The notifier has told everything there is to tell."""
        version = (await self.desk.loaded(ticket_id)).status_version
        await self.desk.ledger.record_notified(ticket_id, version, at=self.desk.at)

    async def sent(self, queue: MemoryQueue) -> list[str]:
        return [message.body for message in await queue.receive(at_most=10, wait_seconds=0, visibility_seconds=30)]


@pytest.fixture(scope="module")
def tables_of_this_file(emulator: Emulator) -> Provisioned:
    """Creating them for each test would take most of the time; emptying them takes a few calls."""
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture
async def swept(tables_of_this_file: Provisioned) -> AsyncIterator[Swept]:
    async with open_ticket_desk(tables_of_this_file) as desk:
        await desk.clear()
        await desk.employee()
        await desk.employee("@sam", manager="@samManager")
        await desk.environment()
        yield Swept(desk)


async def ended(swept: Swept, outcome: Outcome | None = None) -> None:
    """A ticket that the agent has ended, and of which everybody was told."""
    desk = swept.desk
    taken = await desk.tickets.take_attempt(await desk.submitted(content=a_text()), at=desk.at)
    await desk.effects.conclude(
        taken,
        outcome or Assigned(assignee="@sam", communication="Please decide."),
        owner="@sam",
        premises=(),
        warrant=Warrant(tool="aTool"),
        figures=Figures(),
        at=desk.at,
    )
    await swept.told()


# Open tickets and untold statuses


async def test_an_open_ticket_that_nobody_works_on_is_sent_to_work_again(swept: Swept) -> None:
    await swept.desk.submitted()
    assert await swept.after(30) == 0
    assert await swept.after(60) == 1
    assert await swept.sent(swept.work) == []
    assert await swept.after(300) == 1
    (message,) = await swept.sent(swept.work)
    assert '"ticketId": "T-1"' in message
    assert await swept.after(1) == 0


async def test_a_ticket_in_work_is_left_to_its_run(swept: Swept) -> None:
    ticket = await swept.desk.submitted()
    swept.desk.at += 290
    await swept.desk.tickets.take_attempt(ticket, at=swept.desk.at)
    await swept.after(200)
    assert await swept.sent(swept.work) == []
    await swept.after(101)
    assert len(await swept.sent(swept.work)) == 1


async def test_a_status_that_nobody_was_told_is_told_again_and_never_the_old_ones(swept: Swept) -> None:
    await ended(swept)
    await swept.after(DAY + 1)  # the reminder, which is version 2
    await swept.after(301)
    (message,) = await swept.sent(swept.updates)
    assert '"version": 2' in message


async def test_a_ticket_that_is_over_and_told_leaves_the_agenda(swept: Swept) -> None:
    await ended(swept, Resolved(communication="Done."))
    assert await swept.after(61) == 1
    assert await swept.after(1_000 * DAY) == 0
    (row,) = await swept.desk.rows(swept.desk.tables.ticket)
    assert "dueAt" not in row


# Reminder, escalation, expiry


async def test_who_does_not_decide_is_reminded_then_the_manager_gets_it_then_it_expires(swept: Swept) -> None:
    await ended(swept)
    story = []
    for hours in range(6, 24 * 14, 6):
        await swept.told()
        before = (await swept.desk.loaded()).status_version
        await swept.after(6 * 3_600)
        ticket = await swept.desk.loaded()
        if ticket.status_version != before:
            story.append((hours // 24, ticket.assign_status))
    assert story == [
        (1, "assigned to @sam"),
        (3, "escalated to @samManager"),
        (4, "escalated to @samManager"),
        (10, "expired"),
    ]
    statuses = await swept.desk.entries("status#")
    assert [row["version"] for row in statuses] == [1, 2, 3, 4, 5]
    assert statuses[1]["headline"] == "reminder, still assigned to @sam"
    assert "nothing was granted" in statuses[-1]["communication"]
    assert await swept.desk.grants() == []


async def test_without_a_manager_a_ticket_waits_for_its_owner_and_expires(swept: Swept) -> None:
    await swept.desk.employee("@sam", manager="None")
    await ended(swept)
    await swept.after(DAY)
    await swept.told()
    await swept.after(3 * DAY)
    assert (await swept.desk.loaded()).state is State.ASSIGNED
    await swept.after(3 * DAY)
    assert (await swept.desk.loaded()).state is State.EXPIRED


async def test_nobody_gets_a_request_of_their_own_to_decide(swept: Swept) -> None:
    await swept.desk.employee("@sam", manager="111")
    await ended(swept)
    await swept.after(6 * DAY)
    assert (await swept.desk.loaded()).state is State.ASSIGNED


async def test_a_group_is_reminded_once_and_left_in_peace(swept: Swept) -> None:
    await ended(swept, HandedOver(assignee="service-desk", communication="Help.", to_group=True))
    await swept.after(DAY)
    await swept.told()
    await swept.after(100 * DAY)
    await swept.after(100 * DAY)
    ticket = await swept.desk.loaded()
    assert (ticket.state, ticket.status_version, ticket.due_at) == (State.HANDED_OVER, 2, None)


async def test_two_sweepers_at_once_remind_once(swept: Swept) -> None:
    await ended(swept)
    swept.desk.at += DAY
    await asyncio.gather(*(swept.sweeper(f"task-{number}").sweep_once() for number in range(4)))
    assert (await swept.desk.loaded()).status_version == 2


async def test_access_that_a_ticket_brought_is_announced_when_it_ends_and_once(swept: Swept) -> None:
    desk = swept.desk
    taken = await desk.tickets.take_attempt(await desk.submitted(content=a_text()), at=desk.at)
    expires = int(desk.at + 8 * DAY)
    grant = Grant(
        employee_id="111",
        environment_id="1",
        access_type=AccessType.READ,
        ticket_id="T-1",
        reason="Why not",
        granted_at=int(desk.at),
        expires_at=expires,
    )
    await desk.effects.grant(taken, grant, premises=(), warrant=Warrant(tool="aTool"))
    await desk.effects.conclude(
        taken,
        Resolved(communication="You have it."),
        owner="@sam",
        premises=(),
        warrant=Warrant(tool="aTool"),
        figures=Figures(),
        at=desk.at,
    )
    await swept.told()
    await swept.after(DAY)
    assert (await desk.loaded()).status_version == 1
    await swept.after(7 * DAY)
    ticket = await desk.loaded()
    assert (ticket.assign_status, ticket.communication, ticket.status_version) == ("auto-resolved", "You have it.", 2)
    assert (await desk.entries("status#"))[-1]["communication"] == (
        "Read access to environment 1 that this ticket brought has ended."
    )
    await swept.told()
    await swept.after(61)
    assert await swept.after(1_000 * DAY) == 0
    assert (await desk.loaded()).status_version == 2


# One of the fleet


async def test_one_task_sweeps_and_another_takes_over_when_it_leaves(swept: Swept) -> None:
    first, second = swept.sweeper("task-1"), swept.sweeper("task-2")
    stop_first, stop_second = asyncio.Event(), asyncio.Event()
    one = asyncio.create_task(first.run(stop_first))
    await eventually(lambda: _is_held(first), what="the first to sweep")
    two = asyncio.create_task(second.run(stop_second))
    await swept.desk.submitted()
    swept.desk.at += 400
    await eventually(lambda: swept.sent(swept.work), what="the ticket to be sent to work")
    assert not await _is_held(second)
    stop_first.set()
    await one
    await eventually(lambda: _is_held(second), what="the second to sweep")
    stop_second.set()
    await two


async def _is_held(sweeper: Sweeper) -> bool:
    return sweeper._held is not None


# The stream's gaps and poison


async def test_a_gap_is_filled_from_the_table_and_the_ledger(swept: Swept) -> None:
    await ended(swept)
    await swept.desk.submitted("T-2", content=a_text())
    await ended_untold(swept)
    await swept.bridge().on_gap("shard-1", "17")
    work, updates = await swept.sent(swept.work), await swept.sent(swept.updates)
    assert [("T-2" in body) for body in work] == [True]
    assert [("T-3" in body) for body in updates] == [True]


async def ended_untold(swept: Swept) -> None:
    desk = swept.desk
    taken = await desk.tickets.take_attempt(await desk.submitted("T-3", content=a_text()), at=desk.at)
    await desk.effects.conclude(
        taken,
        Resolved(communication="Done."),
        owner=None,
        premises=(),
        warrant=Warrant(tool="aTool"),
        figures=Figures(),
        at=desk.at,
    )


async def test_a_record_that_cannot_be_routed_shows_among_the_dead_letters(swept: Swept) -> None:
    record = Record(
        event_id="e-1",
        change="INSERT",
        shard_id="shard-1",
        sequence_number="17",
        created_at=0.0,
        keys={"ticketId": "T-1", "employeeId": "111"},
        new={"ticket_content": "secret"},
    )
    with pytest.raises(KeyError):
        await swept.bridge().deliver([record])
    await swept.bridge().quarantine(record, "KeyError in each of 5 tries")
    (letter,) = await swept.work_dead.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
    assert letter.body == '{"ticketId": "T-1", "employeeId": "111"}'
    assert letter.attributes["reason"] == "KeyError in each of 5 tries"
