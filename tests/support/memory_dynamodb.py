"""DynamoDB's low-level client in memory, for tests that run thousands of tickets through the real stores.

It knows the operations and the expressions that the ticket agent's stores use and raises on anything else. What the
stores promise is shown on DynamoDB over HTTP; ``tests/contract/test_memory_dynamodb.py`` shows that this agrees with
it.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

Item = dict[str, dict[str, Any]]
_plain = TypeDeserializer().deserialize
_TOKEN = re.compile(r"\s*([#:]?[A-Za-z_][\w.]*|<>|<=|>=|[=<>(),+-])")


@dataclass(slots=True)
class MemoryDynamoDb:
    """``keys`` are the key attributes by table. ``calls`` counts requests. Values are never changed in place."""

    keys: Mapping[str, Sequence[str]]
    tables: dict[str, dict[tuple[str, ...], Item]] = field(default_factory=dict)
    calls: int = 0

    async def get_item(self, *, TableName: str, Key: Item, **_: Any) -> dict[str, Any]:  # noqa: N803
        await self._turn()
        item = self._table(TableName).get(self._key(TableName, Key))
        return {} if item is None else {"Item": dict(item)}

    async def put_item(self, **request: Any) -> dict[str, Any]:
        await self._turn()
        self._alone({"Put": request})
        return {}

    async def update_item(self, **request: Any) -> dict[str, Any]:
        await self._turn()
        self._alone({"Update": request})
        return {}

    async def delete_item(self, **request: Any) -> dict[str, Any]:
        await self._turn()
        self._alone({"Delete": request})
        return {}

    async def scan(self, *, TableName: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        await self._turn()
        return {"Items": [dict(item) for item in self._table(TableName).values()]}

    async def query(self, **request: Any) -> dict[str, Any]:
        await self._turn()
        table = request["TableName"]
        fits = _Condition(request["KeyConditionExpression"], request)
        found = {key: dict(item) for key, item in self._table(table).items() if fits(item)}
        items = [found[key] for key in sorted(found)]  # by sort key, as DynamoDB does
        return {"Items": items if request.get("ScanIndexForward", True) else items[::-1]}

    async def describe_table(self, *, TableName: str) -> dict[str, Any]:  # noqa: N803
        return {"Table": {"KeySchema": [{"AttributeName": name} for name in self.keys[TableName]]}}

    async def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        await self._turn()
        held = [self._holds(part) for part in TransactItems]
        if not all(held):
            reasons = [{"Code": "None"} if fits else {"Code": "ConditionalCheckFailed"} for fits in held]
            raise _refused("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
        for part in TransactItems:
            self._write(part)
        return {}

    async def _turn(self) -> None:
        """Let others run: a call that never waits would hide what runs at the same time."""
        self.calls += 1
        await asyncio.sleep(0)

    def _alone(self, part: Mapping[str, Any]) -> None:
        if not self._holds(part):
            raise _refused("ConditionalCheckFailedException", "Write")
        self._write(part)

    def _holds(self, part: Mapping[str, Any]) -> bool:
        ((_, request),) = part.items()
        item = self._table(request["TableName"]).get(self._key_of(request), {})
        expression = request.get("ConditionExpression")
        return expression is None or _Condition(expression, request)(item)

    def _write(self, part: Mapping[str, Any]) -> None:
        ((kind, request),) = part.items()
        table, key = self._table(request["TableName"]), self._key_of(request)
        match kind:
            case "Put":
                table[key] = dict(request["Item"])
            case "Delete":
                table.pop(key, None)
            case "Update":
                table[key] = _updated(table.get(key, {**request["Key"]}), request)
            case "ConditionCheck":
                pass
            case _:
                raise NotImplementedError(kind)

    def _key_of(self, request: Mapping[str, Any]) -> tuple[str, ...]:
        return self._key(request["TableName"], request.get("Key") or request["Item"])

    def _key(self, table: str, item: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
        return tuple(item[name]["S"] for name in self.keys[table])

    def _table(self, name: str) -> dict[tuple[str, ...], Item]:
        if name not in self.keys:
            raise _refused("ResourceNotFoundException", name)
        return self.tables.setdefault(name, {})


class _Condition:
    """A condition expression, read by recursive descent: OR over AND over terms."""

    def __init__(self, expression: str, request: Mapping[str, Any]) -> None:
        self._names = request.get("ExpressionAttributeNames", {})
        self._values = request.get("ExpressionAttributeValues", {})
        self._tokens = list(tokens(expression))
        self._test = self._either()
        if self._tokens:
            raise NotImplementedError(f"{expression}: {self._tokens}")

    def __call__(self, item: Item) -> bool:
        return self._test(item)

    def _either(self) -> Callable[[Item], bool]:
        options = [self._both()]
        while self._takes("OR"):
            options.append(self._both())
        return lambda item: any(option(item) for option in options)

    def _both(self) -> Callable[[Item], bool]:
        parts = [self._one()]
        while self._takes("AND"):
            parts.append(self._one())
        return lambda item: all(part(item) for part in parts)

    def _one(self) -> Callable[[Item], bool]:
        if self._takes("NOT"):
            inner = self._one()
            return lambda item: not inner(item)
        if self._takes("("):
            inside = self._either()
            self._needs(")")
            return inside
        word = self._tokens.pop(0)
        return self._function(word) if self._takes("(") else self._comparison(word)

    def _function(self, name: str) -> Callable[[Item], bool]:
        path = self._name(self._tokens.pop(0))
        if name in ("attribute_exists", "attribute_not_exists"):
            self._needs(")")
            return lambda item: (path in item) is (name == "attribute_exists")
        if name != "begins_with":
            raise NotImplementedError(name)
        self._needs(",")
        prefix = _plain(self._values[self._tokens.pop(0)])
        self._needs(")")
        return lambda item: path in item and str(_plain(item[path])).startswith(prefix)

    def _comparison(self, left: str) -> Callable[[Item], bool]:
        path, sign, right = self._name(left), self._tokens.pop(0), self._values[self._tokens.pop(0)]

        def test(item: Item) -> bool:
            # A missing attribute, or one of another type, compares as false with anything (and as true with <>).
            if path not in item or item[path].keys() != right.keys():
                return sign == "<>"
            one, other = _plain(item[path]), _plain(right)
            return bool(_SIGNS[sign](one, other))

        return test

    def _name(self, token: str) -> str:
        return str(self._names[token]) if token.startswith("#") else token

    def _takes(self, token: str) -> bool:
        if self._tokens and self._tokens[0].upper() == token:
            self._tokens.pop(0)
            return True
        return False

    def _needs(self, token: str) -> None:
        if not self._takes(token):
            raise NotImplementedError(f"{token} is missing before {self._tokens}")


_SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, other: one == other,
    "<>": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


def tokens(expression: str) -> Iterator[str]:
    place = 0
    text = expression.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NotImplementedError(text[place:])
        yield match[1]
        place = match.end()


def _updated(item: Item, request: Mapping[str, Any]) -> Item:
    """``SET #a = :a, #b = :b REMOVE #c``: what the stores write."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    after, words, mode = dict(item), list(tokens(request["UpdateExpression"])), ""
    while words:
        word = words.pop(0)
        if word.upper() in ("SET", "REMOVE"):
            mode = word.upper()
        elif word == ",":
            continue
        elif mode == "REMOVE":
            after.pop(str(names.get(word, word)), None)
        else:
            if (
                not words
                or words.pop(0) != "="
                or not words[0].startswith(":")
                or words[1:2] not in ([], [","], ["REMOVE"])
            ):
                raise NotImplementedError(request["UpdateExpression"])
            after[str(names.get(word, word))] = values[words.pop(0)]
    return after


def _refused(code: str, operation: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": operation}, **more}, operation)
