"""The alarms of models and of tickets' budget: the real adapters against the local Bedrock endpoint."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from services.ticket_agent.agent.converse import ConverseAgent
from services.ticket_agent.agent.day_budget import DayBudget
from services.ticket_agent.tools.registry import TOOLS
from services.ticket_agent.worker import Worker
from shared.errors import Throttled
from shared.model.bedrock import BedrockModel
from shared.model.memory import MemorySpend
from shared.model.port import Request, Text, Turn
from shared.queue.message import Ack
from tests.support.alarm_proofs import (
    MODEL_ERRORS,
    MODEL_REFUSED,
    MODEL_THROTTLED,
    TICKET_DAY_BUDGET,
    alarms_named,
    watching,
)
from tests.support.alarms import Watch
from tests.support.bedrock_clients import NOVA, opened
from tests.support.overreach import TABLES, a_memory
from tests.support.terraform import Whole
from tests.support.ticket_desk import TicketDesk
from tests.support.tickets import a_message

ENOUGH: Final = 21
"""Calls a minute, one above the higher of the two thresholds."""
GONE: Final = "amazon.no-such-model-v1:0"
QUESTION: Final = Request(model_id=NOVA, turns=(Turn("user", (Text("Hello"),)),), max_tokens=8)


@pytest.fixture
async def model(bedrock: BedrockEndpoint) -> AsyncIterator[BedrockModel]:
    async with opened(bedrock, "bedrock-runtime") as client:
        yield BedrockModel(client)


@pytest.fixture
def desk() -> TicketDesk:
    return TicketDesk(a_memory(), TABLES)


async def a_minute_of_calls(model: BedrockModel, bedrock: BedrockEndpoint, watch: Watch) -> set[str]:
    """Then what Bedrock would count of them, by the endpoint's own counts, for the model of each purpose."""
    before = counts(bedrock)
    await asyncio.gather(*(model.converse(QUESTION) for _ in range(ENOUGH)), return_exceptions=True)
    after = counts(bedrock)
    for name in watch.names:
        alarm = watch.alarms.metric[name]
        of = {"InvocationThrottles": "throttled", "InvocationServerErrors": "server_error"}[alarm["metric_name"]]
        if more := after[of] - before[of]:
            watch.measure(alarm["namespace"], alarm["metric_name"], alarm["dimensions"], *[1.0] * more)
    return watch.minute_passes()


def counts(bedrock: BedrockEndpoint) -> dict[str, int]:
    found: dict[str, Any] = bedrock.control("stats")["models"].get(NOVA, {})
    return {
        "throttled": found.get("throttled", 0),
        "server_error": found.get("faults", {}).get("server_error", 0),
    }


async def test_a_throttled_model_rings_until_its_quota_is_raised(
    whole: Whole, bedrock: BedrockEndpoint, model: BedrockModel
) -> None:
    """Sets a quota of one request a minute, calls for three minutes, then asks for more."""
    with watching(whole, *MODEL_THROTTLED) as watch:
        bedrock.control(f"models/{NOVA}", {"limits": [{"counts": "requests", "amount": 1, "per_seconds": 3600}]})
        await model.converse(QUESTION)
        with pytest.raises(Throttled):
            await model.converse(QUESTION)
        for expected in (set(), set(), alarms_named(*MODEL_THROTTLED)):
            assert await a_minute_of_calls(model, bedrock, watch) == expected
        bedrock.reset()
        for _ in range(3):
            ringing = await a_minute_of_calls(model, bedrock, watch)
        assert ringing == set()


async def test_a_failing_model_rings_and_stops_by_itself(
    whole: Whole, bedrock: BedrockEndpoint, model: BedrockModel
) -> None:
    """Lets the model fail for three minutes; nobody does anything."""
    with watching(whole, *MODEL_ERRORS) as watch:
        bedrock.control(f"models/{NOVA}/faults", {"faults": [{"kind": "server_error", "next": 3 * ENOUGH}]})
        for expected in (set(), set(), alarms_named(*MODEL_ERRORS)):
            assert await a_minute_of_calls(model, bedrock, watch) == expected
        for _ in range(3):
            ringing = await a_minute_of_calls(model, bedrock, watch)
        assert ringing == set()


async def tickets_come(desk: TicketDesk, worker: Worker, *ticket_ids: str) -> None:
    for ticket_id in ticket_ids:
        await desk.submitted(ticket_id)
        assert await worker.handle(a_message({"ticketId": ticket_id, "employeeId": "111"})) == Ack()


def asking(desk: TicketDesk, model: BedrockModel, model_id: str) -> Worker:
    return desk.worker_with(ConverseAgent(model, model_id=model_id, tools=[tool.spec for tool in TOOLS]))


async def state_of(desk: TicketDesk, ticket_id: str) -> str:
    return (await desk.loaded(ticket_id)).state.value


async def test_a_model_that_is_gone_rings_until_tickets_get_another(
    whole: Whole, model: BedrockModel, desk: TicketDesk
) -> None:
    """Asks a model that there is not while three tickets come, then one that there is."""
    with watching(whole, *MODEL_REFUSED) as watch:
        await tickets_come(desk, asking(desk, model, GONE), "T-1", "T-2", "T-3")
        assert watch.minute_passes() == alarms_named(*MODEL_REFUSED)
        # The page: the reason stands in the line, and people have the tickets.
        assert "model" in watch.seen("model_refused")[0]["reason"]
        assert await state_of(desk, "T-3") == "handed over"
        await tickets_come(desk, asking(desk, model, NOVA), "T-4")
        assert await state_of(desk, "T-4") != "handed over"
        assert watch.minute_passes() == set()


async def test_a_spent_day_of_tickets_rings_until_it_is_raised(
    whole: Whole, model: BedrockModel, desk: TicketDesk
) -> None:
    """Leaves so few tokens for the day that the first turn is too much, then raises the setting."""
    worker = asking(desk, model, NOVA)
    spend = MemorySpend()

    def allowed(tokens: int) -> Worker:
        day = DayBudget(spend=spend, tokens=tokens, now=lambda: desk.at)
        return replace(worker, loop=replace(worker.loop, day=day))

    with watching(whole, *TICKET_DAY_BUDGET) as watch:
        await tickets_come(desk, allowed(100), "T-1")
        assert watch.minute_passes() == alarms_named(*TICKET_DAY_BUDGET)
        assert await state_of(desk, "T-1") == "handed over"
        await tickets_come(desk, allowed(1_000_000), "T-2")
        assert watch.minute_passes() == set()
        # The page: what each ticket used.
        assert watch.seen("ticket_ended")[-1]["input_tokens"] > 0
