"""DynamoDB items to plain values and back: ``{"S": "111"}`` is ``"111"``.

Stands on boto3's own (de)serialisers, which any DynamoDB user of Python knows the rules of.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

WireItem: TypeAlias = dict[str, dict[str, Any]]
"""Attribute names to typed values, as the low-level client takes and gives them."""

_serializer = TypeSerializer()
_deserializer = TypeDeserializer()


def to_item(values: Mapping[str, Any]) -> WireItem:
    """Plain values as typed ones: str, int, Decimal, bool, bytes, None, list, dict, non-empty set of one kind.

    Raises TypeError for a float (DynamoDB's numbers are decimal: pass ``Decimal(str(number))``) and for anything else
    that has no DynamoDB type. An empty set passes here and is refused by DynamoDB: leave the attribute out instead.
    """
    return {name: _serializer.serialize(value) for name, value in values.items()}


def from_item(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Typed values as plain ones; numbers come as Decimal, binary values as bytes."""
    return {name: _plain(_deserializer.deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:
    # boto3 wraps binary values in a class of its own, which equals bytes but is none.
    match value:
        case Binary():
            return bytes(value.value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case set():
            return {_plain(inner) for inner in value}
        case _:
            return value
