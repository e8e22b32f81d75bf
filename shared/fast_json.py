"""JSON at the least CPU, where every row or every call passes through it.

What the fast library refuses and the standard one takes (half of a surrogate pair, keys that are no text, the word NaN)
goes through the standard one, and so do failures. Two values differ: a whole number beyond 64 bits is read as a float,
and a float that is no number is written as null.
"""

import json
from collections.abc import Callable
from typing import Any

import orjson


def as_json(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """Raises TypeError and ValueError as json.dumps does. Moments are written as in ISO 8601.

    ``default`` is asked about what is no JSON, dataclasses included: their members may be texts that nobody meant.
    """
    try:
        return orjson.dumps(value, default, orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError:
        return json.dumps(value, default=default).encode()


def as_ascii_json(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """``as_json`` for a terminal or a file of any encoding: what is not ASCII is escaped."""
    text = as_json(value, default).decode()
    return text if text.isascii() else json.dumps(json.loads(text))


def from_json(text: str | bytes) -> Any:
    """Raises ValueError as json.loads does."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
