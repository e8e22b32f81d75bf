"""Claims in a DynamoDB table: one item a key (partition key ``idempotencyKey``, TTL attribute ``expiresAt``)."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.clock import Now, wall_clock
from shared.idempotency.port import Claim, Claimed, ClaimLost, Completed, InProgress

TIDY_AFTER_SECONDS = 24 * 3600
"""An unfinished claim is deleted no sooner: its token must not be forgotten while an ex-holder could still use it."""

NAMES = {
    "#key": "idempotencyKey",
    "#state": "claimState",
    "#token": "token",
    "#until": "claimedUntil",
    "#expires": "expiresAt",
    "#owner": "claimOwner",
    "#attempt": "claimAttempt",
    "#result": "result",
}

# The clauses of the conditions. DynamoDB deletes expired items days late, so whether one is forgotten is asked here.
never_claimed = "attribute_not_exists(#key)"
forgotten = "#expires <= :now_seconds"
ran_out = "(#state = :claimed AND #until <= :now)"
released = "#state = :released"
# The SDK sends a claim again whose answer was lost; it must not find itself locked out by itself.
same_call = "(#state = :claimed AND #attempt = :attempt)"
still_held = "(#token = :token AND #state = :claimed)"
completed_by_us = "(#token = :token AND #state = :completed)"


class DynamoDbIdempotency:
    """Speaks through an aiobotocore ``dynamodb`` client."""

    def __init__(
        self,
        client: Client,
        table: str,
        *,
        now: Now = wall_clock,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._client = client
        self._table = table
        self._now = now
        self._new_id = new_id

    async def claim(self, key: str, *, owner: str, ttl_seconds: float) -> Claim:
        now = self._now()
        until = now + ttl_seconds
        with aws_errors():
            try:
                answer = await self._client.update_item(
                    TableName=self._table,
                    Key={"idempotencyKey": {"S": key}},
                    # The first token is the time in milliseconds, so that tokens still rise after the item of an
                    # earlier holder was tidied away.
                    UpdateExpression="SET #state = :claimed, #until = :until, #expires = :tidy, #owner = :owner, "
                    "#attempt = :attempt, #token = if_not_exists(#token, :first_token) + :one REMOVE #result",
                    ConditionExpression=_any(never_claimed, forgotten, ran_out, released, same_call),
                    ExpressionAttributeNames=NAMES,
                    ExpressionAttributeValues={
                        ":claimed": {"S": "claimed"},
                        ":released": {"S": "released"},
                        ":now": _number(now),
                        ":now_seconds": _number(int(now)),
                        ":until": _number(until),
                        ":tidy": _number(int(until) + TIDY_AFTER_SECONDS),
                        ":owner": {"S": owner},
                        ":attempt": {"S": self._new_id()},
                        ":first_token": _number(int(now * 1000)),
                        ":one": _number(1),
                    },
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if not _is_condition_failure(error):
                    raise
                return _found(error.response["Item"])
        return Claimed(key, int(answer["Attributes"]["token"]["N"]), until)

    async def renew(self, claimed: Claimed, *, ttl_seconds: float) -> Claimed:
        until = self._now() + ttl_seconds
        await self._update_held(
            claimed,
            "SET #until = :until, #expires = :tidy",
            condition=still_held,
            values={":until": _number(until), ":tidy": _number(int(until) + TIDY_AFTER_SECONDS)},
        )
        return replace(claimed, until=until)

    async def complete(self, claimed: Claimed, result: str, *, remember_seconds: float) -> None:
        await self._update_held(
            claimed,
            "SET #state = :completed, #result = :result, #expires = :forget",
            condition=_any(still_held, completed_by_us),
            values={
                ":completed": {"S": "completed"},
                ":result": {"S": result},
                ":forget": _number(int(self._now() + remember_seconds)),
            },
        )

    async def release(self, claimed: Claimed) -> None:
        try:
            await self._update_held(
                claimed,
                "SET #state = :released",
                condition=still_held,
                values={":released": {"S": "released"}},
            )
        except ClaimLost:
            return  # Then it is not ours to release.

    async def _update_held(
        self,
        claimed: Claimed,
        update: str,
        *,
        condition: str,
        values: Mapping[str, Any],
    ) -> None:
        with aws_errors():
            try:
                await self._client.update_item(
                    TableName=self._table,
                    Key={"idempotencyKey": {"S": claimed.key}},
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    # DynamoDB refuses names that no expression uses.
                    ExpressionAttributeNames={
                        name: attribute for name, attribute in NAMES.items() if name in f"{update} {condition}"
                    },
                    ExpressionAttributeValues={
                        ":token": _number(claimed.token),
                        ":claimed": {"S": "claimed"},
                        **values,
                    },
                )
            except ClientError as error:
                if not _is_condition_failure(error):
                    raise
                raise ClaimLost(f"{claimed.key} was taken or completed by another") from error


def _any(*clauses: str) -> str:
    return " OR ".join(clauses)


def _is_condition_failure(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")


def _found(item: Mapping[str, Any]) -> InProgress | Completed:
    if item["claimState"]["S"] == "completed":
        return Completed(item["result"]["S"])
    return InProgress(float(item["claimedUntil"]["N"]))


def _number(value: float) -> dict[str, str]:
    return {"N": repr(value)}
