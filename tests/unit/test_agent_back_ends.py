"""What hosted back ends make of answers that the local endpoint does not give."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from services.ticket_agent.agent.agentcore_harness import AgentCoreHarness
from services.ticket_agent.agent.bedrock_agent import BedrockAgent
from services.ticket_agent.agent.budget import Budget, Spent, exhausted
from services.ticket_agent.agent.port import Call, CallResult, Ending, Final, Step, ToolCalls
from services.ticket_agent.tools.registry import TOOLS
from shared.errors import PermanentError, TransientError
from shared.model.port import NO_USAGE

SPECS = [tool.spec for tool in TOOLS]
HERE = [{"name": "environmentId", "type": "string", "value": "1"}]
CHECK = {"functionInvocationInput": {"actionGroup": "g", "function": "checkEmployeeAccess", "parameters": HERE}}


class Stream:
    """An event stream that the SDK has decoded."""

    def __init__(self, events: Sequence[Mapping[str, Any]]) -> None:
        self._events = events
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[Mapping[str, Any]]:
        for event in self._events:
            yield event

    def close(self) -> None:
        self.closed = True


class Client:
    """Answers with the given events every time and keeps what it was asked."""

    def __init__(self, *events: Mapping[str, Any]) -> None:
        self._events = events
        self.asked: list[dict[str, Any]] = []
        self.streams: list[Stream] = []

    async def invoke_agent(self, **parameters: Any) -> dict[str, Any]:
        return {"completion": self._answer(parameters)}

    async def invoke_harness(self, **parameters: Any) -> dict[str, Any]:
        return {"stream": self._answer(parameters)}

    def _answer(self, parameters: dict[str, Any]) -> Stream:
        self.asked.append(parameters)
        self.streams.append(Stream(self._events))
        return self.streams[-1]


def new_id() -> str:
    return "0123456789abcdef0123456789abcdef"


def an_agent(client: Client) -> BedrockAgent:
    return BedrockAgent(client, agent_id="A", agent_alias_id="B", new_id=new_id)


def a_harness(client: Client, *, turn_seconds: float = 120.0) -> AgentCoreHarness:
    return AgentCoreHarness(
        client,
        harness_arn="arn",
        model_id="a-model",
        tools=SPECS,
        budget=Budget(turns=9),
        turn_seconds=turn_seconds,
        new_id=new_id,
    )


async def step_of_agent(*events: Mapping[str, Any]) -> Step:
    agent = an_agent(Client(*events))
    return await agent.next(agent.begin("text", ticket_id="T-1"), [])


async def step_of_harness(*events: Mapping[str, Any]) -> Step:
    harness = a_harness(Client(*events))
    return await harness.next(harness.begin("text", ticket_id="T-1"), [])


def control(*inputs: Mapping[str, Any], invocation_id: str | None = "i-1") -> dict[str, Any]:
    given: dict[str, Any] = {"invocationInputs": list(inputs)}
    return {"returnControl": given if invocation_id is None else {**given, "invocationId": invocation_id}}


def start(use_id: str, name: str = "giveAccess", *, index: int = 0, **other: str) -> dict[str, Any]:
    return {
        "contentBlockStart": {
            "contentBlockIndex": index,
            "start": {"toolUse": {"toolUseId": use_id, "name": name, **other}},
        }
    }


def piece(text: str, *, index: int = 0) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": text}}}}


def stop(reason: str = "tool_use") -> dict[str, Any]:
    return {"messageStop": {"stopReason": reason}}


# Bedrock Agents


@pytest.mark.parametrize(
    "events",
    [
        [control(CHECK, invocation_id=None)],
        [control(CHECK), control(CHECK, invocation_id="i-2")],
        [control()],
    ],
    ids=["without its id", "two at once", "without inputs"],
)
async def test_a_return_of_control_that_cannot_be_answered_is_none(events: list[Mapping[str, Any]]) -> None:
    step = await step_of_agent(*events)
    assert isinstance(step, Final)
    assert step.ending is Ending.MALFORMED


@pytest.mark.parametrize("kind", ["USER_CONFIRMATION", "USER_CONFIRMATION_AND_RESULT"])
async def test_no_call_is_taken_for_one_that_a_user_was_to_confirm(kind: str) -> None:
    asked = {**CHECK["functionInvocationInput"], "actionInvocationType": kind}
    with pytest.raises(PermanentError, match="confirm"):
        await step_of_agent(control({"functionInvocationInput": asked}))


async def test_a_call_without_a_name_is_one_of_no_tool() -> None:
    step = await step_of_agent(control({"functionInvocationInput": {"actionGroup": "g"}}))
    assert isinstance(step, ToolCalls)
    assert (step.calls[0].tool, step.calls[0].arguments) == ("", {})


async def test_results_repeat_whose_call_it_was() -> None:
    of_another = {"functionInvocationInput": {**CHECK["functionInvocationInput"], "agentId": "COLLEAGUE"}}
    client = Client(control(of_another, CHECK))
    agent = an_agent(client)
    session = agent.begin("text", ticket_id="T-1")
    step = await agent.next(session, [])
    assert isinstance(step, ToolCalls)
    failed = [CallResult(call.call_id, {"message": call.call_id}, True) for call in step.calls]
    await agent.next(session, failed[::-1])
    state = client.asked[1]["sessionState"]
    first, second = (result["functionResult"] for result in state["returnControlInvocationResults"])
    assert first["agentId"] == "COLLEAGUE"
    assert "agentId" not in second
    assert first["responseState"] == "REPROMPT"
    assert step.calls[0].call_id in first["responseBody"]["TEXT"]["body"]
    assert "inputText" not in client.asked[1]


async def test_tokens_of_every_part_of_an_orchestration_are_counted() -> None:
    def trace(name: str, tokens: int) -> dict[str, Any]:
        usage = {"inputTokens": tokens, "outputTokens": 1}
        return {"trace": {"trace": {name: {"modelInvocationOutput": {"metadata": {"usage": usage}}}}}}

    step = await step_of_agent(
        trace("preProcessingTrace", 10),
        trace("orchestrationTrace", 20),
        trace("orchestrationTrace", 30),
        {"trace": {}},
        {"trace": {"trace": {"failureTrace": {"failureReason": "?"}}}},
        trace("postProcessingTrace", 40),
        {"chunk": {"bytes": b"Go"}},
        {"files": {}},
        {"chunk": {"bytes": b"od."}},
    )
    assert isinstance(step, Final)
    assert step.text == "Good."
    assert (step.usage.input_tokens, step.usage.output_tokens) == (100, 4)


# AgentCore harness


async def test_calls_are_told_apart_by_their_ids_whatever_their_indices() -> None:
    step = await step_of_harness(
        {"messageStart": {"role": "assistant"}},
        start("a", "getEmployeeManager"),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        start("b"),
        piece('{"environmentId"'),
        start("c", "searchKnowledgeBase", index=1),
        piece('{"query": "x"}', index=1),
        piece(': "1"}'),
        stop(),
    )
    assert isinstance(step, ToolCalls)
    assert step.calls == (
        Call("a", "getEmployeeManager", {}),
        Call("b", "giveAccess", {"environmentId": "1"}),
        Call("c", "searchKnowledgeBase", {"query": "x"}),
    )


@pytest.mark.parametrize("text", ['{"environmentId": "1"', "[1]", '"1"', "giveAccess(1)"])
async def test_one_call_that_cannot_be_read_leaves_none_to_carry_out(text: str) -> None:
    step = await step_of_harness(start("a"), piece('{"environmentId": "1"}'), start("b"), piece(text), stop())
    assert isinstance(step, Final)
    assert step.ending is Ending.MALFORMED


@pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use"])
async def test_a_harness_that_runs_tools_of_its_own_is_not_worked_with(kind: str) -> None:
    with pytest.raises(PermanentError, match="shell"):
        await step_of_harness(start("a", "shell", type=kind), stop("end_turn"))


@pytest.mark.parametrize(
    "events",
    [
        [],
        [start("a"), piece("{}")],
        [piece("{}"), stop()],
        [{"messageStart": {"role": "assistant"}}, {"metadata": {"usage": {"inputTokens": 1}}}, stop()],
    ],
    ids=["nothing", "no end", "input of no call", "half a count"],
)
async def test_a_stream_that_lacks_its_parts_may_be_asked_for_again(events: list[Mapping[str, Any]]) -> None:
    with pytest.raises(TransientError):
        await step_of_harness(*events)


async def test_a_stop_reason_of_tomorrow_ends_the_run_and_carries_nothing_out() -> None:
    step = await step_of_harness(start("a"), piece("{}"), stop("a_reason_of_tomorrow"))
    assert isinstance(step, Final)
    assert step.ending is Ending.UNKNOWN


async def test_every_request_to_a_harness_says_what_it_may_do_and_how_much() -> None:
    client = Client(start("a", "getEmployeeManager"), stop())
    harness = a_harness(client, turn_seconds=0.5)
    session = harness.begin("text", ticket_id="T-1")
    step = await harness.next(session, [])
    assert isinstance(step, ToolCalls)
    await harness.next(session, [CallResult("a", {"manager": "@sam"})])
    for asked in client.asked:
        assert asked["allowedTools"] == [spec.name for spec in SPECS]
        assert {tool["type"] for tool in asked["tools"]} == {"inline_function"}
        assert (asked["maxIterations"], asked["timeoutSeconds"]) == (9, 1)
        assert "actorId" not in asked
        assert "runtimeUserId" not in asked
    assert [message["role"] for message in client.asked[1]["messages"]] == ["assistant", "user"]


# Both


async def test_a_stream_is_closed_whether_it_ended_well_or_not() -> None:
    client = Client(stop())
    harness = a_harness(client)
    session = harness.begin("text", ticket_id="T-1")
    await harness.next(session, [])
    client._events = ({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "x"}}}},)
    with pytest.raises(TransientError):
        await harness.next(session, [])
    assert [stream.closed for stream in client.streams] == [True, True]


def test_questions_that_are_asked_again_in_a_new_session_are_no_loop() -> None:
    budget, spent = Budget(identical_calls=2), Spent()
    for _ in range(6):
        for _ in range(2):
            spent = spent.after(NO_USAGE, [Call("1", "checkEmployeeAccess", {})])
        assert exhausted(budget, spent) is None
        spent = spent.in_new_session()
    assert spent.turns == 12
