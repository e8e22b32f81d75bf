"""What `deskhand feedback categories` orders, and what it shows of what came back."""

from typing import Any

import pytest

from cli.categories import discovery_fields, merging, proposal_fields
from cli.errors import UserError


@pytest.mark.parametrize(
    ("one", "into", "kind", "fields"),
    [
        ("3", "4", "categories.merge", {"proposal": 3, "into_proposal": 4}),
        ("3", "Payment", "categories.accept", {"proposal": 3, "name": "Payment"}),
        ("Billing", "Payment", "categories.combine", {"category": "Billing", "into_category": "Payment"}),
    ],
)
def test_a_number_is_a_proposal_and_anything_else_a_category(
    one: str, into: str, kind: str, fields: dict[str, Any]
) -> None:
    assert merging(one, into) == (kind, fields)


def test_a_category_does_not_become_part_of_a_proposal() -> None:
    with pytest.raises(UserError, match="category"):
        merging("Payment", "3")


def test_a_proposal_shows_its_share_its_likeness_and_its_examples() -> None:
    each = {
        "proposal": 3, "name": "Straps", "description": "Straps that tear.", "rows": 40, "texts": 20, "share": 0.125,
        "extends": "Hardware failures", "near": 4, "part_of": 2, "parts": [12, 8],
        "examples": [{"id": "r-1", "text": "The strap broke."}],
    }  # fmt: skip
    shown = dict(proposal_fields(each))

    assert shown["rows"] == "40 (12.5% of the unknown), 20 different texts"
    assert "Hardware failures" in str(shown["looks like"])
    assert str(shown["near"]).startswith("proposal 4")
    assert "proposal 2" in str(shown["part of"])
    assert "12 and 8 texts" in str(shown["holds"])
    assert shown["example"] == "r-1: The strap broke."


def test_what_discovery_cost_is_shown_beside_what_was_quoted_and_unpriced_calls_are_no_zero() -> None:
    summary = {
        "row_count": 40, "texts": 20, "placed": 18, "waiting": 0, "usd": 0.000123, "calls": 21, "input_tokens": 300,
        "unpriced_calls": 2, "labels_changed": 18, "labels_under_way": 0,
        "latest_pass": {"quoted_usd": 0.00013, "usd": 0.000123},
    }  # fmt: skip
    shown = dict(discovery_fields(summary))

    assert shown["latest look"] == "quoted $0.000130, cost $0.000123"
    assert shown["without a price"] == "2 calls"
