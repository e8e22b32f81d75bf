"""`make bench-tagger`: the feedback tagger beside its peers on the same local endpoints, and by itself at full size.

    python -m bench.tagger [--parts throughput quota cost million engines singles] [--rows 1000000] [--short]

throughput   rows per CPU-second and per second: ours, an aiobotocore loop, LiteLLM's Router, boto3 in threads
quota        what becomes of a token quota that is ten times too small: ours, botocore's adaptive mode, LiteLLM
cost         tokens, dollars and accuracy by rows in a prompt, on a real data set that npm fetches
million      a file of a million rows: seconds and peak memory of one task
engines      rows a second into PostgreSQL and into MariaDB, where this machine has one
singles      how long a row sent alone waits while a file keeps the pool busy

Results: bench/results/tagger.json; a run of some parts keeps the figures of the others. ``--short`` tries everything in
small and writes no results. Linux only: a process's figures come from /proc.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bench.consumer import peer_version
from bench.running_task import machine, versions
from bench.tagger.cost import measure_cost
from bench.tagger.dataset import NoData
from bench.tagger.engines import measure_engines
from bench.tagger.quota import TERMS, measure_quota
from bench.tagger.singles import measure_singles
from bench.tagger.stage import Stage, WrongRun, running_stage
from bench.tagger.throughput import measure_throughput
from bench.tagger.whole_run import measure_rows
from local.processes import StartFailed

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results" / "tagger.json"

Part = Callable[[Stage, argparse.Namespace], Awaitable[dict[str, Any]]]


async def _throughput(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    if options.short:
        return await measure_throughput(stage, prompts=150, warm_up=60, rounds=1)
    return await measure_throughput(stage, prompts=3_000, warm_up=300, rounds=3)


async def _quota(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    if options.short:
        return await measure_quota(stage, warm_up=20, seconds=60, terms=TERMS[:1])
    return await measure_quota(stage, warm_up=60, seconds=240, terms=TERMS)


async def _cost(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    try:
        return await measure_cost(stage, most_rows=100 if options.short else None)
    except NoData as missing:
        print(f"  left out: {missing}", flush=True)
        return {"cost_left_out": str(missing)}


async def _million(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    return {"million_rows": await measure_rows(stage, "million", rows=20_000 if options.short else options.rows)}


async def _engines(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    return await measure_engines(stage, rows=5_000 if options.short else 50_000)


async def _singles(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    return {"singles": await measure_singles(stage, seconds=15 if options.short else 120)}


PARTS: Mapping[str, Part] = {
    "throughput": _throughput,
    "quota": _quota,
    "cost": _cost,
    "million": _million,
    "engines": _engines,
    "singles": _singles,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.tagger", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large file")
    parser.add_argument("--short", action="store_true", help="a little of each, to see it run; writes no results")
    return parser.parse_args()


async def _measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    results: dict[str, Any] = {}
    with running_stage(folder) as stage:
        for name in options.parts:
            print(name, flush=True)
            try:
                results |= await PARTS[name](stage, options)
            except (WrongRun, StartFailed) as failure:
                # An hour of other figures is not to be lost over one part.
                results.setdefault("failed", {})[name] = str(failure)
                print(f"  failed: {failure}", flush=True)
    return results


def _about(options: argparse.Namespace) -> dict[str, Any]:
    about = {
        "command": " ".join(["python -m bench.tagger", *sys.argv[1:]]),
        "machine": machine(),
        "versions": {
            **versions("aiobotocore", "aiohttp", "botocore", "asyncpg"),
            **{peer: peer_version(peer) for peer in ("litellm", "boto3", "psycopg")},
        },
    }
    return {"runs": dict.fromkeys(options.parts, about)}


def main() -> int:
    options = _arguments()
    about = _about(options)
    print(f"feedback tagger; load {machine()['load_average_at_start']}", flush=True)
    with tempfile.TemporaryDirectory(prefix="deskhand-bench-") as folder:
        results = asyncio.run(_measure(options, Path(folder)))
    print(json.dumps(results, indent=2))
    if not options.short:
        RESULTS.parent.mkdir(exist_ok=True)
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        kept.pop("failed", None)
        runs = {**kept.get("runs", {}), **about["runs"]}
        written = {**kept, **results, **next(iter(about["runs"].values())), "runs": runs}
        RESULTS.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
        print(f"\n  {RESULTS.relative_to(ROOT)}")
    return 1 if "failed" in results else 0


if __name__ == "__main__":
    sys.exit(main())
