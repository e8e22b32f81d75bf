"""The promises of a change stream, kept in memory, by DynamoDB Streams' wire format, and by the embedded cloud."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from local.emulator import Emulator
from shared.aws.clients import aws_session, open_client
from shared.aws.items import to_item
from shared.errors import PermanentError
from shared.stream.dynamodb import DynamoDbStream
from shared.stream.memory import MemoryStream
from shared.stream.port import ShardGone, StreamSource
from shared.stream.record import Record
from tests.support.contract_clouds import CLOUDS, EMULATOR, contract_table, use_cloud
from tests.support.streams_endpoint import STREAM_ARN, StreamsEndpoint, serving

# There a record shows up a moment after the write; sixty round trips are a few seconds.
EMPTY_READS_ON_AWS = 60


@dataclass(frozen=True, slots=True)
class Subject:
    """A stream, and how an item is written that shows up in it."""

    source: StreamSource
    put: Callable[[str], Awaitable[None]]
    refuses_unknown_shards: bool = True
    empty_reads: int = 3
    """After how many reads without a record there is none."""


@pytest.fixture(params=["memory", "wire", *CLOUDS])
async def subject(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Subject]:
    memory = MemoryStream(now=time.time)

    async def put_in_memory(item: str) -> None:
        memory.put({"ticketId": item, "employeeId": "111"}, new={"count": item.count("t")})

    async with AsyncExitStack() as stack:
        match request.param:
            case "memory":
                yield Subject(memory, put_in_memory)
            case "wire":
                monkeypatch.setenv("AWS_ACCESS_KEY_ID", "000000000000")
                monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
                monkeypatch.setenv("AWS_REGION", "eu-central-1")
                monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
                endpoint = await stack.enter_async_context(serving(StreamsEndpoint(memory)))
                client = await stack.enter_async_context(
                    open_client(aws_session(), "dynamodbstreams", endpoint_url=endpoint.url)
                )
                yield Subject(DynamoDbStream(client, STREAM_ARN), put_in_memory)
            case _:
                use_cloud(request.param, request)
                yield await _in_the_cloud(stack, is_emulator=request.param == EMULATOR)


async def _in_the_cloud(stack: AsyncExitStack, *, is_emulator: bool) -> Subject:
    items = await stack.enter_async_context(open_client(aws_session(), "dynamodb"))
    streams = await stack.enter_async_context(open_client(aws_session(), "dynamodbstreams"))
    table = await stack.enter_async_context(contract_table(items, "ticketId", "employeeId", streams=True))

    async def put(item: str) -> None:
        values = {"ticketId": item, "employeeId": "111", "count": item.count("t")}
        await items.put_item(TableName=table["TableName"], Item=to_item(values))

    # The emulator has one shard for ever and answers for whatever id it is asked.
    return Subject(
        DynamoDbStream(streams, table["LatestStreamArn"]),
        put,
        refuses_unknown_shards=not is_emulator,
        empty_reads=3 if is_emulator else EMPTY_READS_ON_AWS,
    )


async def read_all(subject: Subject, *, after: str | None = None, at_most: int = 1_000) -> list[Record]:
    """What the first shard holds now."""
    source = subject.source
    shard_id = (await source.shards())[0].shard_id
    iterator: str | None = await source.iterator(shard_id, after=after)
    found: list[Record] = []
    fruitless = 0
    while iterator is not None and fruitless < subject.empty_reads:
        batch = await source.read(shard_id, iterator, at_most=at_most)
        assert len(batch.records) <= at_most
        fruitless = 0 if batch.records else fruitless + 1
        found += batch.records
        iterator = batch.next_iterator
    return found


async def test_a_new_stream_has_an_open_shard_without_records(subject: Subject) -> None:
    (shard,) = await subject.source.shards()
    assert not shard.closed
    assert await read_all(subject) == []


async def test_records_come_in_the_order_of_the_writes(subject: Subject) -> None:
    for number in range(7):
        await subject.put(f"t{number}")
    found = await read_all(subject, at_most=3)
    assert [record.keys["ticketId"] for record in found] == [f"t{number}" for number in range(7)]
    numbers = [int(record.sequence_number) for record in found]
    assert numbers == sorted(set(numbers))


async def test_a_record_says_what_changed(subject: Subject) -> None:
    await subject.put("ttt")
    (record,) = await read_all(subject)
    (shard,) = await subject.source.shards()
    assert record.change == "INSERT"
    assert record.shard_id == shard.shard_id
    assert record.keys == {"ticketId": "ttt", "employeeId": "111"}
    assert record.new == {"ticketId": "ttt", "employeeId": "111", "count": 3}
    assert record.old is None
    assert abs(record.created_at - time.time()) < 60


async def test_a_record_read_again_is_the_same(subject: Subject) -> None:
    await subject.put("t1")
    assert await read_all(subject) == await read_all(subject)


async def test_reading_goes_on_after_a_sequence_number(subject: Subject) -> None:
    for number in range(5):
        await subject.put(f"t{number}")
    first, second, *rest = await read_all(subject)
    assert await read_all(subject, after=second.sequence_number) == rest
    assert await read_all(subject, after=first.sequence_number) == [second, *rest]
    assert await read_all(subject, after=rest[-1].sequence_number) == []


async def test_an_iterator_at_the_tip_finds_what_is_written_later(subject: Subject) -> None:
    (shard,) = await subject.source.shards()
    iterator = await subject.source.iterator(shard.shard_id, after=None)
    batch = await subject.source.read(shard.shard_id, iterator, at_most=10)
    assert batch.next_iterator is not None
    await subject.put("t1")
    found: list[Record] = []
    onward: str | None = batch.next_iterator
    for _ in range(5):
        assert onward is not None
        batch = await subject.source.read(shard.shard_id, onward, at_most=10)
        found += batch.records
        onward = batch.next_iterator
    assert [record.keys["ticketId"] for record in found] == ["t1"]


async def test_a_shard_that_is_not_there_is_reported_as_gone(subject: Subject) -> None:
    if not subject.refuses_unknown_shards:
        pytest.skip("this stream answers for any shard id")
    with pytest.raises(ShardGone):
        await subject.source.iterator("shardId-00000000000000000000-00000000", after=None)


async def test_a_stream_that_is_not_there_is_a_permanent_error(emulator: Emulator) -> None:
    async with open_client(aws_session(), "dynamodbstreams") as client:
        with pytest.raises(PermanentError):
            await DynamoDbStream(client, STREAM_ARN).shards()
