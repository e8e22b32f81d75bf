"""The ticket stores' promises, on DynamoDB over HTTP: once, all or nothing, and only while the facts hold."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from services.ticket_agent.domain.access import AccessType, Grant, Holding, Standing
from services.ticket_agent.domain.outcome import Assigned, HandedOver, Outcome, Resolved
from services.ticket_agent.domain.premise import ManagerIs, OwnerIs, Premise, StillHeld
from services.ticket_agent.domain.state import State
from services.ticket_agent.domain.ticket import Ticket, TicketKey
from services.ticket_agent.store.port import Figures, NewTicket, PremiseGone, Submission, Superseded, Warrant
from tests.support.ticket_desk import NOON, TicketDesk, open_ticket_desk

WARRANT = Warrant(tool="aTool", policies=("a-policy",), policy_version="v1")
FACTS: tuple[Premise, ...] = (ManagerIs("111", "@sam"), OwnerIs("1", "@sam"))


@pytest.fixture(scope="module")
def tables_of_this_file(emulator: Emulator) -> Provisioned:
    """Creating them for each test would take most of the time; emptying them takes a few calls."""
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture
async def desk(tables_of_this_file: Provisioned) -> AsyncIterator[TicketDesk]:
    async with open_ticket_desk(tables_of_this_file) as desk:
        await desk.clear()
        await desk.employee()
        await desk.environment()
        yield desk


def a_new_ticket(ticket_id: str = "T-1", *, employee_id: str = "111", content: str = "Title: Help") -> NewTicket:
    key = TicketKey(ticket_id=ticket_id, employee_id=employee_id)
    return NewTicket(key=key, content=content, sender_id="relay", message_id="m-1")


def a_grant(
    ticket_id: str = "T-1", *, access_type: AccessType = AccessType.READ, expires_at: int | None = None
) -> Grant:
    return Grant(
        employee_id="111",
        environment_id="1",
        access_type=access_type,
        ticket_id=ticket_id,
        reason="Why not",
        granted_at=int(NOON),
        expires_at=int(NOON) + 86_400 if expires_at is None else expires_at,
    )


async def conclude(
    desk: TicketDesk, ticket: Ticket, outcome: Outcome | None = None, *, premises: tuple[Premise, ...] = ()
) -> int:
    return await desk.effects.conclude(
        ticket,
        outcome or Assigned(assignee="@sam", communication="Please decide."),
        owner="@sam",
        premises=premises,
        warrant=WARRANT,
        figures=Figures(tool_calls=3, run_ms=70, model_ms=50),
        at=desk.at,
    )


async def taken(desk: TicketDesk, ticket_id: str = "T-1") -> Ticket:
    return await desk.tickets.take_attempt(await desk.submitted(ticket_id), at=desk.at)


# Intake


async def test_a_ticket_is_taken_in_with_the_references_attributes(desk: TicketDesk) -> None:
    assert await desk.tickets.submit(a_new_ticket(), at=NOON) is Submission.ACCEPTED
    (row,) = await desk.rows(desk.tables.ticket)
    assert (row["ticketId"], row["employeeId"], row["assignStatus"]) == ("T-1", "111", "unassigned")
    assert (row["ticket_content"], row["communication"]) == ("Title: Help", "")
    assert (row["state"], row["statusVersion"], row["createdAt"]) == ("open", 0, "2023-11-14T22:13:20.000Z")


async def test_the_same_ticket_again_is_a_repeat_and_another_one_is_refused(desk: TicketDesk) -> None:
    await desk.employee("121")
    await desk.tickets.submit(a_new_ticket(), at=NOON)
    assert await desk.tickets.submit(a_new_ticket(), at=NOON + 1) is Submission.REPEAT
    assert await desk.tickets.submit(a_new_ticket(content="Other"), at=NOON) is Submission.TAKEN
    assert await desk.tickets.submit(a_new_ticket(employee_id="121"), at=NOON) is Submission.TAKEN
    assert len(await desk.rows(desk.tables.ticket)) == 1


async def test_an_employee_who_left_meanwhile_leaves_no_ticket(desk: TicketDesk) -> None:
    assert await desk.tickets.submit(a_new_ticket(employee_id="999"), at=NOON) is Submission.SENDER_GONE
    assert await desk.rows(desk.tables.ticket) == []
    assert await desk.rows(desk.tables.ledger) == []


async def test_ten_at_once_make_one_ticket(desk: TicketDesk) -> None:
    results = await asyncio.gather(*(desk.tickets.submit(a_new_ticket(), at=NOON) for _ in range(10)))
    assert sorted(results) == sorted([Submission.ACCEPTED, *[Submission.REPEAT] * 9])


# Runs


async def test_of_several_that_want_a_ticket_at_once_one_gets_it(desk: TicketDesk) -> None:
    ticket = await desk.submitted()
    results = await asyncio.gather(
        *(desk.tickets.take_attempt(ticket, at=NOON) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(result, Ticket) for result in results) == 1
    assert sum(isinstance(result, Superseded) for result in results) == 7
    assert (await desk.loaded()).attempt == 1
    assert len(await desk.entries("attempt#")) == 1


async def test_an_earlier_run_can_write_no_more(desk: TicketDesk) -> None:
    earlier = await taken(desk)
    later = await desk.tickets.take_attempt(earlier, at=NOON)
    with pytest.raises(Superseded):
        await conclude(desk, earlier)
    with pytest.raises(Superseded):
        await desk.effects.grant(earlier, a_grant(), premises=FACTS, warrant=WARRANT)
    assert await desk.grants() == []
    await conclude(desk, later)


async def test_a_row_of_the_reference_can_be_worked_on_and_ended(desk: TicketDesk) -> None:
    await desk.put(desk.tables.ticket, ticketId="old", employeeId="111", assignStatus="unassigned", ticket_content="x")
    ticket = await desk.loaded("old")
    assert (ticket.state, ticket.attempt, ticket.status_version) == (State.OPEN, 0, 0)
    assert await conclude(desk, await desk.tickets.take_attempt(ticket, at=NOON)) == 1
    await desk.put(desk.tables.ticket, ticketId="done", employeeId="111", assignStatus="auto-resolved")
    with pytest.raises(Superseded):
        await desk.tickets.take_attempt(await desk.loaded("done"), at=NOON)


# Outcomes


async def test_an_outcome_changes_ticket_and_ledger_together(desk: TicketDesk) -> None:
    ticket = await taken(desk)
    assert await conclude(desk, ticket) == 1
    ended = await desk.loaded()
    assert (ended.state, ended.assign_status, ended.assignee) == (State.ASSIGNED, "assigned to @sam", "@sam")
    assert (ended.status_version, ended.communication) == (1, "Please decide.")
    (entry,) = await desk.entries("status#")
    assert (entry["entry"], entry["version"], entry["attempt"]) == ("status#0001", 1, 1)
    assert (entry["toolCalls"], entry["runMs"], entry["modelMs"]) == (3, 70, 50)
    assert (entry["tool"], entry["policies"], entry["policyVersion"]) == ("aTool", ["a-policy"], "v1")
    change = await desk.ledger.status_change("T-1", 1)
    assert change is not None
    assert (change.assign_status, change.owner, change.communication) == ("assigned to @sam", "@sam", "Please decide.")


async def test_a_ticket_ends_once_however_many_want_to_end_it(desk: TicketDesk) -> None:
    ticket = await taken(desk)
    outcomes: list[Outcome] = [
        Assigned(assignee="@sam", communication="a"),
        HandedOver(assignee="@kirk", communication="b"),
        Resolved(communication="c"),
    ]
    results = await asyncio.gather(*(conclude(desk, ticket, outcome) for outcome in outcomes), return_exceptions=True)
    assert results.count(1) == 1
    assert sum(isinstance(result, Superseded) for result in results) == 2
    assert len(await desk.entries("status#")) == 1


async def test_an_ended_ticket_does_not_end_again(desk: TicketDesk) -> None:
    await conclude(desk, await taken(desk))
    with pytest.raises(Superseded):
        await conclude(desk, await desk.loaded())


# Premises


async def test_an_owner_who_changed_since_leaves_everything_as_it_was(desk: TicketDesk) -> None:
    ticket = await taken(desk)
    await desk.environment(owner="@kirk")
    with pytest.raises(PremiseGone) as gone:
        await desk.effects.grant(ticket, a_grant(), premises=FACTS, warrant=WARRANT)
    assert gone.value.premises == ("owner",)
    with pytest.raises(PremiseGone):
        await conclude(desk, ticket, premises=(OwnerIs("1", "@sam"),))
    assert await desk.grants() == []
    assert await desk.entries("grant#") == await desk.entries("status#") == []
    assert (await desk.loaded()).state is State.OPEN


async def test_a_manager_who_changed_or_left_since_prevents_the_grant(desk: TicketDesk) -> None:
    ticket = await taken(desk)
    await desk.employee(manager="@kirk")
    with pytest.raises(PremiseGone) as gone:
        await desk.effects.grant(ticket, a_grant(), premises=FACTS, warrant=WARRANT)
    assert gone.value.premises == ("manager",)
    await desk.client.delete_item(TableName=desk.tables.user, Key={"employeeId": {"S": "111"}})
    with pytest.raises(PremiseGone):
        await desk.effects.grant(ticket, a_grant(), premises=FACTS, warrant=WARRANT)
    assert await desk.grants() == []


@pytest.mark.parametrize("row", [{}, {"accessType": "Developer"}])
async def test_standing_access_that_is_still_there_holds(desk: TicketDesk, row: dict[str, str]) -> None:
    await desk.access(**row)
    (held,) = await desk.directory.holdings("111", "1")
    assert await conclude(desk, await taken(desk), Resolved(communication=""), premises=(StillHeld(held),)) == 1


async def test_standing_access_that_was_taken_away_or_lowered_does_not_hold(desk: TicketDesk) -> None:
    ticket = await taken(desk)
    gone = Standing(employee_id="111", environment_id="1")
    with pytest.raises(PremiseGone):
        await conclude(desk, ticket, Resolved(communication=""), premises=(StillHeld(gone),))
    await desk.access(accessType="Developer")
    (higher,) = await desk.directory.holdings("111", "1")
    await desk.access(accessType="Read")
    with pytest.raises(PremiseGone):
        await conclude(desk, ticket, Resolved(communication=""), premises=(StillHeld(higher),))


async def test_a_grant_that_ran_out_between_read_and_write_does_not_hold(desk: TicketDesk) -> None:
    ticket = await taken(desk)
    grant = await desk.effects.grant(ticket, a_grant(), premises=FACTS, warrant=WARRANT)
    desk.at = grant.expires_at
    with pytest.raises(PremiseGone):
        await conclude(desk, ticket, Resolved(communication=""), premises=(StillHeld(grant),))
    desk.at = grant.expires_at - 1
    assert await conclude(desk, ticket, Resolved(communication=""), premises=(StillHeld(grant),)) == 1


# Grants


async def test_a_grant_is_an_item_of_its_own_beside_the_standing_row(desk: TicketDesk) -> None:
    await desk.access(description="by @sam")
    await desk.effects.grant(await taken(desk), a_grant(), premises=FACTS, warrant=WARRANT)
    rows = {row["environmentId"]: row for row in await desk.rows(desk.tables.user_access)}
    assert rows["1"] == {"employeeId": "111", "environmentId": "1", "description": "by @sam"}
    assert rows["1#grant#T-1"]["accessType"] == "Read"
    assert rows["1#grant#T-1"]["reason"] == "Why not"
    standing, grant = await desk.directory.holdings("111", "1")
    assert isinstance(standing, Standing)
    assert grant == a_grant()


async def test_a_grant_that_comes_again_later_is_the_one_that_was_given(desk: TicketDesk) -> None:
    ticket = await taken(desk)
    first = await desk.effects.grant(ticket, a_grant(), premises=FACTS, warrant=WARRANT)
    later = await desk.tickets.take_attempt(ticket, at=NOON)
    again = await desk.effects.grant(later, a_grant(expires_at=int(NOON) + 999_999), premises=FACTS, warrant=WARRANT)
    assert again == first
    assert len(await desk.grants()) == len(await desk.entries("grant#")) == 1


async def test_five_at_once_give_one_grant(desk: TicketDesk) -> None:
    ticket = await taken(desk)
    given = await asyncio.gather(
        *(desk.effects.grant(ticket, a_grant(), premises=FACTS, warrant=WARRANT) for _ in range(5))
    )
    assert given == [a_grant()] * 5
    assert len(await desk.grants()) == len(await desk.entries("grant#")) == 1


async def test_access_to_one_environment_is_no_access_to_another_whose_id_begins_alike(desk: TicketDesk) -> None:
    await desk.access(environment_id="11")
    await desk.put(
        desk.tables.user_access, employeeId="111", environmentId="11#grant#T-9", accessType="Admin", expiresAt=2**40
    )
    assert await desk.directory.holdings("111", "1") == ()
    assert len(await desk.directory.holdings("111", "11")) == 2


async def test_a_grant_row_that_cannot_be_read_grants_nothing(desk: TicketDesk) -> None:
    key = {"employeeId": "111", "environmentId": "1#grant#T-9"}
    holdings: tuple[Holding, ...] = ()
    await desk.put(desk.tables.user_access, **key, accessType="Everything", expiresAt=2**40)
    assert await desk.directory.holdings("111", "1") == holdings
    await desk.put(desk.tables.user_access, **key, accessType="Admin")
    (endless,) = await desk.directory.holdings("111", "1")
    assert isinstance(endless, Grant)
    assert not endless.active(NOON)


# Ledger


async def test_the_version_that_was_told_only_moves_on(desk: TicketDesk) -> None:
    assert await desk.ledger.notified_version("T-1") == 0
    for version in (1, 3, 2):
        await desk.ledger.record_notified("T-1", version, at=NOON)
    assert await desk.ledger.notified_version("T-1") == 3


async def test_an_entry_is_written_once(desk: TicketDesk) -> None:
    await taken(desk)
    for text in ("first", "second"):
        await desk.ledger.append("T-1", "turn#0001#0001", {"text": text, "inputTokens": 7}, attempt=1, at=NOON)
    (entry,) = await desk.entries("turn#")
    assert entry["text"] == "first"
    assert await desk.ledger.spent_before("T-1") == (1, 7)


async def test_the_directory_takes_the_references_none_for_nobody(desk: TicketDesk) -> None:
    await desk.employee("131", manager="None", senderId="AIDA1")
    employee = await desk.directory.employee("131")
    assert employee is not None
    assert (employee.manager, employee.sender_id) == (None, "AIDA1")
    assert await desk.directory.employee("999") is None
    assert await desk.directory.environment("999") is None
