"""One DynamoDB transaction of named parts, so that a refusal says which part failed.

Source: DynamoDB API reference, "TransactWriteItems", for the cancellation reasons and their order.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from shared import tracing
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import to_item
from shared.backoff import Backoff, Uniform
from shared.errors import PermanentError, TransientError

CONFLICT_TRIES = 5
CONFLICT_BACKOFF = Backoff(base=0.02, cap=0.5)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition expression with its names (``#n``) and plain values (``:v``)."""

    expression: str
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def both(one: Condition, other: Condition) -> Condition:
    """Their names and values must be the same where they are called the same."""
    return Condition(
        f"({one.expression}) AND ({other.expression})",
        {**one.names, **other.names},
        {**one.values, **other.values},
    )


@dataclass(frozen=True, slots=True)
class Part:
    """``name`` is what ConditionsFailed tells; ``request`` is one element of TransactItems."""

    name: str
    request: Mapping[str, Any] = field(repr=False)


class ConditionsFailed(Exception):
    """Nothing was written; ``parts`` names those whose condition did not hold."""

    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__(", ".join(parts))
        self.parts = frozenset(parts)


def put_once(name: str, table: str, item: Mapping[str, Any], *, key: str) -> Part:
    """Put ``item`` where none with its key is; ``key`` is an attribute of the key."""
    request = {
        "TableName": table,
        "Item": to_item(item),
        "ConditionExpression": "attribute_not_exists(#key)",
        "ExpressionAttributeNames": {"#key": key},
    }
    return Part(name, {"Put": request})


def check(name: str, table: str, key: Mapping[str, str], condition: Condition) -> Part:
    return Part(name, {"ConditionCheck": {"TableName": table, "Key": to_item(key), **expression_of(condition)}})


def update(name: str, table: str, key: Mapping[str, str], values: Mapping[str, Any], *, when: Condition) -> Part:
    """Set ``values`` on the item of ``key`` when the condition holds."""
    return Part(name, {"Update": update_request(table, key, values, when=when)})


def update_request(table: str, key: Mapping[str, str], values: Mapping[str, Any], *, when: Condition) -> dict[str, Any]:
    names = {f"#set{index}": attribute for index, attribute in enumerate(values)}
    assignments = ", ".join(f"{name} = :set{index}" for index, name in enumerate(names))
    given = {f":set{index}": value for index, value in enumerate(values.values())}
    condition = expression_of(Condition(when.expression, {**names, **when.names}, {**given, **when.values}))
    return {
        "TableName": table,
        "Key": to_item(key),
        "UpdateExpression": f"SET {assignments}",
        **condition,
    }


def expression_of(condition: Condition) -> dict[str, Any]:
    request: dict[str, Any] = {"ConditionExpression": condition.expression}
    if condition.names:
        request["ExpressionAttributeNames"] = dict(condition.names)
    if condition.values:
        request["ExpressionAttributeValues"] = to_item(condition.values)
    return request


async def commit(client: Client, parts: Sequence[Part], *, uniform: Uniform = random.uniform) -> None:
    """Write all parts or none. Raises ConditionsFailed, TransientError, PermanentError.

    A conflict with another transaction on the same items is nobody's fault and tried again here: the SDK does not.
    """
    for attempt in range(CONFLICT_TRIES):
        try:
            with tracing.transaction("aws.dynamodb", "TransactWriteItems", writes=len(parts)) as step:
                refused = await _refused(client, parts)
                if refused is not None:
                    step.note({"deskhand.conditions_failed": sorted(refused.parts)})
        except _Conflict as conflict:
            if attempt == CONFLICT_TRIES - 1:
                raise TransientError(f"TransactWriteItems: {conflict}") from None
            await asyncio.sleep(CONFLICT_BACKOFF.delay(attempt, uniform))
        else:
            if refused is not None:
                raise refused
            return


async def _refused(client: Client, parts: Sequence[Part]) -> ConditionsFailed | None:
    """An answer like any other: most of them mean that something was done before."""
    try:
        with aws_errors():
            await _write(client, parts)
    except ConditionsFailed as refused:
        return refused
    return None


class _Conflict(Exception):
    pass


async def _write(client: Client, parts: Sequence[Part]) -> None:
    try:
        await client.transact_write_items(TransactItems=[dict(part.request) for part in parts])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "TransactionCanceledException":
            raise
        raise _cancelled(parts, error) from error


def _cancelled(parts: Sequence[Part], error: ClientError) -> Exception:
    reasons = [str(reason.get("Code")) for reason in error.response.get("CancellationReasons", [])]
    failed = [part.name for part, code in zip(parts, reasons, strict=False) if code == "ConditionalCheckFailed"]
    if failed:
        return ConditionsFailed(failed)
    if "ValidationError" in reasons:
        return PermanentError(f"TransactWriteItems: {error}")
    return _Conflict(", ".join(reasons))
