"""The real adapter and the real consumer against DynamoDB Streams' wire format: splits, pages, trims, faults.

The emulator's single shard never closes; here an endpoint of our own plays what the service does. Leases are kept in
memory: their own adapter is tried on the embedded cloud.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.aws.clients import aws_session, open_client
from shared.backoff import Backoff
from shared.stream.consumer import StreamConsumer
from shared.stream.dynamodb import DynamoDbStream
from shared.stream.memory import MemoryLeases, MemoryStream
from shared.stream.record import Record
from shared.stream.settings import StreamSettings
from tests.support.streams_endpoint import STREAM_ARN, StreamsEndpoint, serving
from tests.support.waiting import eventually

QUICK = StreamSettings(
    lease_seconds=2.0,
    take_seconds=0.05,
    sync_seconds=0.5,
    idle_seconds=0.01,
    busy_seconds=0.01,
    backoff=Backoff(base=0.01, cap=0.1),
)


@dataclass
class Service:
    """The scripted service, its clock, and what our consumers made of it."""

    endpoint: StreamsEndpoint
    source: DynamoDbStream
    leases: MemoryLeases
    ahead: list[float]
    delivered: list[str] = field(default_factory=list)
    gaps: list[tuple[str, str | None]] = field(default_factory=list)
    consumers: list[tuple[asyncio.Task[None], asyncio.Event]] = field(default_factory=list)

    @property
    def stream(self) -> MemoryStream:
        return self.endpoint.stream

    def start(self, owner: str) -> StreamConsumer:
        async def deliver(records: Sequence[Record]) -> None:
            await asyncio.sleep(0)
            self.delivered += [record.keys["ticketId"] for record in records]

        async def on_gap(shard_id: str, after: str | None) -> None:
            await asyncio.sleep(0)
            self.gaps.append((shard_id, after))

        consumer = StreamConsumer(
            source=self.source, leases=self.leases, deliver=deliver, owner=owner, settings=QUICK, on_gap=on_gap
        )
        stop = asyncio.Event()
        self.consumers.append((asyncio.create_task(consumer.run(stop)), stop))
        return consumer

    async def drain(self) -> None:
        for task, stop in self.consumers:
            stop.set()
            await task
        self.consumers.clear()

    def put(self, *items: str) -> None:
        for item in items:
            self.stream.put({"ticketId": item})

    async def until_delivered(self, *items: str) -> None:
        async def all_there() -> bool:
            return set(items) <= set(self.delivered)

        await eventually(all_there, what=f"delivery of {items}")


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    for name, value in (("ACCESS_KEY_ID", "000000000000"), ("SECRET_ACCESS_KEY", "any"), ("REGION", "eu-central-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    ahead = [0.0]
    stream = MemoryStream(now=lambda: time.time() + ahead[0])
    client: Any
    async with (
        serving(StreamsEndpoint(stream)) as endpoint,
        open_client(aws_session(), "dynamodbstreams", endpoint_url=endpoint.url, attempts=1) as client,
    ):
        service = Service(endpoint, DynamoDbStream(client, STREAM_ARN), MemoryLeases(), ahead)
        yield service
        await service.drain()


async def test_all_pages_of_a_listing_are_read(service: Service) -> None:
    for _ in range(3):
        for shard_id in service.stream.open_shards():
            service.stream.split(shard_id)
    found = await service.source.shards()
    assert [shard.shard_id for shard in found] == [shard.shard_id for shard in await service.stream.shards()]
    assert len(found) == 15
    assert found == await service.stream.shards()
    assert service.endpoint.count("DescribeStream") == 8


async def test_records_survive_splits_and_roll_overs_in_order(service: Service) -> None:
    service.start("a")
    service.start("b")
    for number in range(40):
        service.put("t")
        service.put(f"t{number}")
        if number % 10 == 4:
            service.stream.split(service.stream.open_shards()[0])
        if number % 10 == 9:
            service.stream.roll_over(service.stream.open_shards()[-1])
        await service.until_delivered(f"t{number}")
    await service.drain()
    assert sorted(service.delivered) == sorted([f"t{number}" for number in range(40)] + ["t"] * 40)


async def test_a_child_is_not_asked_for_before_its_parents_iterator_ran_out(service: Service) -> None:
    parent = service.stream.open_shards()[0]
    service.put("t1", "t2")
    child = service.stream.roll_over(parent)
    service.put("t3")
    service.start("a")
    await service.until_delivered("t1", "t2", "t3")
    await service.drain()
    read = [parameters["ShardId"] for name, parameters in service.endpoint.calls if name == "GetShardIterator"]
    assert read == [parent, child]
    assert service.delivered == ["t1", "t2", "t3"]


async def test_children_of_a_trimmed_parent_are_read(service: Service) -> None:
    root = service.stream.open_shards()[0]
    children = service.stream.split(root)
    service.stream.drop(root)
    consumer = service.start("a")

    async def both_held() -> bool:
        return consumer.held == sorted(children)

    await eventually(both_held)
    service.put("t1", "t2", "t3")
    await service.until_delivered("t1", "t2", "t3")


async def test_an_expired_iterator_is_replaced_after_the_checkpoint(service: Service) -> None:
    service.start("a")
    service.put("t1")
    await service.until_delivered("t1")
    service.ahead[0] += 1_000.0
    service.put("t2")
    await service.until_delivered("t2")
    await service.drain()
    positions = [parameters for name, parameters in service.endpoint.calls if name == "GetShardIterator"]
    assert positions[-1]["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER"
    assert service.delivered == ["t1", "t2"]


async def test_a_trim_gap_is_reported_with_the_checkpoint(service: Service) -> None:
    service.start("a")
    service.put("t1")
    await service.until_delivered("t1")
    await service.drain()
    (lease,) = await service.leases.listing()
    service.put("t2", "t3")
    service.stream.trim(lease.shard_id, 2)
    service.start("b")
    await service.until_delivered("t3")
    await service.drain()
    assert service.gaps == [(lease.shard_id, lease.after)]
    assert service.delivered == ["t1", "t3"]


async def test_records_trimmed_between_iterator_and_read_are_a_gap_too(service: Service) -> None:
    service.put("t1", "t2")
    service.endpoint.faults.append(("GetRecords", "TrimmedDataAccessException", 400))
    service.start("a")
    await service.until_delivered("t1", "t2")
    await service.drain()
    assert [after for _, after in service.gaps] == [None]


async def test_a_shard_gone_as_a_whole_is_reported_and_its_child_is_read(service: Service) -> None:
    service.start("a")
    service.put("t1")
    await service.until_delivered("t1")
    await service.drain()
    (lease,) = await service.leases.listing()
    service.stream.roll_over(lease.shard_id)
    service.put("t2")
    service.stream.drop(lease.shard_id)
    service.start("b")
    await service.until_delivered("t2")
    await service.drain()
    assert service.gaps == [(lease.shard_id, lease.after)]


async def test_a_shard_that_is_not_found_but_listed_is_tried_again(service: Service) -> None:
    service.put("t1")
    service.endpoint.faults.append(("GetShardIterator", "ResourceNotFoundException", 400))
    service.start("a")
    await service.until_delivered("t1")
    assert service.gaps == []


@pytest.mark.parametrize("operation", ["DescribeStream", "GetShardIterator", "GetRecords"])
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("LimitExceededException", 400),
        ("InternalServerError", 500),
        ("AccessDeniedException", 400),
        ("disconnect", 0),
    ],
)
async def test_a_refused_call_is_tried_again(service: Service, operation: str, code: str, status: int) -> None:
    service.endpoint.faults.extend([(operation, code, status)] * 3)
    service.put("t1", "t2")
    service.start("a")
    await service.until_delivered("t1", "t2")
    await service.drain()
    assert not service.endpoint.faults
    assert service.delivered == ["t1", "t2"]
    assert service.gaps == []


async def test_every_kind_of_change_comes_with_its_images(service: Service) -> None:
    keys = {"ticketId": "t1"}
    service.stream.put(keys, new={"count": 1, "tags": ["a", None, True], "raw": b"\x00\xff"})
    service.stream.put(keys, change="REMOVE")
    (shard,) = await service.source.shards()
    iterator = await service.source.iterator(shard.shard_id, after=None)
    added, removed = (await service.source.read(shard.shard_id, iterator, at_most=10)).records
    assert added.new == {"ticketId": "t1", "count": 1, "tags": ["a", None, True], "raw": b"\x00\xff"}
    assert (removed.change, removed.new) == ("REMOVE", None)
