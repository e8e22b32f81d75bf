"""One file through the real service: uploaded, read, asked, stored and closed; how long, and with what memory."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.tagger.rows import write_csv
from bench.tagger.stage import Play, Stage, WrongRun, constant_model

POLL_SECONDS = 0.25
SLOWEST_ROWS_PER_SECOND = 100.0
START_SECONDS = 120.0
LATENCY_MS = 100.0
WORKERS = 60


@dataclass(frozen=True, slots=True)
class Run:
    """``seconds`` from S3's notification until the run is closed; ``status`` is the run's own word."""

    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    status: str
    stored: int


async def run_file(play: Play, model_url: str, file: Path, *, rows: int, settings: Mapping[str, str]) -> Run:
    """Upload ``file`` of ``rows`` rows and wait for the end of its run. Raises WrongRun if it takes too long."""
    key = f"uploads/{file.name}"
    await asyncio.to_thread(_upload, play, file, key)
    with play.our_task(model_url, **settings) as task:
        cpu, began = task.cpu_seconds(), time.monotonic()
        await asyncio.to_thread(play.tell_uploaded, key)
        status = await _closed(play, within=START_SECONDS + rows / SLOWEST_ROWS_PER_SECOND)
        seconds = time.monotonic() - began
        stored = int(await play.scalar("select count(*) from customer_feedback"))
        return Run(seconds, task.cpu_seconds() - cpu, task.peak_rss_mb(), status, stored)


def _upload(play: Play, file: Path, key: str) -> None:
    with file.open("rb") as body:
        play.resources.client("s3").put_object(Bucket=play.resources.bucket, Key=key, Body=body)


async def _closed(play: Play, *, within: float) -> str:
    until = time.monotonic() + within
    while time.monotonic() < until:
        status = await play.scalar("select status from feedback_run")
        if status not in (None, "open"):
            return str(status)
        await asyncio.sleep(POLL_SECONDS)
    raise WrongRun(f"{play.name}: the run was still open after {within:.0f} s")


async def measure_rows(stage: Stage, name: str, *, rows: int, database_url: str | None = None) -> dict[str, Any]:
    """A file of made-up rows against a model that answers alike; every row must be stored."""
    file = stage.folder / f"{name}.csv"
    await asyncio.to_thread(write_csv, file, rows)
    play = await asyncio.to_thread(lambda: stage.play(name, database_url=database_url))
    with constant_model(LATENCY_MS) as model_url:
        settings = {"POOL_WORKERS": str(WORKERS), "LARGEST_FILE_BYTES": str(10 * file.stat().st_size)}
        run = await run_file(play, model_url, file, rows=rows, settings=settings)
    size_mb = file.stat().st_size / 1024 / 1024
    file.unlink()
    if (run.status, run.stored) != ("complete", rows):
        raise WrongRun(f"{name}: the run ended {run.status} with {run.stored} of {rows} rows stored")
    figures = {
        "rows": rows,
        "file_mb": round(size_mb, 1),
        "seconds": round(run.seconds, 1),
        "rows_per_second": round(rows / run.seconds),
        "cpu_seconds": round(run.cpu_seconds, 1),
        "peak_rss_mb": round(run.peak_rss_mb, 1),
    }
    print(f"  {name:<14} {figures}", flush=True)
    return figures
