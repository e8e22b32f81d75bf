"""The lease port on a DynamoDB table with the partition key ``leaseKey`` (S).

One item a shard, key ``<consumer>/<shard id>``: leaseOwner (S, absent when free), leaseCounter (N), checkpoint (S:
``TRIM_HORIZON``, a sequence number, or ``SHARD_END``), wantedBy (S). One item a consumer, key ``<consumer>``: where it
began. Several consumers may share a table under different names.

Needs dynamodb:Scan, UpdateItem, PutItem and DeleteItem on the table. A listing scans it: an item is some 200 bytes, so
20 shards cost one read request unit, twice a second and task by default (0.17 million units a day).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import WireItem, from_item, to_item
from shared.stream.leases import Lease
from shared.stream.lineage import Start
from shared.stream.port import LeaseLost

TRIM_HORIZON = "TRIM_HORIZON"
SHARD_END = "SHARD_END"
# The service's list of reserved words grows; a short everyday word is better not written out in an expression.
NAMES = {"#checkpoint": "checkpoint"}


class DynamoDbLeases:
    """Keeps the leases of ``consumer`` through an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, table: str, *, consumer: str = "stream") -> None:
        self._client = client
        self._table = table
        self._consumer = consumer

    async def begin(self, start: Start) -> Start:
        not_begun = "attribute_not_exists(leaseKey)"
        try:
            with aws_errors(), _refusals():
                await self._client.put_item(
                    TableName=self._table,
                    Item=self._start_item(start),
                    ConditionExpression=not_begun,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except _Refused as refusal:
            return _as_start(refusal.item)
        return start

    async def listing(self) -> list[Lease]:
        found: list[Lease] = []
        page: dict[str, Any] = {}
        while True:
            with aws_errors():
                answer = await self._client.scan(
                    TableName=self._table,
                    # An eventually consistent answer may show a free lease as held, and delay its taking by a round.
                    ConsistentRead=True,
                    FilterExpression="begins_with(leaseKey, :prefix)",
                    ExpressionAttributeValues=to_item({":prefix": self._key("")}),
                    **page,
                )
            found += [self._as_lease(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            page = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    async def swap(self, old: Lease, new: Lease) -> Lease:
        values: dict[str, Any] = {":counter": new.counter, ":checkpoint": _checkpoint(new)}
        sets = ["leaseCounter = :counter", "#checkpoint = :checkpoint"]
        removes = []
        if new.owner is None:
            removes.append("leaseOwner")
        else:
            sets.append("leaseOwner = :owner")
            values[":owner"] = new.owner
            if new.owner != old.owner:
                removes.append("wantedBy")
        condition, expected = _as_last_seen(old)
        try:
            with aws_errors(), _refusals():
                answer = await self._client.update_item(
                    TableName=self._table,
                    Key=to_item({"leaseKey": self._key(old.shard_id)}),
                    UpdateExpression=f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else ""),
                    ConditionExpression=condition,
                    ExpressionAttributeNames=NAMES,
                    ExpressionAttributeValues=to_item({**values, **expected}),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except _Refused as refusal:
            current = self._as_lease(refusal.item) if refusal.item else None
            # The client repeats a request whose answer was lost; the repeat then finds what the first one wrote.
            if current is not None and replace(current, wanted_by=new.wanted_by) == new:
                return current
            raise LeaseLost(old.shard_id, current) from refusal
        return self._as_lease(answer["Attributes"])

    async def ask(self, lease: Lease, wanted_by: str) -> None:
        same_owner = "leaseOwner = :owner"
        not_asked_for = "attribute_not_exists(wantedBy)"
        with suppress(_Refused), aws_errors(), _refusals():
            await self._client.update_item(
                TableName=self._table,
                Key=to_item({"leaseKey": self._key(lease.shard_id)}),
                UpdateExpression="SET wantedBy = :wanted_by",
                ConditionExpression=f"{same_owner} AND {not_asked_for}",
                ExpressionAttributeValues=to_item({":wanted_by": wanted_by, ":owner": lease.owner}),
            )

    async def forget(self, lease: Lease) -> None:
        shard_ended = "#checkpoint = :shard_end"
        same_counter = "leaseCounter = :counter"
        with suppress(_Refused), aws_errors(), _refusals():
            await self._client.delete_item(
                TableName=self._table,
                Key=to_item({"leaseKey": self._key(lease.shard_id)}),
                ConditionExpression=f"{shard_ended} AND {same_counter}",
                ExpressionAttributeNames=NAMES,
                ExpressionAttributeValues=to_item({":shard_end": SHARD_END, ":counter": lease.counter}),
            )

    def _key(self, shard_id: str) -> str:
        return f"{self._consumer}/{shard_id}"

    def _start_item(self, start: Start) -> WireItem:
        item: dict[str, Any] = {"leaseKey": self._consumer}
        if start.since is not None:
            item["startedAt"] = int(start.since)
        if start.past:
            item["pastShards"] = set(start.past)
        return to_item(item)

    def _as_lease(self, wire_item: WireItem) -> Lease:
        item = from_item(wire_item)
        checkpoint = item["checkpoint"]
        return Lease(
            shard_id=item["leaseKey"].removeprefix(self._key("")),
            owner=item.get("leaseOwner"),
            counter=int(item["leaseCounter"]),
            after=None if checkpoint in {TRIM_HORIZON, SHARD_END} else checkpoint,
            ended=checkpoint == SHARD_END,
            wanted_by=item.get("wantedBy"),
        )


def _as_start(wire_item: WireItem) -> Start:
    item = from_item(wire_item)
    since = item.get("startedAt")
    return Start(None if since is None else float(since), frozenset(item.get("pastShards", ())))


def _checkpoint(lease: Lease) -> str:
    return SHARD_END if lease.ended else lease.after or TRIM_HORIZON


def _as_last_seen(lease: Lease) -> tuple[str, dict[str, Any]]:
    """The condition under which a write may replace ``lease``, and its values."""
    if lease.counter == 0:
        never_leased = "attribute_not_exists(leaseKey)"
        return never_leased, {}
    same_counter = "leaseCounter = :seen_counter"
    if lease.owner is None:
        still_free = "attribute_not_exists(leaseOwner)"
        return f"{still_free} AND {same_counter}", {":seen_counter": lease.counter}
    same_owner = "leaseOwner = :seen_owner"
    return f"{same_owner} AND {same_counter}", {":seen_owner": lease.owner, ":seen_counter": lease.counter}


class _Refused(Exception):
    """A condition did not hold; ``item`` is what stands there, empty if nothing does."""

    def __init__(self, item: WireItem) -> None:
        super().__init__("the condition of a write did not hold")
        self.item = item


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
            raise
        raise _Refused(dict(error.response.get("Item", {}))) from error
