"""What a model costs: every way of naming it, every tier, and files that cannot be used."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from shared.model.port import Usage
from shared.model.prices import FILE, PRICES, BadPrices, ModelPrice, Prices

MICRO = "amazon.nova-micro-v1:0"
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


def a_price(model_id: str) -> ModelPrice:
    price = PRICES.of(model_id)
    assert price is not None
    return price


@pytest.mark.parametrize(
    "name",
    [
        MICRO,
        f"us.{MICRO}",
        f"eu.{MICRO}",
        f"arn:aws:bedrock:us-east-1::foundation-model/{MICRO}",
        f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{MICRO}",
    ],
)
def test_a_model_is_found_under_every_name_it_is_invoked_by(name: str) -> None:
    assert a_price(name).model_id == MICRO
    assert a_price(name).input == Decimal("0.035")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nova",
        "xx.amazon.nova-micro-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
    ],
)
def test_a_name_that_is_not_in_the_file_has_no_price(name: str) -> None:
    assert PRICES.of(name) is None


def test_a_geographic_profile_costs_what_the_file_says_more() -> None:
    assert a_price(f"us.{HAIKU}").input == Decimal("1.1")
    assert a_price(f"us.{HAIKU}").output == Decimal("5.5")
    assert a_price(f"us.{HAIKU}").cache_read == Decimal("0.11")
    assert a_price(f"global.{HAIKU}").input == Decimal(1)


def test_each_reach_has_quota_codes_of_its_own() -> None:
    codes = {a_price(f"{reach}.{HAIKU}").quota_codes.tokens_per_minute for reach in ("us", "global")}
    assert len(codes) == 2
    assert None not in codes
    assert a_price(HAIKU).quota_codes.tokens_per_minute is None


def test_a_bill_counts_every_kind_of_token_and_is_rounded_up() -> None:
    usage = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=2000, cache_write_tokens=400)
    # 1000 x $1 + 100 x $5 + 2000 x $0.10 + 400 x $1.25, per million, is $0.0022.
    assert a_price(f"global.{HAIKU}").nano_usd(usage) == 2_200_000
    one = Usage(input_tokens=1, output_tokens=0)
    assert a_price(MICRO).nano_usd(one) == 35
    assert a_price(MICRO).nano_usd(Usage(input_tokens=0, output_tokens=0, cache_read_tokens=1)) == 9


def test_tiers_cost_a_multiple_and_an_unknown_one_costs_the_default() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    pro = a_price("amazon.nova-pro-v1:0")
    assert pro.nano_usd(usage) == 800_000_000
    assert pro.nano_usd(usage, "flex") == 400_000_000
    assert pro.nano_usd(usage, batch=True) == 400_000_000
    assert a_price(MICRO).nano_usd(usage, "flex") == a_price(MICRO).nano_usd(usage)


def test_output_burns_the_quota_at_the_model_s_rate_and_cached_tokens_are_free_of_it() -> None:
    usage = Usage(input_tokens=100, output_tokens=10, cache_read_tokens=5000, cache_write_tokens=7)
    assert a_price(HAIKU).quota_tokens(usage) == 157
    assert a_price(MICRO).quota_tokens(usage) == 117


def test_a_model_ends_on_its_day() -> None:
    sonnet = a_price("anthropic.claude-3-sonnet-20240229-v1:0")
    assert not sonnet.ended(date(2025, 7, 20))
    assert sonnet.ended(date(2025, 7, 21))
    assert not a_price(MICRO).ended(date(2999, 1, 1))


def test_every_line_of_the_file_names_a_known_source_and_says_what_was_not_checked() -> None:
    assert PRICES.as_of >= date(2026, 11, 22)
    for price in PRICES.models:
        assert price.source.startswith("https://")
        assert price.checked or price.note
        assert price.output >= price.input or price.output == 0


def test_another_file_may_be_named(tmp_path: Path) -> None:
    content = json.loads(FILE.read_text())
    content["models"] = {"arn:aws:bedrock:eu-west-1:1:application-inference-profile/x": content["models"][MICRO]}
    (tmp_path / "prices.json").write_text(json.dumps(content))
    prices = Prices.load(tmp_path / "prices.json")
    assert prices.of("arn:aws:bedrock:eu-west-1:1:application-inference-profile/x") is not None
    assert prices.of(MICRO) is None


@pytest.mark.parametrize(
    "change",
    [{"input": "-1"}, {"input": "free"}, {"output_burndown": 0}, {"output": None}, {"end_of_life": "soon"}],
)
def test_a_file_that_cannot_be_used_says_which_model_is_wrong(tmp_path: Path, change: dict[str, object]) -> None:
    content = json.loads(FILE.read_text())
    content["models"][MICRO] |= change
    (tmp_path / "prices.json").write_text(json.dumps(content))
    with pytest.raises(BadPrices, match="nova-micro"):
        Prices.load(tmp_path / "prices.json")


def test_a_file_that_is_not_there_or_no_json_says_so(tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{")
    for path in (tmp_path / "no.json", tmp_path / "missing.json"):
        with pytest.raises(BadPrices, match=path.name):
            Prices.load(path)
