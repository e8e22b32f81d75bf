"""The ledger on DynamoDB over HTTP: one chain a ticket, whoever writes to it at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from services.ticket_agent.domain.chain import Head, Tampering, Verdict, verify, without_texts
from services.ticket_agent.store.chained import LedgerChain
from services.ticket_agent.store.port import Superseded
from shared.aws.items import to_item
from shared.queue.message import Ack
from tests.support.ticket_desk import NOON, TicketDesk, open_ticket_desk
from tests.support.tickets import ScriptedModel, a_message, says

WORK = a_message({"ticketId": "T-1", "employeeId": "111"})
GIVE = says("", ("giveAccess", {"environmentId": "1"}))
RESOLVE = says("Done.", ("autoResolveTicket", {"description": "You have it."}))


@pytest.fixture(scope="module")
def tables_of_this_file(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture
async def desk(tables_of_this_file: Provisioned) -> AsyncIterator[TicketDesk]:
    async with open_ticket_desk(tables_of_this_file) as desk:
        await desk.clear()
        await desk.employee()
        await desk.environment()
        yield desk


async def verdict(desk: TicketDesk) -> Verdict:
    return verify(await desk.entries(), await desk.ledger.head("T-1"))


async def test_a_whole_run_is_one_chain_that_closes(desk: TicketDesk) -> None:
    await desk.submitted()
    assert await desk.worker(ScriptedModel([GIVE, RESOLVE])).handle(WORK) == Ack()
    found = await verdict(desk)
    assert found.intact, found.faults
    names = [entry["entry"] for entry in sorted(await desk.entries(), key=lambda entry: entry.get("chainNumber", 0))]
    assert names == [
        *("head", "intake", "attempt#0001"),
        *("turn#0001#0001", "grant#1#Read", "call#0001#0001#01"),
        *("turn#0001#0002", "status#0001", "call#0001#0002#01"),
    ]


async def test_the_log_of_a_run_keeps_the_head_of_its_ledger(
    desk: TicketDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    await desk.submitted()
    await desk.worker(ScriptedModel([GIVE, RESOLVE])).handle(WORK)
    head = await desk.ledger.head("T-1")
    assert f"ledger_head={head.digest}" in capsys.readouterr().out


async def test_what_was_changed_or_deleted_behind_the_services_back_is_found(desk: TicketDesk) -> None:
    await desk.submitted()
    await desk.worker(ScriptedModel([GIVE, RESOLVE])).handle(WORK)
    (grant,) = await desk.entries("grant#")
    await desk.put(desk.tables.ledger, **{**grant, "accessType": "Write"})
    (fault,) = (await verdict(desk)).faults
    assert (fault.kind, fault.entry) == (Tampering.CHANGED, "grant#1#Read")
    key = to_item({"ticketId": "T-1", "entry": "grant#1#Read"})
    await desk.client.delete_item(TableName=desk.tables.ledger, Key=key)
    (fault,) = (await verdict(desk)).faults
    assert (fault.kind, fault.number) == (Tampering.REMOVED, 4)


async def test_an_erasure_in_the_table_leaves_the_chain_whole(desk: TicketDesk) -> None:
    await desk.submitted()
    await desk.worker(ScriptedModel([GIVE, RESOLVE])).handle(WORK)
    for entry in await desk.entries():
        await desk.put(desk.tables.ledger, **without_texts(entry))
    assert (await verdict(desk)).intact
    assert not any("You have" in str(entry) or "111" in str(entry.get("employeeId")) for entry in await desk.entries())


async def test_writers_at_once_make_one_chain_without_a_gap(desk: TicketDesk) -> None:
    await desk.tickets.take_attempt(await desk.submitted(), at=NOON)
    chains = [LedgerChain(desk.client, desk.tables.ledger) for _ in range(3)]
    entries = [{"ticketId": "T-1", "entry": f"decision#{number}", "comment": "yes"} for number in range(6)]
    await asyncio.gather(*(chains[index % 3].commit(entry) for index, entry in enumerate(entries)))
    found = await verdict(desk)
    assert (found.intact, found.links) == (True, 8), found.faults


async def test_a_run_that_another_one_overtook_appends_nothing(desk: TicketDesk) -> None:
    late = desk.ledger
    first = await desk.tickets.take_attempt(await desk.submitted(), at=NOON)
    await late.append("T-1", "turn#0001#0001", {}, attempt=first.attempt, at=NOON)
    second = await desk.tickets.take_attempt(await desk.loaded(), at=NOON)
    with pytest.raises(Superseded):
        await late.append("T-1", "turn#0001#0002", {}, attempt=first.attempt, at=NOON)
    # The same store serves the new run: what it remembers of the old one must not lock that out.
    await late.append("T-1", "turn#0002#0001", {}, attempt=second.attempt, at=NOON)
    assert len(await desk.entries("turn#")) == 2
    assert (await verdict(desk)).intact


async def test_a_row_moved_in_from_elsewhere_begins_a_chain_with_its_first_run(desk: TicketDesk) -> None:
    await desk.put(desk.tables.ticket, ticketId="T-1", employeeId="111", assignStatus="unassigned", ticket_content="x")
    await desk.tickets.take_attempt(await desk.loaded(), at=NOON)
    head = await desk.ledger.head("T-1")
    assert (head.number, head.attempt) == (1, 1)
    assert (await verdict(desk)).intact


async def test_a_ticket_without_entries_has_an_empty_head(desk: TicketDesk) -> None:
    assert await desk.ledger.head("T-9") == Head()
