"""How long a row sent alone waits while a file keeps the pool busy: from its send until it is stored.

Open loop: singles are sent at their times, whether or not earlier ones are done.
"""

import asyncio
import json
import statistics
import time
from typing import Any

import asyncpg

from bench.tagger.rows import chunk_bodies, feedback
from bench.tagger.stage import CHUNKS, ITEMS, Play, Stage, WrongRun, constant_model
from bench.tagger.throughput import open_run

LATENCY_MS = 1_000.0
"""A real model's time for a prompt of twenty rows, so that all slots are taken for a second each."""
PER_SECOND = 2.0
WORKERS = 30
SETTLED_WITHIN = 120.0


async def measure_singles(stage: Stage, *, seconds: float) -> dict[str, Any]:
    """Waits of singles beside a file that would keep the pool busy for three times as long."""
    play = await asyncio.to_thread(stage.play, "singles")
    prompts = round(3 * seconds * WORKERS * 1000 / LATENCY_MS)
    await asyncio.to_thread(play.send, CHUNKS, chunk_bodies("bench", chunks=prompts, rows_per_chunk=20))
    await open_run(play, rows=prompts * 20, chunks=prompts, rows_per_chunk=20)
    with constant_model(LATENCY_MS) as model_url, play.our_task(model_url, POOL_WORKERS=str(WORKERS)):
        await asyncio.sleep(3 * LATENCY_MS / 1000)
        sent = await _send(play, round(PER_SECOND * seconds))
        left, _ = await asyncio.to_thread(play.left_and_deleted, CHUNKS)
        if not left:
            raise WrongRun("the file was done before the last single was sent: it kept nobody waiting")
        waits = await _waits(play, sent)
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    figures = {
        "p50_s": round(cuts[49], 2),
        "p99_s": round(cuts[98], 2),
        "singles": len(waits),
        "model_latency_s": LATENCY_MS / 1000,
        "chunks_left_at_the_end": left,
    }
    print(f"  singles        {figures}", flush=True)
    return figures


async def _send(play: Play, singles: int) -> dict[str, float]:
    """When each was sent, by its id."""
    began, sent = time.time(), {}
    for number in range(singles):
        await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.time()))
        single = {"version": 1, "id": f"single-{number}", "feedback": feedback(5_000_000 + number).feedback}
        sent[single["id"]] = time.time()
        await asyncio.to_thread(play.send, ITEMS, [json.dumps(single)])
    return {str(name): at for name, at in sent.items()}


async def _waits(play: Play, sent: dict[str, float]) -> list[float]:
    """By the database's clock, at the start of the transaction that stored the row; it is this machine's clock."""
    query = (
        "select ref_id, extract(epoch from last_updated_time)::float8 as at from customer_feedback"
        " where ref_id like 'single-%'"
    )
    connection = await asyncpg.connect(play.database_url)
    try:
        until = time.monotonic() + SETTLED_WITHIN
        while len(rows := await connection.fetch(query)) < len(sent):
            if time.monotonic() > until:
                raise WrongRun(f"{len(rows)} of {len(sent)} singles were stored within {SETTLED_WITHIN:.0f} s")
            await asyncio.sleep(0.5)
    finally:
        await connection.close()
    return [row["at"] - sent[row["ref_id"]] for row in rows]
