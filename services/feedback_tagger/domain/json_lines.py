"""JSON Lines: an object a line, each line read alone.

An array is not taken: its end may be gigabytes away, and one comma too many in it would cost every row behind it.
"""

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from services.feedback_tagger.domain.separated import CUT_OFF, RECORD_CHARACTERS

Pairs: TypeAlias = Sequence[tuple[str, Any]]

NOT_LINES = "is JSON and not JSON Lines; write one object a line, as `jq -c '.[]'` does"


class JsonRecord(NamedTuple):
    """The names and values on ``line`` (1 is the first), as often as they stand there, or what is wrong with it."""

    line: int
    pairs: Pairs
    problem: str | None = None


class _Object(list[tuple[str, Any]]):
    """The pairs of an object: a plain list would be taken for an array, and a dictionary keeps one of two names."""


# Numbers stay as they are written: 4.50 stars are no 4.5, and an order number of thirty digits is no float.
_DECODER = json.JSONDecoder(object_pairs_hook=_Object, parse_float=str, parse_int=str, parse_constant=str)


def looks_like_json(beginning: str) -> bool:
    return beginning.lstrip()[:1] in ("{", "[")


def whole_document(beginning: str) -> bool:
    """Whether a file that looks like JSON is an array, or one value over many lines, and so has no row a line."""
    first = beginning.lstrip().splitlines()[0].strip()
    return first.startswith("[") or first == "{"


def json_records_of(
    text: io.TextIOBase, *, breaks_off: bool = False, at_most: int = RECORD_CHARACTERS
) -> Iterator[JsonRecord]:
    """Every line that is not blank, in order, of ``at_most`` characters; of a text that ``breaks_off`` the last one is
    no record."""
    number = 0
    while line := text.readline(at_most):
        number += 1
        if len(line) >= at_most:
            while not line.endswith(("\n", "\r")) and (line := text.readline(at_most)):
                pass
            yield JsonRecord(number, (), f"is longer than {at_most} characters")
        elif breaks_off and not line.endswith(("\n", "\r")):
            yield JsonRecord(number, (), CUT_OFF)
        elif not line.isspace():
            yield _record(number, line)


def _record(number: int, line: str) -> JsonRecord:
    try:
        value = _DECODER.decode(line)
    except json.JSONDecodeError as error:
        return JsonRecord(number, (), f"is not JSON ({error.msg}, character {error.pos + 1})")
    except RecursionError:
        return JsonRecord(number, (), "is nested too deep")
    if not isinstance(value, _Object):
        return JsonRecord(number, (), "is no JSON object; write one object a line")
    return JsonRecord(number, value)


def as_cell(value: Any) -> str | None:
    """A value as the text of a cell, or None for a list or an object, which no cell holds."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None


def as_json(value: Any) -> str:
    """A list or an object as the sender wrote it, but for blanks."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, _Object):
        return {name: _plain(inner) for name, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
