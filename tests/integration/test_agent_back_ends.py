"""Each agent back end at work through the loop, the tools and the real stores."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import yaml

from local.bedrock_endpoint import BedrockEndpoint
from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from services.ticket_agent.agent.port import Agent, Step
from services.ticket_agent.domain.state import State
from shared.queue.message import Ack, Message
from tests.support.agents import (
    AGENTCORE_HARNESS,
    BACK_ENDS,
    BEDROCK_AGENT,
    TICKETS,
    TRAJECTORIES,
    BackEnd,
    ground_truth,
)
from tests.support.ticket_desk import TicketDesk, open_ticket_desk
from tests.support.tickets import a_message

hosted_only = pytest.mark.parametrize(
    "back_end", [BEDROCK_AGENT, AGENTCORE_HARNESS], ids=lambda one: one.name, indirect=True
)


@pytest.fixture(params=BACK_ENDS, ids=lambda one: one.name)
def back_end(request: pytest.FixtureRequest) -> BackEnd:
    back_end: BackEnd = request.param
    return back_end


@pytest.fixture
async def agent(back_end: BackEnd, bedrock: BedrockEndpoint) -> AsyncIterator[Agent[Any]]:
    async with back_end.opened(bedrock) as agent:
        yield agent


@pytest.fixture(scope="module")
def tables_of_this_file(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture
async def desk(tables_of_this_file: Provisioned) -> AsyncIterator[TicketDesk]:
    """The sample directory and no tickets."""
    async with open_ticket_desk(tables_of_this_file) as desk:
        await desk.clear()
        sample = yaml.safe_load((TICKETS.parent / "directory.yaml").read_text(encoding="utf-8"))
        for row in sample["employees"]:
            await desk.employee(row["id"], manager=row["manager"])
        for row in sample["environments"]:
            await desk.environment(row["id"], owner=row["owner"])
        for row in sample["access"]:
            await desk.access(row["employee"], row["environment"])
        yield desk


def work(ticket_id: str = "T-1", employee_id: str = "111") -> Message:
    return a_message({"ticketId": ticket_id, "employeeId": employee_id, "version": 0})


async def tools_called(desk: TicketDesk, ticket_id: str = "T-1") -> list[str]:
    return [str(entry["tool"]) for entry in await desk.entries("call#") if entry["ticketId"] == ticket_id]


async def test_the_six_ground_truth_tickets_end_as_the_facts_say(desk: TicketDesk, agent: Agent[Any]) -> None:
    for case in ground_truth():
        ticket_id, employee, before = f"case-{case['case']}", case["employee"], len(await desk.grants())
        await desk.submitted(ticket_id, employee_id=employee, content=case["content"])
        assert await desk.worker_with(agent).handle(work(ticket_id, employee)) == Ack()
        ticket = await desk.loaded(ticket_id, employee_id=employee)
        assert ticket.assign_status == case["expected"]["status"], case["case"]
        assert len(await desk.grants()) - before == int(case["expected"]["grant"]), case["case"]
        assert await tools_called(desk, ticket_id) == TRAJECTORIES[case["case"]].split()


@hosted_only
async def test_where_each_turn_lies_on_the_server_is_in_the_ledger(
    desk: TicketDesk, agent: Agent[Any], back_end: BackEnd, bedrock: BedrockEndpoint
) -> None:
    await desk.submitted()
    await desk.worker_with(agent).handle(work())
    (kept,) = bedrock.control("sessions")
    turns = await desk.entries("turn#")
    assert {turn["sessionId"] for turn in turns} == {kept["session_id"]}
    invocations = [turn["invocationId"] for turn in turns if "invocationId" in turn]
    assert len(set(invocations)) == (len(turns) if back_end is BEDROCK_AGENT else 0)


class Killed(BaseException):
    """Nothing that runs catches it, as nothing catches a kill."""


class KilledBeforeResults(Agent[Any]):
    """Dies when it is handed the results of the call of ``tool``: its calls are carried out, the service waits."""

    def __init__(self, agent: Agent[Any], tool: str) -> None:
        self._agent, self._tool, self._asked = agent, tool, False

    def begin(self, ticket_text: str, *, ticket_id: str) -> Any:
        return self._agent.begin(ticket_text, ticket_id=ticket_id)

    async def next(self, session: Any, results: Any) -> Step:
        if self._asked:
            raise Killed
        step = await self._agent.next(session, results)
        self._asked = any(call.tool == self._tool for call in getattr(step, "calls", ()))
        return step


@pytest.mark.parametrize("tool", ["checkEmployeeAccess", "getEnvironmentOwner", "giveAccess"])
async def test_a_run_that_is_killed_between_calls_and_results_is_followed_by_one_that_sees_what_was_done(
    desk: TicketDesk, agent: Agent[Any], back_end: BackEnd, bedrock: BedrockEndpoint, tool: str
) -> None:
    await desk.submitted()
    with pytest.raises(Killed):
        await desk.worker_with(KilledBeforeResults(agent, tool)).handle(work())
    assert (await tools_called(desk))[-1] == tool
    async with back_end.opened(bedrock) as another:
        assert await desk.worker_with(another).handle(work()) == Ack()
    assert (await desk.loaded()).assign_status == "auto-resolved"
    assert len(await desk.grants()) == len(await desk.entries("status#")) == 1
    if tool == "giveAccess":
        first_run = TRAJECTORIES[1].split()[:5]
        assert await tools_called(desk) == [*first_run, "checkEmployeeAccess", "autoResolveTicket"]


class LosesReplies(KilledBeforeResults):
    """Has the replies to the first ``losses`` results lost on their way, so that as many sessions are begun anew."""

    def __init__(self, agent: Agent[Any], lose: Callable[[], None], losses: int) -> None:
        super().__init__(agent, tool="")
        self._lose, self._losses = lose, losses
        self._lost: set[str] = set()

    async def next(self, session: Any, results: Any) -> Step:
        new = {result.call_id for result in results} - self._lost
        if new and len(self._lost) < self._losses:
            self._lost |= new
            self._lose()
        return await self._agent.next(session, results)


@hosted_only
async def test_sessions_that_are_lost_again_and_again_are_no_model_that_goes_in_circles(
    desk: TicketDesk, agent: Agent[Any], back_end: BackEnd, bedrock: BedrockEndpoint
) -> None:
    await desk.submitted()
    losing = LosesReplies(agent, lambda: back_end.strike(bedrock, "drop_after_reading"), losses=5)
    await desk.worker_with(losing).handle(work())
    assert (await tools_called(desk)).count("checkEmployeeAccess") == 6
    assert (await desk.loaded()).assign_status == "auto-resolved"


async def test_a_ticket_ends_right_while_the_service_fails_at_every_other_step(
    desk: TicketDesk, agent: Agent[Any], back_end: BackEnd, bedrock: BedrockEndpoint
) -> None:
    faults = [
        {"kind": kind, "probability": 0.12, "keep_percent": 90}
        for kind in ("throttled", "cut_connection", "drop_after_reading")
    ]
    bedrock.control(f"models/{back_end.known_as}", {"faults": faults})
    for number in range(6):
        await desk.submitted(f"T-{number}")
        await desk.worker_with(agent).handle(work(f"T-{number}"))
        ticket = await desk.loaded(f"T-{number}")
        assert ticket.state in (State.RESOLVED, State.HANDED_OVER)
    assert len(await desk.grants()) <= 1
    assert len(await desk.entries("status#")) == 6
    assert sum(bedrock.control("stats")["models"][back_end.known_as]["faults"].values()) > 3


async def test_a_hostile_planner_gets_nothing_through_any_back_end(
    desk: TicketDesk, agent: Agent[Any], back_end: BackEnd, bedrock: BedrockEndpoint
) -> None:
    back_end.plans(bedrock, "hostile")
    case = ground_truth()[4]
    await desk.submitted(employee_id=case["employee"], content=case["content"])
    await desk.worker_with(agent).handle(work(employee_id=case["employee"]))
    assert await desk.grants() == []
    assert (await desk.loaded(employee_id=case["employee"])).state is State.HANDED_OVER


async def test_runs_side_by_side_do_not_mix_their_sessions(desk: TicketDesk, agent: Agent[Any]) -> None:
    """One agent serves all workers of a task at once."""
    cases = [case for case in ground_truth() if "after" not in case]
    for case in cases:
        await desk.submitted(f"T-{case['case']}", employee_id=case["employee"], content=case["content"])
    worker = desk.worker_with(agent)
    await asyncio.gather(*(worker.handle(work(f"T-{case['case']}", case["employee"])) for case in cases))
    for case in cases:
        ticket = await desk.loaded(f"T-{case['case']}", employee_id=case["employee"])
        assert ticket.assign_status == case["expected"]["status"]
