"""What `deskhand feedback categories` orders, and what it shows of what came back."""

import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.categories import discovery_fields, labelled_rows, merging, proposal_fields
from cli.cloud import Cloud
from cli.errors import UserError
from cli.names import Names


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


class Bucket:
    """The S3 client over documents that the tagger left."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._documents = documents

    def get_paginator(self, _: str) -> "Bucket":
        return self

    def paginate(self, *, Prefix: str, **_: Any) -> list[dict[str, Any]]:  # noqa: N803  the SDK's name
        keys = [key for key in self._documents if key.startswith(Prefix)]
        return [{"Contents": [{"Key": key, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)} for key in keys]}]

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803  the SDK's name
        return {"Body": io.BytesIO(json.dumps(self._documents[Key]).encode())}


def test_answers_of_other_tasks_are_no_categories() -> None:
    documents = {
        "runs/run-1.json": {"task": "categorise", "by_label": {"Payment": 2}},
        "runs/run-2.json": {"task": "sentiment", "by_label": {"positive": 3}},
    }
    cloud = Cloud(names=Names(name="desk", account="1", region="us-east-1"), session=None, environment=None)
    cloud._clients["s3"] = Bucket(documents)

    assert labelled_rows(cloud) == {"Payment": 2}
