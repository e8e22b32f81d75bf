"""DynamoDB in memory answers as DynamoDB over HTTP does, for every kind of expression that the stores write."""

import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.emulator import Emulator
from shared.aws.clients import Client, aws_session, open_client
from shared.aws.items import from_item, to_item
from tests.support.cloud import AwsClients
from tests.support.memory_dynamodb import MemoryDynamoDb

KEY = {"pk": "1", "sk": "a"}
ROW = {**KEY, "text": "old", "number": 7, "gone": None}


@dataclass(frozen=True, slots=True)
class Both:
    """One request for each of the two; ``table`` has the same name in both."""

    memory: MemoryDynamoDb
    over_http: Client
    table: str

    async def ask(self, operation: str, **request: Any) -> tuple[Any, Any]:
        return await _answer(self.memory, operation, request), await _answer(self.over_http, operation, request)

    async def agree(self, operation: str, **request: Any) -> Any:
        ours, theirs = await self.ask(operation, **request)
        assert ours == theirs
        return ours


async def _answer(client: Any, operation: str, request: Mapping[str, Any]) -> Any:
    """What came back, less what no store reads."""
    try:
        answer = await getattr(client, operation)(**request)
    except ClientError as error:
        reasons = [reason["Code"] for reason in error.response.get("CancellationReasons", [])]
        return error.response["Error"]["Code"], reasons
    rows = [from_item(item) for item in answer.get("Items", [])]
    return rows or (from_item(answer["Item"]) if "Item" in answer else None)


@pytest.fixture(scope="module")
def table(emulator: Emulator) -> str:
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture
async def both(table: str, aws: AwsClients) -> AsyncIterator[Both]:
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in KEY]
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    dynamodb = aws("dynamodb")
    dynamodb.create_table(
        TableName=table, AttributeDefinitions=attributes, KeySchema=schema, BillingMode="PAY_PER_REQUEST"
    )
    async with open_client(aws_session(), "dynamodb") as over_http:
        both = Both(MemoryDynamoDb({table: tuple(KEY)}), over_http, table)
        for row in (ROW, {"pk": "1", "sk": "ab", "number": 1}, {"pk": "1", "sk": "b"}, {"pk": "2", "sk": "a"}):
            await both.agree("put_item", TableName=table, Item=to_item(row))
        yield both
    dynamodb.delete_table(TableName=table)


CONDITIONS: Mapping[str, tuple[str, Mapping[str, str], Mapping[str, Any]]] = {
    "there": ("attribute_exists(#t)", {"#t": "text"}, {}),
    "not there": ("attribute_not_exists(#n)", {"#n": "nothing"}, {}),
    "not there, but it is": ("attribute_not_exists(pk)", {}, {}),
    "a null is there": ("attribute_exists(#g)", {"#g": "gone"}, {}),
    "equal": ("#t = :t", {"#t": "text"}, {":t": "old"}),
    "not equal": ("#t = :t", {"#t": "text"}, {":t": "new"}),
    "of another type": ("#n = :n", {"#n": "number"}, {":n": "7"}),
    "missing is not equal": ("#x = :x", {"#x": "nothing"}, {":x": "old"}),
    "missing differs": ("#x <> :x", {"#x": "nothing"}, {":x": "old"}),
    "less": ("#n < :n", {"#n": "number"}, {":n": 8}),
    "not less": ("#n < :n", {"#n": "number"}, {":n": 7}),
    "at least": ("#n >= :n", {"#n": "number"}, {":n": 7}),
    "numbers are no texts": ("#n < :n", {"#n": "number"}, {":n": 10}),
    "begins": ("begins_with(#t, :t)", {"#t": "text"}, {":t": "ol"}),
    "and before or": ("#t = :no AND #t = :no OR #t = :yes", {"#t": "text"}, {":no": "new", ":yes": "old"}),
    "in brackets": ("#t = :no AND (#t = :no OR #t = :yes)", {"#t": "text"}, {":no": "new", ":yes": "old"}),
    "not": ("NOT #t = :no", {"#t": "text"}, {":no": "new"}),
}


