"""Items survive the way to DynamoDB's typed values and back."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.aws.items import from_item, to_item

numbers = st.integers(-(10**37), 10**37).map(Decimal) | st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=6
)
scalars = st.none() | st.booleans() | st.text() | numbers | st.binary()
sets = st.sets(st.text(), min_size=1) | st.sets(numbers, min_size=1) | st.sets(st.binary(), min_size=1)
values = st.recursive(scalars | sets, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(min_size=1), values))
def test_every_kind_of_value_comes_back_as_it_went(item: dict[str, Any]) -> None:
    assert from_item(to_item(item)) == item


def test_binary_values_come_back_as_plain_bytes_at_every_depth() -> None:
    back = from_item(to_item({"a": b"1", "b": [b"2"], "c": {"d": b"3"}, "e": {b"4"}}))
    assert [type(inner) for inner in (back["a"], back["b"][0], back["c"]["d"], *back["e"])] == [bytes] * 4


def test_a_whole_number_needs_no_decimal() -> None:
    assert to_item({"count": 3}) == {"count": {"N": "3"}}


@pytest.mark.parametrize("unfit", [1.5, object(), {"deep": [2.5]}])
def test_what_has_no_dynamodb_type_is_refused(unfit: object) -> None:
    with pytest.raises(TypeError):
        to_item({"value": unfit})
