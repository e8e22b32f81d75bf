"""One change of one item, as the stream tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Change: TypeAlias = Literal["INSERT", "MODIFY", "REMOVE"]
Item: TypeAlias = Mapping[str, Any]
"""Attribute names to plain values: str, Decimal, bool, bytes, None, list, dict, set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A stream record of view type NEW_AND_OLD_IMAGES, deserialised.

    ``event_id`` is unique to the change and the same each time it is read. ``sequence_number`` orders records within a
    shard and is compared as an integer. ``created_at`` (seconds since the epoch) is rounded down by the service.
    """

    event_id: str
    change: Change
    shard_id: str
    sequence_number: str
    created_at: float
    keys: Item
    old: Item | None = field(default=None, repr=False)
    new: Item | None = field(default=None, repr=False)
