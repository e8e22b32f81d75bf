"""What is fast is the standard library's JSON, but for the two values that its docstring names."""

import json
import math
from typing import Any

import pytest

from shared.fast_json import as_json, from_json

HALF_A_PAIR = "a \ud83d b"


@pytest.mark.parametrize(
    "value",
    [
        HALF_A_PAIR,
        {1: "a", None: "b"},
        {HALF_A_PAIR: 1},
        2**70,
        -(2**63),
        (1, "ü\ufffe\x00\u2028"),
        0.1,
        -0.0,
        1e300,
        {},
    ],
)
def test_what_is_written_is_what_the_standard_library_reads(value: Any) -> None:
    assert json.loads(as_json(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "text",
    [
        '"\\ud83d"',
        '{"a":1,"a":2}',
        "NaN",
        "1e400",
        "-0",
        "18446744073709551615",
        "0.1",
        "[]",
        '"\\u0000"',
        b'"\xc3\xbc"',
    ],
)
def test_what_is_read_is_what_the_standard_library_reads(text: str | bytes) -> None:
    assert repr(from_json(text)) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["", "[1,]", "\ufeff{}", '"\x01"', b"\xff\xff\xff", "{'a': 1}"])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  its children are the standard library's own
        from_json(text)


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, object()])
def test_what_json_cannot_say_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        as_json(value)


def test_two_values_differ() -> None:
    assert from_json(str(2**70)) == float(2**70)
    assert as_json([math.nan, math.inf]) == b"[null,null]"
