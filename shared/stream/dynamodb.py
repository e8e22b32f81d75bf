"""The stream port on DynamoDB Streams.

Figures that the settings rest on: DescribeStream takes 10 calls a second, its pages hold up to 100 shards; GetRecords
answers with up to 1,000 records or 1 MB; iterators live 15 minutes, records 24 hours (API reference, "Amazon DynamoDB
Streams"). A shard bears two readers at the most (document "Service, account, and table quotas in Amazon DynamoDB").
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item
from shared.errors import Throttled
from shared.stream.lineage import Shard
from shared.stream.port import Batch, IteratorExpired, RecordsTrimmed, ShardGone
from shared.stream.record import Item, Record

SHARDS_A_PAGE = 100


class DynamoDbStream:
    """Reads one stream through an aiobotocore ``dynamodbstreams`` client."""

    def __init__(self, client: Client, stream_arn: str) -> None:
        self._client = client
        self._arn = stream_arn

    async def shards(self) -> list[Shard]:
        found: list[Shard] = []
        page: dict[str, Any] = {}
        while True:
            with aws_errors():
                answer = await self._client.describe_stream(StreamArn=self._arn, Limit=SHARDS_A_PAGE, **page)
            description = answer["StreamDescription"]
            found += [_as_shard(shard) for shard in description.get("Shards", ())]
            # A page may be empty and still not be the last: only a missing id says so.
            last = description.get("LastEvaluatedShardId")
            if not last:
                return found
            page = {"ExclusiveStartShardId": last}

    async def iterator(self, shard_id: str, *, after: str | None) -> str:
        position = (
            {"ShardIteratorType": "TRIM_HORIZON"}
            if after is None
            else {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
        )
        with aws_errors(), _shard_errors(shard_id):
            answer = await self._client.get_shard_iterator(StreamArn=self._arn, ShardId=shard_id, **position)
        return str(answer["ShardIterator"])

    async def read(self, shard_id: str, iterator: str, *, at_most: int) -> Batch:
        with aws_errors(), _shard_errors(shard_id):
            answer = await self._client.get_records(ShardIterator=iterator, Limit=at_most)
        records = [_as_record(shard_id, record) for record in answer.get("Records", ())]
        return Batch(records, answer.get("NextShardIterator"))


@contextmanager
def _shard_errors(shard_id: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        match code:
            case "ExpiredIteratorException":
                raise IteratorExpired(f"the iterator of {shard_id} has expired") from error
            case "TrimmedDataAccessException":
                raise RecordsTrimmed(f"the records asked for in {shard_id} have been trimmed") from error
            case "ResourceNotFoundException":
                raise ShardGone(f"{shard_id} is no longer there") from error
            case "LimitExceededException":
                raise Throttled(f"{shard_id} has more than two readers, or too many calls") from error
            case _:
                raise


def _as_shard(shard: Mapping[str, Any]) -> Shard:
    parent = shard.get("ParentShardId")
    return Shard(
        shard_id=shard["ShardId"],
        parents=(parent,) if parent else (),
        closed=bool(shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber")),
    )


def _as_record(shard_id: str, record: Mapping[str, Any]) -> Record:
    change = record["dynamodb"]
    created: datetime = change["ApproximateCreationDateTime"]
    return Record(
        event_id=record["eventID"],
        change=record["eventName"],
        shard_id=shard_id,
        sequence_number=change["SequenceNumber"],
        created_at=created.timestamp(),
        keys=from_item(change.get("Keys", {})),
        old=_image(change, "OldImage"),
        new=_image(change, "NewImage"),
    )


def _image(change: Mapping[str, Any], name: str) -> Item | None:
    return from_item(change[name]) if name in change else None
