"""Tokens, dollars and accuracy by the number of rows in a prompt, on one real data set, through the real service.

The model is the local stand-in, told to err as models do with many rows in one prompt. Its tokens are estimates: input
at four bytes each, as the endpoint counts; output at one byte each, because digits and marks are mostly tokens of their
own. Dollars follow from them and the price file. What it shows: how prompts grow and shrink, what is asked again, and
what the agreement check sees and costs. What it cannot show: how often a real model errs; only a run on AWS can.
"""

import asyncio
import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg

from bench.tagger import dataset
from bench.tagger.dataset import Message
from bench.tagger.stage import Play, Stage, WrongRun
from bench.tagger.whole_run import run_file
from local.bedrock import tokens
from local.bedrock_endpoint import BedrockEndpoint, running_bedrock
from services.feedback_tagger.planner.agreement import SHARE
from shared.model.prices import ModelPrice, Prices

BATCHES = (1, 5, 10, 20, 50)
STRONGER = "anthropic.claude-haiku-4-5-20251001-v1:0"
SLIPS = {
    "wrong": 0.02,
    "wrong_per_row": 0.002,
    "copied_from_neighbour": 0.004,
    "dropped": 0.004,
    "renumbered": 0.001,
}
"""Made up, of the size that studies of batched prompts report: 2% wrong alone, 6% in twenties, 12% in fifties."""
OUTPUT_TOKENS_PER_ESTIMATED = tokens.BYTES_PER_TOKEN
# The reference: one row a prompt, 785 fixed characters, ten tokens of answer; its own page assumes 1,000 and 100.
REFERENCE_FIXED_CHARACTERS, REFERENCE_OUTPUT_TOKENS = 785, 10
REFERENCE_MODEL = "anthropic.claude-3-sonnet-20240229-v1:0"
PRINTED = {"input_tokens_per_row": 1000, "output_tokens_per_row": 100}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one run came to: tokens a row, accuracy against the data set's own labels, and second looks."""

    input_tokens: float
    output_tokens: float
    calls: int
    accuracy: float
    checked: int
    agreed: int


def cheapest(prices: Prices) -> ModelPrice:
    """The model that answers a row of twenty-rows prompts for least."""
    answering = [price for price in prices.models if price.output]
    return min(answering, key=lambda price: 30 * price.input + 5 * price.output)


def usd_per_million_rows(price: ModelPrice, input_tokens: float, output_tokens: float) -> float:
    """Prices are for a million tokens, so tokens a row give dollars a million rows."""
    return float(Decimal(str(input_tokens)) * price.input + Decimal(str(output_tokens)) * price.output)


async def measure_cost(stage: Stage, *, most_rows: int | None) -> dict[str, Any]:
    """Every batch size, with the agreement check and without. Raises NoData where the data set cannot be had."""
    found = dataset.messages()[:most_rows]
    prices = Prices.load()
    cheap, strong = cheapest(prices), prices.of(STRONGER)
    assert strong is not None
    by_batch: dict[str, Any] = {}
    alone: Asked | None = None
    with running_bedrock(stage.folder / "cost-bedrock") as bedrock:
        for rows in BATCHES:
            without = await _run(stage, bedrock, found, cheap, rows, erring=True, checked=False)
            alone = alone or without  # the first size is one row
            checked = await _run(stage, bedrock, found, cheap, rows, erring=True, checked=True)
            faultless = await _run(stage, bedrock, found, cheap, rows, erring=False, checked=False)
            by_batch[str(rows)] = {
                **_figures(without, cheap, strong),
                "accuracy_of_a_model_that_does_not_slip": faultless.accuracy,
                "with_agreement_check": _with_check(without, alone, checked, cheap, strong),
            }
            print(f"  {rows:>3} rows a prompt  {by_batch[str(rows)]}", flush=True)
    return {
        "by_batch": by_batch,
        "reference": reference(found, cheap, strong, prices),
        "cost_set_up": {
            "data": f"{dataset.NAME}, {len(found)} rows, {len(dataset.intents(found))} categories",
            "cheapest_model": cheap.model_id,
            "stronger_model": strong.model_id,
            "prices_as_of": prices.as_of.isoformat(),
            "tokens": "estimates: input one for four bytes, output one for a byte",
            "slips": SLIPS,
        },
    }


def _figures(asked: Asked, cheap: ModelPrice, strong: ModelPrice) -> dict[str, Any]:
    input_tokens, output_tokens = asked.input_tokens, asked.output_tokens
    return {
        "input_tokens_per_row": round(input_tokens, 1),
        "output_tokens_per_row": round(output_tokens, 1),
        "usd_per_million": round(usd_per_million_rows(cheap, input_tokens, output_tokens), 2),
        "usd_per_million_stronger": round(usd_per_million_rows(strong, input_tokens, output_tokens), 2),
        "calls": asked.calls,
        "accuracy": asked.accuracy,
    }