def conditioned(name: str) -> dict[str, Any]:
    expression, names, values = CONDITIONS[name]
    request: dict[str, Any] = {"ConditionExpression": expression}
    if names:
        request["ExpressionAttributeNames"] = dict(names)
    if values:
        request["ExpressionAttributeValues"] = to_item(values)
    return request


async def test_conditions_hold_and_fail_alike(both: Both) -> None:
    for name in CONDITIONS:
        request = {"TableName": both.table, **conditioned(name)}
        await both.agree("put_item", Item=to_item(ROW), **request)
        check = {"ConditionCheck": {"Key": to_item(KEY), **request}}
        other = {"Put": {"TableName": both.table, "Item": to_item({"pk": "9", "sk": name})}}
        await both.agree("transact_write_items", TransactItems=[other, check])
        await both.agree("get_item", TableName=both.table, Key=to_item({"pk": "9", "sk": name}), ConsistentRead=True)


async def test_a_transaction_that_fails_in_one_part_says_which_and_writes_nothing(both: Both) -> None:
    new = {"Put": {"TableName": both.table, "Item": to_item({"pk": "3", "sk": "x"})}}
    taken = {"Put": {"TableName": both.table, "Item": to_item(KEY), "ConditionExpression": "attribute_not_exists(pk)"}}
    refused = await both.agree("transact_write_items", TransactItems=[new, taken])
    assert refused == ("TransactionCanceledException", ["None", "ConditionalCheckFailed"])
    assert await both.agree("get_item", TableName=both.table, Key=to_item({"pk": "3", "sk": "x"})) is None


async def test_updates_set_and_remove_alike_and_make_what_is_not_there(both: Both) -> None:
    names = {"#a": "text", "#b": "added", "#c": "number"}
    request = {
        "UpdateExpression": "SET #a = :a, #b = :b REMOVE #c",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_item({":a": "new", ":b": ["x"]}),
    }
    for key in (KEY, {"pk": "4", "sk": "new"}):
        await both.agree("update_item", TableName=both.table, Key=to_item(key), **request)
        await both.agree("get_item", TableName=both.table, Key=to_item(key), ConsistentRead=True)


async def test_queries_find_alike_in_the_sort_keys_order(both: Both) -> None:
    request = {
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
        "ExpressionAttributeValues": to_item({":pk": "1", ":sk": "a"}),
    }
    found = await both.agree("query", TableName=both.table, ConsistentRead=True, **request)
    assert [row["sk"] for row in found] == ["a", "ab"]


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(both: Both) -> None:
    for _ in range(2):
        await both.agree("delete_item", TableName=both.table, Key=to_item(KEY))
    assert await both.agree("get_item", TableName=both.table, Key=to_item(KEY)) is None


@pytest.mark.parametrize("expression", ["size(pk) > :n", "#a IN (:n)", "pk = :n,"])
async def test_a_condition_that_it_does_not_know_is_an_error_and_no_guess(expression: str) -> None:
    request = {
        "ConditionExpression": expression,
        "ExpressionAttributeNames": {"#a": "a"},
        "ExpressionAttributeValues": to_item({":n": 1}),
    }
    memory = MemoryDynamoDb({"t": ("pk",)})
    with pytest.raises((NotImplementedError, KeyError)):
        await memory.put_item(TableName="t", Item=to_item({"pk": "1"}), **request)


@pytest.mark.parametrize("expression", ["SET #a = #a + :n", "ADD #a :n", "SET #a = if_not_exists(#a, :n)"])
async def test_an_update_that_it_does_not_know_is_an_error_and_no_guess(expression: str) -> None:
    names, values = {"#a": "a"}, to_item({":n": 1})
    memory = MemoryDynamoDb({"t": ("pk",)})
    with pytest.raises(NotImplementedError):
        await memory.update_item(
            TableName="t",
            Key=to_item({"pk": "1"}),
            UpdateExpression=expression,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
