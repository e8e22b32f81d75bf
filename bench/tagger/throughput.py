"""Rows per CPU-second and per second: ours beside its peers, from a full queue into PostgreSQL.

Every variant is a process of its own and does the same work: receive a chunk, ask a model that answers alike after a
fixed time, store the chunk's rows, delete the message. CPU time is the client's alone. Ours is the real service, with
its log lines, heartbeats, chunk bookkeeping and exactly-once writes; the peers have none of these. The ceiling is the
SDK's: the plain loop without the database.
"""

import asyncio
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.tagger.rows import chunk_bodies
from bench.tagger.stage import CHUNKS, MODEL, Play, Reading, Stage, WrongRun, constant_model, emptied
from services.feedback_tagger.domain.taxonomy import Category, taxonomy_of
from services.feedback_tagger.store.port import Ingested, NewRun
from services.feedback_tagger.store.postgres import postgres_pool
from services.feedback_tagger.store.postgres_runs import PostgresRuns
from services.feedback_tagger.tasks import task_named

LATENCY_MS = 100.0
LOOPS, AT_ONCE = 6, 10
IN_FLIGHT = LOOPS * AT_ONCE
RUN_ID = "bench"
SLOWEST_ROWS_PER_SECOND = 15.0
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Entrant:
    """``variant`` None is ours. ``cost`` scales the work, so that slow ones do not take all the time."""

    name: str
    variant: str | None
    rows_per_prompt: int


ENTRANTS = (
    Entrant("ours_20", None, 20),
    Entrant("aiobotocore_20", "aiobotocore", 20),
    Entrant("ceiling_20", "ceiling", 20),
    Entrant("ours_1", None, 1),
    Entrant("aiobotocore_1", "aiobotocore", 1),
    Entrant("ceiling_1", "ceiling", 1),
    Entrant("litellm_1", "litellm", 1),
    Entrant("boto3_threads_1", "boto3_threads", 1),
)
CEILINGS = frozenset({"ceiling_20", "ceiling_1"})


@dataclass(frozen=True, slots=True)
class Rates:
    rows_per_cpu_second: float
    rows_per_second: float


async def measure_throughput(stage: Stage, *, prompts: int, warm_up: int, rounds: int) -> dict[str, Any]:
    """Medians of ``rounds``; ``prompts`` are measured in each after ``warm_up``."""
    rates: dict[str, list[Rates]] = {entrant.name: [] for entrant in ENTRANTS}
    with constant_model(LATENCY_MS) as model_url:
        for turn in range(rounds):
            # Each round begins with another entrant, so that none always follows the same one.
            first = (turn * 3) % len(ENTRANTS)
            for entrant in (*ENTRANTS[first:], *ENTRANTS[:first]):
                rate = await _one(stage, model_url, entrant, prompts=prompts, warm_up=warm_up)
                rates[entrant.name].append(rate)
                print(
                    f"  round {turn + 1}  {entrant.name:<16} {rate.rows_per_cpu_second:>8.0f} rows/CPU-second"
                    f" {rate.rows_per_second:>8.0f} rows/s",
                    flush=True,
                )
    return {
        "rows_per_cpu_second": _medians(rates, lambda rate: rate.rows_per_cpu_second, CEILINGS),
        "rows_per_second": _medians(rates, lambda rate: rate.rows_per_second, CEILINGS),
        "client_ceiling": {
            name: round(statistics.median(rate.rows_per_cpu_second for rate in rates[name])) for name in CEILINGS
        },
        "rounds": {name: [round(rate.rows_per_cpu_second) for rate in each] for name, each in rates.items()},
        "throughput_set_up": {
            "queue": "bench/fast_queue.py, constant cost",
            "model": f"bench/constant_model.py, {LATENCY_MS:.0f} ms a call",
            "in_flight": IN_FLIGHT,
            "prompts_measured": prompts,
        },
    }


def _medians(rates: Any, of: Any, without: frozenset[str]) -> dict[str, int]:
    return {
        name: round(statistics.median(of(rate) for rate in each)) for name, each in rates.items() if name not in without
    }


async def _one(stage: Stage, model_url: str, entrant: Entrant, *, prompts: int, warm_up: int) -> Rates:
    play = await asyncio.to_thread(stage.play, entrant.name)
    messages, per_prompt = warm_up + prompts, entrant.rows_per_prompt
    await asyncio.to_thread(
        play.send, CHUNKS, chunk_bodies(RUN_ID, chunks=messages, rows_per_chunk=entrant.rows_per_prompt)
    )
    within = START_SECONDS + messages * per_prompt / SLOWEST_ROWS_PER_SECOND
    if entrant.variant is None:
        await open_run(play, rows=messages * per_prompt, chunks=messages, rows_per_chunk=per_prompt)
        more = {"POOL_WORKERS": str(IN_FLIGHT), "ROWS_PER_PROMPT": str(per_prompt)}
        with play.our_task(model_url, **more, **NO_SECOND_LOOKS) as task:
            readings = await emptied(play, task, first=warm_up, last=messages, within=within)
    else:
        config = {"model_id": MODEL, "loops": LOOPS, "at_once": AT_ONCE, **await prompt_parts(play)}
        with play.peer(entrant.variant, model_url, config) as task:
            readings = await emptied(play, task, first=warm_up, last=messages, within=within)
    await _check(play, stored=0 if entrant.name in CEILINGS else messages * per_prompt)
    return _rates(*readings, rows_per_message=per_prompt)


NO_SECOND_LOOKS = {"AGREEMENT_SHARE": "0"}
"""Peers ask once; what asking a sample again costs is measured with the cost (bench/tagger/cost.py)."""


def _rates(first: Reading, last: Reading, *, rows_per_message: int) -> Rates:
    rows = (last.deleted - first.deleted) * rows_per_message
    return Rates(rows / (last.cpu_seconds - first.cpu_seconds), rows / (last.at - first.at))


async def _check(play: Play, *, stored: int) -> None:
    left, _ = await asyncio.to_thread(play.left_and_deleted, CHUNKS)
    found = await play.scalar("select count(*) from customer_feedback")
    if left or found != stored:
        raise WrongRun(f"{play.name}: {found} of {stored} rows stored, {left} messages left")


async def open_run(play: Play, *, rows: int, chunks: int, rows_per_chunk: int, run_id: str = RUN_ID) -> None:
    """The run whose chunks are on the queue, as ingest leaves it."""
    async with postgres_pool(play.database_url, connections=1) as pool:
        runs = PostgresRuns(pool)
        await runs.open_run(
            NewRun(
                run_id=run_id,
                bucket=play.resources.bucket,
                key="uploads/bench.csv",
                task="categorise",
                rows_per_chunk=rows_per_chunk,
                sequencer="01",
            )
        )
        await runs.note_ingest(run_id, Ingested(rows_read=rows, chunks_sent=chunks, total_chunks=chunks))


async def prompt_parts(play: Play) -> dict[str, Any]:
    """The system prompt that ours sends with this database's categories, and their names."""
    query = "select json_agg(category_name order by id)::text from customer_feedback_category"
    names: Sequence[str] = json.loads(await play.scalar(query))
    taxonomy = taxonomy_of([Category(number, name) for number, name in enumerate(names)])
    return {"system": task_named("categorise").system(taxonomy), "categories": list(names)}
