"""The day's budget of all tickets: counted before each call, shared by tasks; when it is spent, a person takes over."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from services.ticket_agent.agent.budget import INSTRUCTIONS_TOKENS, expected_tokens
from services.ticket_agent.agent.day_budget import ACCOUNT, DayBudget
from services.ticket_agent.agent.prompt import MAX_TOKENS_PER_TURN
from services.ticket_agent.domain.state import State
from services.ticket_agent.worker import Worker
from shared.errors import PermanentError, Throttled, TransientError
from shared.model.dynamodb_spend import DynamoDbSpend
from shared.model.memory import MemorySpend
from shared.model.port import Model, Usage
from shared.model.spend import Reservation, Spend
from shared.queue.message import Ack
from tests.support.ticket_desk import TicketDesk, open_ticket_desk
from tests.support.tickets import ScriptedModel, a_message, says

WORK = a_message({"ticketId": "T-1", "employeeId": "111"})
CHECK = says("", ("checkEmployeeAccess", {"environmentId": "1"}))
ASSIGN = says("", ("assignTicketToEnvironmentOwner", {"owner": "@sam", "instructions": "Please decide."}))
A_TURN = 110  # What each reply of these scripts says it used.


@pytest.fixture(scope="module")
def tables_of_this_file(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture
async def desk(tables_of_this_file: Provisioned) -> AsyncIterator[TicketDesk]:
    async with open_ticket_desk(tables_of_this_file) as desk:
        await desk.clear()
        await desk.employee()
        await desk.environment()
        await desk.submitted()
        yield desk


def worker(desk: TicketDesk, model: Model, spend: Spend, *, tokens: int = 1_000_000) -> Worker:
    whole = desk.worker(model)
    day = DayBudget(spend=spend, tokens=tokens, now=lambda: desk.at)
    return replace(whole, loop=replace(whole.loop, day=day))


async def counted(desk: TicketDesk, spend: Spend) -> int:
    return await spend.counted(ACCOUNT, at=desk.at)


async def test_a_run_leaves_the_tokens_it_used_on_the_days_count(desk: TicketDesk) -> None:
    spend = MemorySpend()
    assert await worker(desk, ScriptedModel([CHECK, ASSIGN]), spend).handle(WORK) == Ack()
    assert await counted(desk, spend) == 2 * A_TURN


async def test_a_ticket_over_the_days_budget_goes_to_a_person_with_the_reason_and_asks_no_model(
    desk: TicketDesk,
) -> None:
    spend, model = MemorySpend(), ScriptedModel([ASSIGN])
    assert await spend.reserve(ACCOUNT, 9_000, limit=10_000, at=desk.at) is not None
    assert await worker(desk, model, spend, tokens=10_000).handle(WORK) == Ack()
    ticket = await desk.loaded()
    assert (ticket.state, ticket.assign_status) == (State.HANDED_OVER, "handed over to @sam")
    assert "budget of 10000 tokens a day for all tickets is used up" in ticket.communication
    assert model.requests == []
    # The next day it works again.
    desk.at += 86_400
    await desk.submitted("T-2")
    await worker(desk, model, spend, tokens=10_000).handle(a_message({"ticketId": "T-2", "employeeId": "111"}))
    assert (await desk.loaded("T-2")).assign_status == "assigned to @sam"


async def test_a_run_is_stopped_in_its_middle_when_others_have_spent_the_rest(desk: TicketDesk) -> None:
    spend = MemorySpend()

    class Others(ScriptedModel):
        async def converse(self, request):  # type: ignore[no-untyped-def]
            room = 20_000 - await spend.counted(ACCOUNT, at=desk.at)
            assert await spend.reserve(ACCOUNT, room, limit=20_000, at=desk.at) is not None
            return await ScriptedModel.converse(self, request)

    model = Others([CHECK])
    await worker(desk, model, spend, tokens=20_000).handle(WORK)
    assert len(model.requests) == 1
    assert (await desk.loaded()).state is State.HANDED_OVER


@pytest.mark.parametrize("refusal", [Throttled("slow down", retry_after=3_600), PermanentError("no such model")])
async def test_a_call_that_was_refused_costs_nothing(desk: TicketDesk, refusal: Exception) -> None:
    spend = MemorySpend()
    try:
        await worker(desk, ScriptedModel([refusal]), spend).handle(WORK)
    except TransientError:
        assert isinstance(refusal, Throttled)
    assert await counted(desk, spend) == 0


async def test_a_call_that_ended_without_an_answer_stays_counted(desk: TicketDesk) -> None:
    spend = MemorySpend()
    lost = ScriptedModel([TransientError("connection lost", retry_after=3_600)])
    with pytest.raises(TransientError):
        await worker(desk, lost, spend).handle(WORK)
    assert await counted(desk, spend) > INSTRUCTIONS_TOKENS


async def test_a_run_that_is_killed_while_the_model_thinks_stays_counted(desk: TicketDesk) -> None:
    spend, thinking = MemorySpend(), asyncio.Event()

    class Thinker(ScriptedModel):
        async def converse(self, request):  # type: ignore[no-untyped-def]
            thinking.set()
            await asyncio.Event().wait()

    run = asyncio.create_task(worker(desk, Thinker([]), spend).handle(WORK))
    await thinking.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await counted(desk, spend) > INSTRUCTIONS_TOKENS


async def test_a_count_that_cannot_be_reached_is_no_licence_to_spend(desk: TicketDesk) -> None:
    class Away(MemorySpend):
        async def reserve(
            self, account: str, tokens: int, *, limit: int, at: float, reservation_id: str | None = None
        ) -> Reservation | None:
            raise TransientError("away")

    model = ScriptedModel([ASSIGN])
    with pytest.raises(TransientError):
        await worker(desk, model, Away()).handle(WORK)
    assert model.requests == []
    assert (await desk.loaded()).state is State.OPEN


async def test_a_reply_is_not_lost_over_its_bill(desk: TicketDesk) -> None:
    class NoSettling(MemorySpend):
        async def settle(self, reservation: Reservation, used: int) -> None:
            raise TransientError("away")

    spend = NoSettling()
    assert await worker(desk, ScriptedModel([ASSIGN]), spend).handle(WORK) == Ack()
    assert (await desk.loaded()).assign_status == "assigned to @sam"
    assert await counted(desk, spend) > INSTRUCTIONS_TOKENS


async def test_two_tasks_that_work_at_once_do_not_spend_more_than_the_day_has(
    desk: TicketDesk, tables_of_this_file: Provisioned
) -> None:
    first = expected_tokens(None, len((await desk.loaded()).content), MAX_TOKENS_PER_TURN)
    names = [f"T-{number}" for number in range(2, 8)]
    for name in names:
        await desk.submitted(name)
    everybody_is_there = asyncio.Barrier(3)

    class Together(ScriptedModel):
        async def converse(self, request):  # type: ignore[no-untyped-def]
            await everybody_is_there.wait()
            return await ScriptedModel.converse(self, request)

    model = Together([ASSIGN])
    table = tables_of_this_file.tables["Idempotency"]
    tasks = [worker(desk, model, DynamoDbSpend(desk.client, table), tokens=3 * first) for _ in range(2)]
    messages = [a_message({"ticketId": name, "employeeId": "111"}) for name in names]
    await asyncio.gather(*(tasks[index % 2].handle(message) for index, message in enumerate(messages)))
    ended = [(await desk.loaded(name)).state for name in names]
    assert (ended.count(State.ASSIGNED), ended.count(State.HANDED_OVER)) == (3, 3)
    assert len(model.requests) == 3


@pytest.mark.parametrize(("used", "unseen"), [(None, 400), (Usage(input_tokens=9_000, output_tokens=50), 400)])
def test_what_a_turn_may_use_is_expected_too_high_rather_than_too_low(used: Usage | None, unseen: int) -> None:
    known = used.input_tokens + used.output_tokens if used else INSTRUCTIONS_TOKENS
    assert expected_tokens(used, unseen, 1_000) == known + 200 + 1_000
