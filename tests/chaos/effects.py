"""What a handled message changes: its id is appended to its lane, once, by whoever holds its claim at that moment."""

from typing import Any, Protocol

from botocore.exceptions import ClientError

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.idempotency.port import Claimed, ClaimLost

LANE = "lane#"
EFFECT = "effect#"
"""Prefixes of the two kinds of item in the effect table, by its partition key ``entry``."""


class Effects(Protocol):
    """Where effects go."""

    async def apply(self, claimed: Claimed, *, lane: str, message_id: str) -> None:
        """Append ``message_id`` to ``lane``. Raises ClaimLost if the claim is no longer the caller's."""
        ...


class FencedEffects:
    """Checks the fencing token and that the effect is new in the transaction that stores it."""

    def __init__(self, client: Client, table: str, claims_table: str) -> None:
        self._client = client
        self._table = table
        self._claims_table = claims_table

    async def apply(self, claimed: Claimed, *, lane: str, message_id: str) -> None:
        with aws_errors():
            try:
                await self._client.transact_write_items(
                    TransactItems=[
                        {"ConditionCheck": self._still_ours(claimed)},
                        {"Put": self._once(message_id)},
                        {"Update": appended(self._table, lane, message_id)},
                    ]
                )
            except ClientError as error:
                ours, new = _refusals(error)
                if not ours:
                    raise ClaimLost(f"{claimed.key} was taken by another") from error
                if new:
                    raise
                # An earlier holder was killed between the effect and the completion of its claim.

    def _still_ours(self, claimed: Claimed) -> dict[str, Any]:
        same_token = "#token = :token"
        not_over = "#state = :claimed"
        return {
            "TableName": self._claims_table,
            "Key": {"idempotencyKey": {"S": claimed.key}},
            "ConditionExpression": f"{same_token} AND {not_over}",
            "ExpressionAttributeNames": {"#token": "token", "#state": "claimState"},
            "ExpressionAttributeValues": {":token": {"N": str(claimed.token)}, ":claimed": {"S": "claimed"}},
        }

    def _once(self, message_id: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": {"entry": {"S": EFFECT + message_id}},
            "ConditionExpression": "attribute_not_exists(entry)",
        }


def appended(table: str, lane: str, message_id: str) -> dict[str, Any]:
    """An update that would show a second effect as a second entry of the list."""
    return {
        "TableName": table,
        "Key": {"entry": {"S": LANE + lane}},
        "UpdateExpression": "SET applied = list_append(if_not_exists(applied, :none), :one)",
        "ExpressionAttributeValues": {":none": {"L": []}, ":one": {"L": [{"S": message_id}]}},
    }


def _refusals(error: ClientError) -> tuple[bool, bool]:
    """Whether the claim was still ours, and whether the effect was new, by which condition failed."""
    reasons = [reason.get("Code") for reason in error.response.get("CancellationReasons", ())]
    if len(reasons) < 2:
        return True, True
    return reasons[0] != "ConditionalCheckFailed", reasons[1] != "ConditionalCheckFailed"
