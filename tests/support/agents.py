"""The three agent back ends on the local endpoint, and tools that answer from a few facts instead of tables."""

import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from local.bedrock import defaults
from local.bedrock_endpoint import BedrockEndpoint
from services.ticket_agent.agent.agentcore_harness import AgentCoreHarness
from services.ticket_agent.agent.bedrock_agent import BedrockAgent
from services.ticket_agent.agent.budget import Budget
from services.ticket_agent.agent.converse import ConverseAgent
from services.ticket_agent.agent.port import Agent, Call, CallResult, Final, Step, ToolCalls
from services.ticket_agent.tools.registry import TOOLS
from shared.aws.clients import Client
from shared.model.bedrock import BedrockModel
from tests.support.bedrock_clients import NOVA, opened

TICKETS = Path(__file__).resolve().parents[2] / "local" / "sample" / "tickets.yaml"
TOOL_SPECS = [tool.spec for tool in TOOLS]
MOST_STEPS = 40
"""More than any conversation here has: what does not end would run for ever."""


def _converse(client: Client) -> Agent[Any]:
    return ConverseAgent(BedrockModel(client), model_id=NOVA, tools=TOOL_SPECS)


def _bedrock_agent(client: Client) -> Agent[Any]:
    return a_bedrock_agent(client)


def a_bedrock_agent(client: Client, *, agent_id: str = defaults.AGENT_ID) -> BedrockAgent:
    return BedrockAgent(
        client, agent_id=agent_id, agent_alias_id=defaults.AGENT_ALIAS_ID, new_id=lambda: uuid.uuid4().hex
    )


def _agentcore_harness(client: Client) -> Agent[Any]:
    return a_harness(client)


def a_harness(client: Client, *, arn: str = defaults.HARNESS_ARN) -> AgentCoreHarness:
    return AgentCoreHarness(
        client,
        harness_arn=arn,
        model_id=NOVA,
        tools=TOOL_SPECS,
        budget=Budget(),
        turn_seconds=120,
        new_id=lambda: uuid.uuid4().hex,
    )


@dataclass(frozen=True, slots=True)
class BackEnd:
    """``known_as`` is where its settings and faults stand on the local endpoint."""

    name: str
    service: str
    operation: str
    known_as: str
    make: Callable[[Client], Agent[Any]]
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def hosted(self) -> bool:
        return self.name != "converse"

    @asynccontextmanager
    async def opened(self, bedrock: BedrockEndpoint, *, read_timeout: float = 30) -> AsyncIterator[Agent[Any]]:
        async with opened(bedrock, self.service, read_timeout=read_timeout) as client:
            yield self.make(client)

    def strike(self, bedrock: BedrockEndpoint, kind: str, *, times: int = 1, **other: Any) -> None:
        """Its next calls meet a fault."""
        bedrock.control(f"models/{self.known_as}/faults", {"kind": kind, "next": times, **other})

    def plans(self, bedrock: BedrockEndpoint, variant: str) -> None:
        """Its model plans in another way than by the rules."""
        bedrock.control(f"models/{self.known_as}", {"planner": variant})


CONVERSE = BackEnd("converse", "bedrock-runtime", "Converse", NOVA, _converse)
BEDROCK_AGENT = BackEnd(
    "bedrock_agent",
    "bedrock-agent-runtime",
    "InvokeAgent",
    defaults.AGENT_ID,
    _bedrock_agent,
    {"BEDROCK_AGENT_ID": defaults.AGENT_ID, "BEDROCK_AGENT_ALIAS_ID": defaults.AGENT_ALIAS_ID},
)
AGENTCORE_HARNESS = BackEnd(
    "agentcore_harness",
    "bedrock-agentcore",
    "InvokeHarness",
    defaults.HARNESS_ID,
    _agentcore_harness,
    {"AGENTCORE_HARNESS_ARN": defaults.HARNESS_ARN},
)
BACK_ENDS = (CONVERSE, BEDROCK_AGENT, AGENTCORE_HARNESS)
HOSTED = (BEDROCK_AGENT, AGENTCORE_HARNESS)


def ground_truth() -> list[dict[str, Any]]:
    """The six cases in order."""
    return list(yaml.safe_load(TICKETS.read_text(encoding="utf-8"))["tickets"])


TRAJECTORIES = {
    1: "checkEmployeeAccess searchKnowledgeBase getEmployeeManager getEnvironmentOwner giveAccess autoResolveTicket",
    2: "checkEmployeeAccess autoResolveTicket",
    3: "checkEmployeeAccess searchKnowledgeBase getEmployeeManager getEnvironmentOwner assignTicketToEnvironmentOwner",
    4: "checkEmployeeAccess searchKnowledgeBase getEmployeeManager getEnvironmentOwner giveAccess autoResolveTicket",
    5: "checkEmployeeAccess searchKnowledgeBase getEnvironmentOwner assignTicketToEnvironmentOwner",
    6: "checkEmployeeAccess searchKnowledgeBase getEnvironmentOwner assignTicketToEnvironmentOwner",
}


@dataclass(slots=True)
class ScriptedTools:
    """Answers from facts, grants what it is asked to unless told to refuse, and remembers every call."""

    owner: str = "@sam"
    manager: str = "@sam"
    held: bool = False
    refuses: tuple[str, ...] = ()
    called: list[Call] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [call.tool for call in self.called]

    def answer(self, call: Call) -> CallResult:
        self.called.append(call)
        if call.tool in self.refuses:
            return CallResult(call.call_id, {"error": "not_permitted", "message": "The policy forbids it."}, True)
        if call.tool == "giveAccess":
            self.held = True
        facts: Mapping[str, Mapping[str, Any]] = {
            "checkEmployeeAccess": {"hasAccess": self.held, "sufficient": self.held},
            "searchKnowledgeBase": {"passages": [{"text": "Ask the owner.", "source": "policy.md"}]},
            "getEmployeeManager": {"manager": self.manager},
            "getEnvironmentOwner": {"owner": self.owner},
            "giveAccess": {"granted": True},
        }
        return CallResult(call.call_id, {"message": "Done.", **facts.get(call.tool, {})})

    def answers(self, step: ToolCalls) -> list[CallResult]:
        return [self.answer(call) for call in step.calls]


async def until_final(
    agent: Agent[Any], session: Any, tools: ScriptedTools, results: Sequence[CallResult] = ()
) -> Final:
    """The rest of the conversation: every call answered until the agent has nothing more to ask."""
    for _ in range(MOST_STEPS):
        step: Step = await agent.next(session, results)
        if isinstance(step, Final):
            return step
        results = tools.answers(step)
    raise AssertionError(f"no end after {MOST_STEPS} steps: {tools.names}")


def told(bedrock: BedrockEndpoint) -> str:
    """All that agents and harnesses were told, as one text."""
    return json.dumps(bedrock.control("sessions"))
