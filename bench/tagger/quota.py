"""What becomes of a token quota that is ten times too small: ours beside botocore's adaptive mode and LiteLLM's Router.

Real minutes, no shortened ones: a limiter that knows minutes would otherwise be judged by a clock that is none. Under
each quota the three clients run at the same time, each on a model id of its own, so that none takes from another's.

useful      tokens of first answers that were stored in the measured minutes, over the tokens the quota offered in them
throttled   refused calls over all calls in them

The first minute is not measured: every client starts into full quotas and with nothing learned.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.tagger.rows import chunk_bodies
from bench.tagger.stage import CHUNKS, Play, Stage, WrongRun
from bench.tagger.throughput import NO_SECOND_LOOKS, open_run, prompt_parts
from local.bedrock_endpoint import BedrockEndpoint, running_bedrock

MODEL = "amazon.nova-lite-v1:0"
TOKENS_PER_MINUTE = 200_000
ROWS_PER_PROMPT = 20
LATENCY_MS = 500
IN_FLIGHT = 16
"""At half a second a call, 16 calls in flight ask for some 2,000,000 tokens a minute."""
CALLS_PER_MINUTE = 1_000
"""What LiteLLM wants beside the tokens; more than the tokens let through, so that tokens decide."""
SHAPES = ("fixed_window", "sliding_window", "token_bucket")
# In the order of SHAPES, for each client: a profile has a quota of its own.
PROFILES: Mapping[str, Sequence[str]] = {
    "ours": ("us.", "eu.", "apac."),
    "botocore_adaptive": ("jp.", "au.", "ca."),
    "litellm": ("us-gov.", "global.", ""),
}
VARIANTS = {"botocore_adaptive": "aiobotocore", "litellm": "litellm"}
FIRST_ANSWERS = """
    create table bench_answer (
        run_id text, chunk_no integer, input_tokens integer, output_tokens integer,
        ended_at timestamptz not null default clock_timestamp(), primary key (run_id, chunk_no)
    )
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the quota really lets through beside what is published; ``others`` is another tenant's use."""

    name: str
    hidden_margin_percent: float = 0.0
    others: float = 0.0

    @property
    def offered_per_minute(self) -> float:
        return TOKENS_PER_MINUTE * (1 - self.hidden_margin_percent / 100) - self.others


TERMS = (
    Terms("published"),
    Terms("limit_20_percent_lower", hidden_margin_percent=20.0),
    Terms("another_tenant", others=0.3 * TOKENS_PER_MINUTE),
)


@dataclass(frozen=True, slots=True)
class Share:
    useful: float
    throttled: float


async def measure_quota(stage: Stage, *, warm_up: float, seconds: float, terms: Sequence[Terms]) -> dict[str, Any]:
    """Every client under every shape of the quota, once for each of ``terms``."""
    found: dict[str, dict[str, dict[str, Share]]] = {}
    with running_bedrock(stage.folder / "quota-bedrock") as bedrock:
        for each in terms:
            found[each.name] = await _under(stage, bedrock, each, warm_up=warm_up, seconds=seconds)
    return {
        "quota": {client: _worst(found, "published", client) for client in PROFILES},
        "quota_hidden": {
            name: {client: _worst(found, name, client) for client in PROFILES} for name in found if name != "published"
        },
        "quota_runs": {
            name: {
                client: {shape: _as_json(share) for shape, share in shapes.items()} for client, shapes in each.items()
            }
            for name, each in found.items()
        },
        "quota_set_up": {
            "tokens_per_minute": TOKENS_PER_MINUTE,
            "demand": f"{IN_FLIGHT} calls in flight at {LATENCY_MS} ms, about ten times the quota",
            "rows_per_prompt": ROWS_PER_PROMPT,
            "warm_up_seconds": warm_up,
            "measured_seconds": seconds,
            "other_tenant_tokens_per_minute": 0.3 * TOKENS_PER_MINUTE,
            "worst": "quota and quota_hidden hold the worst of the three shapes of each client",
        },
    }


def _worst(found: Mapping[str, Any], terms: str, client: str) -> dict[str, float]:
    shares = found.get(terms, {}).get(client, {}).values()
    return _as_json(Share(min(each.useful for each in shares), max(each.throttled for each in shares)))


def _as_json(share: Share) -> dict[str, float]:
    return {"useful": round(share.useful, 4), "throttled": round(share.throttled, 4)}


