"""The ticket agent's stores on the emulator's tables, and a worker over them with a model of the test's choosing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from local.provisioning import Provisioned
from services.ticket_agent.agent.budget import Budget
from services.ticket_agent.agent.converse import ConverseAgent
from services.ticket_agent.agent.loop import AgentLoop
from services.ticket_agent.agent.port import Agent
from services.ticket_agent.deciding import Deciding
from services.ticket_agent.domain.ticket import Ticket, TicketKey
from services.ticket_agent.knowledge.documents import DocumentKnowledgeBase
from services.ticket_agent.policy.guard import Guard
from services.ticket_agent.store.changes import DynamoDbChanges
from services.ticket_agent.store.directory import DynamoDbDirectory
from services.ticket_agent.store.effects import DynamoDbEffects
from services.ticket_agent.store.ledger import DynamoDbLedger
from services.ticket_agent.store.port import NewTicket, Submission
from services.ticket_agent.store.rulings import DynamoDbRulings
from services.ticket_agent.store.tables import Tables
from services.ticket_agent.store.tickets import DynamoDbTickets
from services.ticket_agent.tools.port import Desk
from services.ticket_agent.tools.registry import TOOLS, Toolbox
from services.ticket_agent.worker import Worker
from shared.aws.clients import Client, aws_session, open_client
from shared.aws.items import from_item, to_item
from shared.model.port import Model
from tests.support.tickets import a_text

NOON = 1_700_000_000.0


@dataclass(slots=True)
class TicketDesk:
    """``at`` is the time of day; a test moves it."""

    client: Client
    tables: Tables
    at: float = NOON
    guard: Guard = field(default_factory=Guard.from_package)

    @property
    def directory(self) -> DynamoDbDirectory:
        return DynamoDbDirectory(self.client, self.tables)

    @property
    def tickets(self) -> DynamoDbTickets:
        return DynamoDbTickets(self.client, self.tables)

    @property
    def effects(self) -> DynamoDbEffects:
        return DynamoDbEffects(self.client, self.tables)

    @property
    def changes(self) -> DynamoDbChanges:
        return DynamoDbChanges(self.client, self.tables)

    @property
    def rulings(self) -> DynamoDbRulings:
        return DynamoDbRulings(self.client, self.tables.ledger)

    @property
    def deciding(self) -> Deciding:
        return Deciding(
            tickets=self.tickets,
            rulings=self.rulings,
            directory=self.directory,
            access=self.directory,
            changes=self.changes,
            guard=self.guard,
            now=lambda: self.at,
        )

    @property
    def ledger(self) -> DynamoDbLedger:
        return DynamoDbLedger(self.client, self.tables.ledger)

    def worker(self, model: Model, *, run_seconds: float = 60.0, budget: Budget | None = None) -> Worker:
        agent = ConverseAgent(model, model_id="a-model", tools=[tool.spec for tool in TOOLS])
        return self.worker_with(agent, run_seconds=run_seconds, budget=budget)

    def worker_with(self, agent: Agent[Any], *, run_seconds: float = 60.0, budget: Budget | None = None) -> Worker:
        desk = Desk(
            directory=self.directory,
            access=self.directory,
            effects=self.effects,
            knowledge=DocumentKnowledgeBase.from_package(),
            guard=self.guard,
            now=lambda: self.at,
        )
        monotonic = asyncio.get_running_loop().time
        return Worker(
            tickets=self.tickets,
            ledger=self.ledger,
            desk=desk,
            deciding=self.deciding,
            loop=AgentLoop(
                agent=agent,
                toolbox=Toolbox(),
                budget=budget or Budget(),
                run_seconds=run_seconds,
                monotonic=monotonic,
                uniform=lambda low, _high: low,  # no jitter: what is tried again is tried again at once
            ),
            resolver_group="service-desk",
            monotonic=monotonic,
        )

    async def employee(self, employee_id: str = "111", **values: str) -> None:
        await self.put(self.tables.user, employeeId=employee_id, **{"manager": "@sam", **values})

    async def environment(self, environment_id: str = "1", owner: str = "@sam") -> None:
        await self.put(
            self.tables.environment, environmentId=environment_id, environment_name="Env", managing_entity=owner
        )

    async def group(self, group_id: str = "service-desk", **values: str) -> None:
        await self.put(self.tables.resolver_group, groupId=group_id, **values)

    async def access(self, employee_id: str = "111", environment_id: str = "1", **values: str) -> None:
        await self.put(self.tables.user_access, employeeId=employee_id, environmentId=environment_id, **values)

    async def submitted(self, ticket_id: str = "T-1", *, employee_id: str = "111", content: str = "") -> Ticket:
        """A ticket that was just taken in."""
        key = TicketKey(ticket_id=ticket_id, employee_id=employee_id)
        new = NewTicket(key=key, content=content or a_text(), sender_id="relay", message_id="m-1")
        assert await self.tickets.submit(new, at=self.at) is Submission.ACCEPTED
        return await self.loaded(ticket_id, employee_id=employee_id)

    async def loaded(self, ticket_id: str = "T-1", *, employee_id: str = "111") -> Ticket:
        ticket = await self.tickets.load(TicketKey(ticket_id=ticket_id, employee_id=employee_id))
        assert ticket is not None
        return ticket

    async def put(self, table: str, **values: Any) -> None:
        await self.client.put_item(TableName=table, Item=to_item(values))

    async def clear(self) -> None:
        """Empty every table."""
        for name in (getattr(self.tables, table.name) for table in fields(self.tables)):
            keys = (await self.client.describe_table(TableName=name))["Table"]["KeySchema"]
            for item in (await self.client.scan(TableName=name))["Items"]:
                key = {key["AttributeName"]: item[key["AttributeName"]] for key in keys}
                await self.client.delete_item(TableName=name, Key=key)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        answer = await self.client.scan(TableName=table, ConsistentRead=True)
        return [from_item(item) for item in answer["Items"]]

    async def entries(self, prefix: str = "") -> list[dict[str, Any]]:
        rows = [row for row in await self.rows(self.tables.ledger) if row["entry"].startswith(prefix)]
        return sorted(rows, key=lambda row: (row["ticketId"], row["entry"]))

    async def grants(self) -> list[dict[str, Any]]:
        return [row for row in await self.rows(self.tables.user_access) if "#grant#" in row["environmentId"]]


# Parsing DynamoDB's service model takes most of a second; clients of one session share it.
_session = cache(aws_session)


@asynccontextmanager
async def open_ticket_desk(resources: Provisioned) -> AsyncIterator[TicketDesk]:
    names = resources.tables
    tables = Tables(
        user=names["User"],
        environment=names["Environment"],
        user_access=names["UserAccess"],
        ticket=names["Ticket"],
        ledger=names["Ledger"],
        resolver_group=names["ResolverGroup"],
    )
    async with open_client(_session(), "dynamodb") as client:
        yield TicketDesk(client, tables)
