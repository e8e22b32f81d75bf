"""A day's spending in DynamoDB: one item an account and day, in the table of idempotency keys.

The item holds the count and, by id, every reservation that is not settled. An update of one item is atomic, and the id
tells a repeat of our own from a second call: the SDK sends an update again whose answer was lost, and a count that is
only added to would then be wrong for the rest of the day.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item
from shared.model.spend import Reservation, day_of

KEPT_SECONDS = 8 * 24 * 3600
"""How long after its first second a day's count stays, so that last week's spending can still be looked up."""

# The clauses of the conditions.
not_reserved_before = "attribute_not_exists(#reservation)"
nothing_counted = "attribute_not_exists(#tokens)"
there_is_room = "#tokens <= :room"
not_settled = "attribute_exists(#reservation)"


class DynamoDbSpend:
    """The Spend port. ``client`` is an aiobotocore ``dynamodb`` client; ``table`` has the partition key
    ``idempotencyKey`` and the TTL attribute ``expiresAt``."""

    def __init__(self, client: Client, table: str, *, new_id: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._client = client
        self._table = table
        self._new_id = new_id

    async def reserve(
        self, account: str, tokens: int, *, limit: int, at: float, reservation_id: str | None = None
    ) -> Reservation | None:
        if tokens > limit:
            return None
        name = self._new_id() if reservation_id is None else reservation_id
        reservation = Reservation(account=account, day=day_of(at), reservation_id=name, tokens=tokens)
        try:
            await self._update(
                reservation,
                "SET #reservation = :tokens, #expires = :expires ADD #tokens :tokens",
                f"{not_reserved_before} AND ({nothing_counted} OR {there_is_room})",
                {":tokens": tokens, ":expires": _expires(reservation.day), ":room": limit - tokens},
            )
        except _Refused as refused:
            return reservation if _attribute(reservation) in refused.item else None
        return reservation

    async def settle(self, reservation: Reservation, used: int) -> None:
        try:
            await self._update(
                reservation,
                "REMOVE #reservation ADD #tokens :more",
                not_settled,
                {":more": used - reservation.tokens},
            )
        except _Refused:
            return  # Settled before, by a call whose answer was lost.

    async def counted(self, account: str, *, at: float) -> int:
        key = to_item({"idempotencyKey": _key(account, day_of(at))})
        with aws_errors():
            answer = await self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return int(from_item(answer["Item"])["tokens"]) if "Item" in answer else 0

    async def _update(self, reservation: Reservation, update: str, condition: str, values: dict[str, int]) -> None:
        names = {"#reservation": _attribute(reservation), "#tokens": "tokens", "#expires": "expiresAt"}
        with aws_errors():
            try:
                await self._client.update_item(
                    TableName=self._table,
                    Key=to_item({"idempotencyKey": _key(reservation.account, reservation.day)}),
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    # DynamoDB refuses names that no expression uses.
                    ExpressionAttributeNames={
                        name: given for name, given in names.items() if name in f"{update} {condition}"
                    },
                    ExpressionAttributeValues=to_item(values),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                    raise
                raise _Refused(error.response.get("Item", {})) from None


class _Refused(Exception):
    """The condition did not hold; ``item`` is what the table has."""

    def __init__(self, item: dict[str, Any]) -> None:
        super().__init__("the condition did not hold")
        self.item = item


def _key(account: str, day: str) -> str:
    return f"spend#{account}#{day}"


def _attribute(reservation: Reservation) -> str:
    return f"reserved#{reservation.reservation_id}"


def _expires(day: str) -> int:
    return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) + KEPT_SECONDS