def _with_check(without: Asked, alone: Asked, checked: Asked, cheap: ModelPrice, strong: ModelPrice) -> dict[str, Any]:
    """What the check saw in this file, and what it costs where it checks its usual share of a million rows.

    A file of hundreds of rows is checked several times as densely, so its own tokens say nothing about a million.
    """
    share = 0.0 if without is alone else SHARE
    input_tokens = without.input_tokens + share * alone.input_tokens
    output_tokens = without.output_tokens + share * alone.output_tokens
    return {
        "input_tokens_per_row": round(input_tokens, 1),
        "output_tokens_per_row": round(output_tokens, 1),
        "usd_per_million": round(usd_per_million_rows(cheap, input_tokens, output_tokens), 2),
        "usd_per_million_stronger": round(usd_per_million_rows(strong, input_tokens, output_tokens), 2),
        "accuracy": checked.accuracy,
        "rows_checked": checked.checked,
        "rows_agreed": checked.agreed,
        "calls": checked.calls,
    }


def reference(found: Sequence[Message], cheap: ModelPrice, strong: ModelPrice, prices: Prices) -> dict[str, Any]:
    """The reference's prompt around the same rows, and its own page's figures, at the same prices."""
    sizes = [REFERENCE_FIXED_CHARACTERS + len(each.text.encode()) for each in found]
    input_tokens = sum(-(-size // tokens.BYTES_PER_TOKEN) + tokens.PER_MESSAGE for size in sizes) / len(sizes)
    output_tokens = REFERENCE_OUTPUT_TOKENS
    own_model = prices.of(REFERENCE_MODEL)
    assert own_model is not None
    return {
        "input_tokens_per_row": round(input_tokens, 1),
        "output_tokens_per_row": output_tokens,
        "usd_per_million": round(usd_per_million_rows(cheap, input_tokens, output_tokens), 2),
        "usd_per_million_stronger": round(usd_per_million_rows(strong, input_tokens, output_tokens), 2),
        "usd_per_million_its_model": round(usd_per_million_rows(own_model, input_tokens, output_tokens), 2),
        "as_published": {
            **PRINTED,
            "model": REFERENCE_MODEL,
            "usd_per_million": round(usd_per_million_rows(own_model, *map(float, PRINTED.values())), 2),
        },
    }


async def _run(
    stage: Stage,
    bedrock: BedrockEndpoint,
    found: Sequence[Message],
    price: ModelPrice,
    rows_per_prompt: int,
    *,
    erring: bool,
    checked: bool,
) -> Asked:
    await asyncio.to_thread(
        bedrock.control, f"models/{price.model_id}", {"slips": SLIPS if erring else {}, "seed": 7}, method="PUT"
    )
    play = await asyncio.to_thread(stage.play, f"cost-{rows_per_prompt}")
    await _take_categories(play, dataset.intents(found))
    file = stage.folder / "messages.csv"
    await asyncio.to_thread(_write, file, found)
    settings = {
        "FEEDBACK_MODEL_ID": price.model_id,
        "ROWS_PER_PROMPT": str(rows_per_prompt),
        "POOL_WORKERS": "4",
        **({} if checked else {"AGREEMENT_SHARE": "0"}),
    }
    run = await run_file(play, bedrock.url, file, rows=len(found), settings=settings)
    if run.stored != len(found):
        raise WrongRun(f"{play.name}: {run.stored} of {len(found)} rows stored, the run ended {run.status}")
    return await _came_to(play, found)


async def _take_categories(play: Play, names: Sequence[str]) -> None:
    connection = await asyncpg.connect(play.database_url)
    try:
        await connection.execute("update customer_feedback_category set deleted = true")
        await connection.executemany(
            "insert into customer_feedback_category (category_name) values ($1)", [(name,) for name in names]
        )
    finally:
        await connection.close()


def _write(file: Path, found: Sequence[Message]) -> None:
    with file.open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output)
        writer.writerow(("id", "feedback"))
        writer.writerows((number, message.text) for number, message in enumerate(found))


async def _came_to(play: Play, found: Sequence[Message]) -> Asked:
    connection = await asyncpg.connect(play.database_url)
    try:
        labels: Mapping[str, str] = {
            row["ref_id"]: row["label_llm"]
            for row in await connection.fetch("select ref_id, label_llm from customer_feedback")
        }
        spent = await connection.fetchrow(
            "select sum(calls) as calls, sum(input_tokens)::float8 as input, sum(output_tokens)::float8 as output"
            " from feedback_chunk"
        )
        looks = await connection.fetchrow(
            "select coalesce(sum(checked), 0) as checked, coalesce(sum(agreed), 0) as agreed from feedback_agreement"
        )
    finally:
        await connection.close()
    right = sum(labels[str(number)] == message.intent for number, message in enumerate(found))
    return Asked(
        input_tokens=spent["input"] / len(found),
        output_tokens=spent["output"] * OUTPUT_TOKENS_PER_ESTIMATED / len(found),
        calls=spent["calls"],
        accuracy=round(right / len(found), 4),
        checked=looks["checked"],
        agreed=looks["agreed"],
    )
