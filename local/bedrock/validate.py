"""Whether a value fits a botocore shape: the same walk judges requests and, in tests, replies.

Messages follow the wording of AWS services ("N validation errors detected: Value at 'path' failed to satisfy
constraint: ..."), with list positions from one and ``member`` between, as they have it.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from botocore.model import Shape

from local.bedrock.errors import invalid

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "blob": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (str, int, float),
}
MOST_PROBLEMS = 10


def require(value: Any, shape: Shape) -> None:
    """Raise ValidationException if ``value`` does not fit."""
    found = list(problems(value, shape))
    if found:
        count = len(found)
        shown = "; ".join(found[:MOST_PROBLEMS])
        raise invalid(f"{count} validation error{'s' if count > 1 else ''} detected: {shown}")


def problems(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """Every reason why ``value``, as parsed from JSON, is not of ``shape``."""
    if getattr(shape, "is_document_type", False):
        return
    kind: str = shape.type_name
    fits = isinstance(value, JSON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    if not fits:
        yield _failed(path, f"Member must be of type {kind}")
    elif kind == "structure":
        yield from _structure_problems(value, shape, path)
    elif kind == "list":
        yield from _bound_problems(len(value), shape, path, "length")
        for position, item in enumerate(value, start=1):
            yield from problems(item, shape.member, _join(path, f"{position}.member"))
    elif kind == "map":
        yield from _bound_problems(len(value), shape, path, "length")
        for key, item in value.items():
            yield from problems(key, shape.key, _join(path, "key"))
            yield from problems(item, shape.value, _join(path, f"{key}.member"))
    else:
        yield from _scalar_problems(value, shape, path)


def _structure_problems(value: Mapping[str, Any], shape: Shape, path: str) -> Iterator[str]:
    # A JSON null is an absent member in REST-JSON.
    given = {name: item for name, item in value.items() if item is not None}
    names = _wire_names(shape)
    for name in given.keys() - names.keys():
        yield _failed(_join(path, name), f"Member is unknown, must be one of: {', '.join(sorted(names))}")
    for name, member_name in names.items():
        if name in given:
            yield from problems(given[name], shape.members[member_name], _join(path, name))
        elif member_name in shape.required_members:
            yield _failed(_join(path, name), "Member must not be null")
    if shape.metadata.get("union") or getattr(shape, "is_tagged_union", False):
        known = [name for name in given if name in names]
        if len(known) != 1:
            yield _failed(path, f"Exactly one member must be set, of: {', '.join(sorted(names))}")


def _scalar_problems(value: Any, shape: Shape, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "blob":
        try:
            size = len(base64.b64decode(value, validate=True))
        except binascii.Error:
            yield _failed(path, "Member must be base64")
        else:
            yield from _bound_problems(size, shape, path, "length")
    elif kind == "string":
        yield from _bound_problems(len(value), shape, path, "length")
        choices = shape.metadata.get("enum")
        if choices and value not in choices:
            yield _failed(path, f"Member must satisfy enum value set: [{', '.join(choices)}]", value)
        pattern = _compiled(shape.metadata.get("pattern"))
        if pattern and not pattern.fullmatch(value):
            yield _failed(path, f"Member must satisfy regular expression pattern: {pattern.pattern}", value)
    elif kind in ("integer", "long", "float", "double"):
        yield from _bound_problems(value, shape, path, "value")


def _bound_problems(size: float, shape: Shape, path: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _failed(path, f"Member must have {what} greater than or equal to {low}", size)
    if high is not None and size > high:
        yield _failed(path, f"Member must have {what} less than or equal to {high}", size)


def _wire_names(shape: Shape) -> dict[str, str]:
    return {member.serialization.get("name", name): name for name, member in shape.members.items()}


@cache
def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error:
        return None  # Java's regular expressions know classes (\P{C}) that Python's do not


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _failed(path: str, constraint: str, value: object = None) -> str:
    shown = "Value" if value is None else f"Value '{str(value)[:100]}'"
    return f"{shown} at '{path}' failed to satisfy constraint: {constraint}"
