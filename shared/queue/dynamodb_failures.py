"""Failure counts in the idempotency table: one item a key, tidied a day after the last failure by DynamoDB TTL."""

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.queue.failures import Failures
from shared.queue.settlement import LONGEST_INVISIBILITY_SECONDS

REMEMBERED_SECONDS = 2 * LONGEST_INVISIBILITY_SECONDS
"""A message may be away for 12 hours after a failure; its count must outlive that and the handling after it."""


class DynamoDbFailureCounts:
    """Speaks through an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table

    async def add(self, key: str, *, now: float, counted: bool) -> Failures:
        with aws_errors():
            answer = await self._client.update_item(
                TableName=self._table,
                Key={"idempotencyKey": {"S": key}},
                UpdateExpression="SET #first = if_not_exists(#first, :now), #expires = :expires "
                "ADD #counted :counted, #total :one",
                ExpressionAttributeNames={
                    "#first": "firstFailureAt",
                    "#expires": "expiresAt",
                    "#counted": "countedFailures",
                    "#total": "totalFailures",
                },
                ExpressionAttributeValues={
                    ":now": {"N": repr(now)},
                    ":expires": {"N": str(int(now) + REMEMBERED_SECONDS)},
                    ":counted": {"N": str(int(counted))},
                    ":one": {"N": "1"},
                },
                ReturnValues="ALL_NEW",
            )
        item = answer["Attributes"]
        return Failures(
            counted=int(item["countedFailures"]["N"]),
            total=int(item["totalFailures"]["N"]),
            first_at=float(item["firstFailureAt"]["N"]),
        )
