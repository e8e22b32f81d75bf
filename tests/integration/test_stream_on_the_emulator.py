"""The stream consumer against the embedded cloud: real SDK, real stream, real lease table."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from local.provisioning import Provisioned
from shared.aws.clients import aws_session, open_client
from shared.aws.items import to_item
from shared.stream.consumer import StreamConsumer
from shared.stream.dynamodb import DynamoDbStream
from shared.stream.dynamodb_leases import DynamoDbLeases
from shared.stream.record import Record
from tests.support.cloud import AwsClients
from tests.support.waiting import eventually


@dataclass
class Deliveries:
    """What was delivered, as (consumer, ticket)."""

    made: list[tuple[str, str]] = field(default_factory=list)

    def to(self, owner: str) -> Any:
        async def deliver(records: Sequence[Record]) -> None:
            self.made += [(owner, record.keys["ticketId"]) for record in records]

        return deliver

    @property
    def tickets(self) -> list[str]:
        return [ticket for _, ticket in self.made]


@dataclass
class Fleet:
    """Consumers of one stream, each with a stop event of its own."""

    client: Any
    streams: Any
    table: str
    stream_arn: str
    lease_table: str
    delivered: Deliveries = field(default_factory=Deliveries)

    def start(self, owner: str) -> tuple[asyncio.Task[None], asyncio.Event, StreamConsumer]:
        consumer = StreamConsumer(
            source=DynamoDbStream(self.streams, self.stream_arn),
            leases=DynamoDbLeases(self.client, self.lease_table, consumer="bridge"),
            deliver=self.delivered.to(owner),
            owner=owner,
        )
        stop = asyncio.Event()
        return asyncio.create_task(consumer.run(stop)), stop, consumer

    async def put(self, *tickets: str) -> None:
        for ticket in tickets:
            await self.client.put_item(
                TableName=self.table, Item=to_item({"ticketId": ticket, "employeeId": "111", "assignStatus": "open"})
            )

    async def until_delivered(self, *tickets: str) -> None:
        async def all_there() -> bool:
            return set(tickets) <= set(self.delivered.tickets)

        await eventually(all_there, what=f"delivery of {tickets}")


@asynccontextmanager
async def a_fleet(resources: Provisioned, aws: AwsClients) -> AsyncIterator[Fleet]:
    environment = resources.ticket_agent()
    table = environment["TICKET_TABLE"]
    stream_arn = aws("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(aws_session(), "dynamodb"))
        streams = await stack.enter_async_context(open_client(aws_session(), "dynamodbstreams"))
        yield Fleet(client, streams, table, stream_arn, environment["LEASE_TABLE"])


async def test_what_is_written_to_the_table_is_delivered_in_order(resources: Provisioned, aws: AwsClients) -> None:
    tickets = [f"t{number:03}" for number in range(30)]
    async with a_fleet(resources, aws) as fleet:
        await fleet.put(*tickets[:10])
        running, stop, _ = fleet.start("task-a")
        await fleet.put(*tickets[10:])
        await fleet.until_delivered(*tickets)
        stop.set()
        await running
    assert fleet.delivered.tickets == tickets


async def test_a_drained_task_hands_over_without_a_repeat(resources: Provisioned, aws: AwsClients) -> None:
    async with a_fleet(resources, aws) as fleet:
        first, stop_first, _ = fleet.start("task-a")
        await fleet.put("t1", "t2")
        await fleet.until_delivered("t1", "t2")
        second, stop_second, _ = fleet.start("task-b")
        stop_first.set()
        await first
        await fleet.put("t3")
        await fleet.until_delivered("t3")
        stop_second.set()
        await second
    assert fleet.delivered.made == [("task-a", "t1"), ("task-a", "t2"), ("task-b", "t3")]


async def test_a_killed_tasks_shard_is_read_on_by_another(resources: Provisioned, aws: AwsClients) -> None:
    async with a_fleet(resources, aws) as fleet:
        first, _, _ = fleet.start("task-a")
        await fleet.put("t1")
        await fleet.until_delivered("t1")
        second, stop_second, _ = fleet.start("task-b")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await fleet.put("t2")
        await fleet.until_delivered("t2")
        stop_second.set()
        await second
    assert fleet.delivered.tickets == ["t1", "t2"]
