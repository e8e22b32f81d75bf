"""JSON at the least CPU, where every row or every call passes through it.

What the fast library refuses and the standard one takes (half of a surrogate pair, keys that are no text, the word NaN)
goes through the standard one, and so do failures. Two values differ: a whole number beyond 64 bits is read as a float,
and a float that is no number is written as null.
"""

import json
from typing import Any

import orjson


def as_json(value: Any) -> bytes:
    """Raises TypeError and ValueError as json.dumps does. Moments are written as in ISO 8601."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


def from_json(text: str | bytes) -> Any:
    """Raises ValueError as json.loads does."""
    try:
        return orjson.loads(text)
    except ValueError:
        return json.loads(text)