async def _under(
    stage: Stage, bedrock: BedrockEndpoint, terms: Terms, *, warm_up: float, seconds: float
) -> dict[str, dict[str, Share]]:
    """All clients at once under each shape."""
    prompts = round((warm_up + seconds) / 60 * TOKENS_PER_MINUTE / 500)
    found: dict[str, dict[str, Share]] = {client: {} for client in PROFILES}
    contests = [
        (client, shape, f"{prefix}{MODEL}", await _ready(stage, f"quota-{client}", prompts))
        for client, prefixes in PROFILES.items()
        for shape, prefix in zip(SHAPES, prefixes, strict=True)
    ]
    # Quotas count from when they are set, and all clients start into full ones.
    for _, shape, model_id, _ in contests:
        await _set_limit(bedrock, model_id, shape, terms)
    async with contextlib.AsyncExitStack() as running:
        for client, _, model_id, play in contests:
            running.enter_context(await _start(play, bedrock, client, model_id, prompts))
        await asyncio.sleep(warm_up)
        before, began = bedrock.control("stats")["models"], time.time()
        await asyncio.sleep(seconds)
        after, ended = bedrock.control("stats")["models"], time.time()
        for client, shape, model_id, play in contests:
            tokens = await _tokens_of_first_answers(play, client, began, ended)
            calls, throttled = (_more(before, after, model_id, what) for what in ("calls", "throttled"))
            if not calls:
                raise WrongRun(f"{play.name}: made no call in {seconds:.0f} s")
            # What a bucket had in stock at the start and no longer has at the end was on offer too.
            stock = max(0.0, _room(before, model_id) - _room(after, model_id)) if shape == "token_bucket" else 0.0
            offered = terms.offered_per_minute * (ended - began) / 60 + stock
            share = Share(tokens / offered, throttled / calls)
            found[client][shape] = share
            print(f"  {terms.name:<24} {client:<18} {shape:<15} {_as_json(share)}", flush=True)
    return found


async def _ready(stage: Stage, name: str, prompts: int) -> Play:
    play = await asyncio.to_thread(stage.play, name)
    await asyncio.to_thread(play.send, CHUNKS, chunk_bodies("bench", chunks=prompts, rows_per_chunk=ROWS_PER_PROMPT))
    return play


async def _set_limit(bedrock: BedrockEndpoint, model_id: str, shape: str, terms: Terms) -> None:
    limit = {
        "counts": "tokens",
        "amount": TOKENS_PER_MINUTE,
        "shape": shape,
        "hidden_margin_percent": terms.hidden_margin_percent,
        "other_tenant_amount": terms.others,
    }
    settings = {"answer": "constant", "latency": {"fixed_ms": LATENCY_MS}, "limits": [limit]}
    await asyncio.to_thread(bedrock.control, f"models/{model_id}", settings, method="PUT")


async def _start(play: Play, bedrock: BedrockEndpoint, client: str, model_id: str, prompts: int) -> Any:
    if client == "ours":
        await open_run(
            play, rows=prompts * ROWS_PER_PROMPT, chunks=prompts + 1, rows_per_chunk=ROWS_PER_PROMPT
        )  # one chunk more than is sent: the run stays open
        return play.our_task(
            bedrock.url,
            FEEDBACK_MODEL_ID=model_id,
            POOL_WORKERS=str(IN_FLIGHT),
            MODEL_TOKENS_PER_MINUTE=str(TOKENS_PER_MINUTE),
            TICKET_SHARE="0",
            **NO_SECOND_LOOKS,
        )
    await play.scalar(FIRST_ANSWERS)
    config = {
        "model_id": model_id,
        "loops": IN_FLIGHT,
        "at_once": 1,
        "visibility_seconds": 120,
        "adaptive": client == "botocore_adaptive",
        "tokens_per_minute": TOKENS_PER_MINUTE,
        "calls_per_minute": CALLS_PER_MINUTE,
        "counts_answers": True,
        **await prompt_parts(play),
    }
    return play.peer(VARIANTS[client], bedrock.url, config)


async def _tokens_of_first_answers(play: Play, client: str, began: float, ended: float) -> float:
    table = "feedback_chunk" if client == "ours" else "bench_answer"
    query = (
        f"select coalesce(sum(input_tokens + output_tokens), 0)::float8 from {table}"  # noqa: S608  one of two names
        " where ended_at >= to_timestamp($1) and ended_at < to_timestamp($2)"
    )
    return float(await play.scalar(query, began, ended))


def _more(before: Mapping[str, Any], after: Mapping[str, Any], model_id: str, what: str) -> int:
    return int(after.get(model_id, {}).get(what, 0)) - int(before.get(model_id, {}).get(what, 0))


def _room(stats: Mapping[str, Any], model_id: str) -> float:
    """What the limit has left; all of it before the first call."""
    return float(stats.get(model_id, {}).get("room", [TOKENS_PER_MINUTE])[0])
