"""`make bench-tickets`: the ticket agent under an open loop, as one real task beside the emulator.

    python -m bench.tickets [--seconds 60] [--step-seconds 15] [--highest 64] [--short]

Tickets come at a steady rate whether or not earlier ones have ended, each takes the whole way from intake over a grant
to the notification in a mailbox. First the overhead and the CPU time a ticket at two tickets a second; then the rate
doubles until the backlog grows, with a model that answers at once and with one that takes two seconds a turn. Results:
bench/results/tickets.json. Linux only: the task's figures come from /proc.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench.desk import MODEL, Desk, ticket_task
from bench.running_task import RunningTask, machine, versions
from local.bedrock_endpoint import BedrockEndpoint, running_bedrock
from local.emulator import Emulator, running_emulator
from local.provisioning import provision

RESULTS = Path(__file__).resolve().parent / "results" / "tickets.json"
PER_SECOND = 2.0
WARM_UP = 10
WORKERS = 8
WORKERS_FOR_SLOW_MODEL = 128
"""A ticket waits some twelve seconds for a slow model: eight would be the limit long before the CPU is."""
SLOWER_BY_SECONDS = 1.5
"""What the last third of a step may take longer than a lone ticket before the backlog counts as growing."""
DRAINED_WITHIN = 180.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long two tickets a second are measured")
    parser.add_argument("--step-seconds", type=float, default=15.0, help="how long each rate is held")
    parser.add_argument("--highest", type=float, default=64.0, help="rate beyond which none is tried")
    parser.add_argument("--short", action="store_true", help="a few seconds of each, to see it run; writes no results")
    return parser.parse_args()


@contextlib.asynccontextmanager
async def _collecting(desk: Desk) -> AsyncIterator[None]:
    collecting = asyncio.create_task(desk.collect())
    try:
        yield
    finally:
        collecting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await collecting


async def _warm(desk: Desk) -> float:
    """Until connections are open and caches filled; returns the median seconds of a lone ticket after that."""
    await desk.all_told(await desk.offer(per_second=1.0, seconds=WARM_UP / 2), within=DRAINED_WITHIN)
    ids = await desk.offer(per_second=1.0, seconds=WARM_UP / 2)
    await desk.all_told(ids, within=DRAINED_WITHIN)
    return statistics.median(desk.seconds(ids))


async def measure_overhead(desk: Desk, task: RunningTask, *, seconds: float) -> dict[str, Any]:
    """From put to notification without the model's time, and the task's CPU time, at a rate it carries easily."""
    async with _collecting(desk):
        await _warm(desk)
        before = task.cpu_seconds()
        ids = await desk.offer(per_second=PER_SECOND, seconds=seconds)
        await desk.all_told(ids, within=DRAINED_WITHIN)
        spent = task.cpu_seconds() - before
    model = await asyncio.to_thread(desk.model_seconds, ids)
    overheads = [each - model[ticket_id] for ticket_id, each in zip(ids, desk.seconds(ids), strict=True)]
    cuts = statistics.quantiles(overheads, n=100, method="inclusive")
    return {
        "overhead_ms": {"p50": round(cuts[49] * 1000), "p99": round(cuts[98] * 1000)},
        "cpu_ms_per_ticket": round(spent / len(ids) * 1000, 1),
        "tickets_measured": len(ids),
    }


async def measure_bend(desk: Desk, *, step_seconds: float, highest: float) -> list[dict[str, Any]]:
    """The rate doubles until the last third of a step's tickets take longer than a lone one does; every step."""
    steps: list[dict[str, Any]] = []
    async with _collecting(desk):
        alone = await _warm(desk)
        rate = 1.0
        while rate <= highest:
            ids = await desk.offer(per_second=rate, seconds=step_seconds)
            await desk.all_told(ids, within=DRAINED_WITHIN)
            took = desk.seconds(ids)
            late = statistics.median(took[-max(1, len(took) // 3) :])
            held = late <= alone + SLOWER_BY_SECONDS
            span = max(desk.told[each] for each in ids) - desk.due[ids[0]]
            steps.append(
                {
                    "offered_per_second": rate,
                    "carried_per_second": round(len(ids) / max(span - alone, step_seconds), 2),
                    "p50_s": round(statistics.median(took), 2),
                    "last_third_p50_s": round(late, 2),
                    "held": held,
                }
            )
            print(f"  {steps[-1]}", flush=True)
            if not held:
                break
            rate *= 2
    return steps


async def measure(options: argparse.Namespace, emulator: Emulator, bedrock: BedrockEndpoint) -> dict[str, Any]:
    """All figures; each part on tables of its own, with a task of its own."""
    results: dict[str, Any] = {}
    bends: dict[str, list[dict[str, Any]]] = {}
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        parts = (
            ("overhead", 0, WORKERS),
            ("model_0s", 0, WORKERS),
            ("model_2s", 2_000, WORKERS_FOR_SLOW_MODEL),
        )
        for part, model_ms, workers in parts:
            bedrock.control(f"models/{MODEL}", {"latency": {"fixed_ms": model_ms}}, method="PUT")
            desk = Desk(provision(emulator.environment(), f"bench-{part.replace('_', '-')}"))
            desk.settle()
            print(f"{part}: {workers} workers, {model_ms} ms a turn", flush=True)
            with ticket_task(desk.resources, bedrock, Path(folder), workers=workers) as task:
                if part == "overhead":
                    results |= await measure_overhead(desk, task, seconds=options.seconds)
                    print(f"  {results}", flush=True)
                else:
                    bends[part] = await measure_bend(desk, step_seconds=options.step_seconds, highest=options.highest)
                peaks.append(task.peak_rss_mb())
    return {
        **results,
        "tickets_per_second": {
            part: max((s["offered_per_second"] for s in steps if s["held"]), default=0.0)
            for part, steps in bends.items()
        },
        "steps": bends,
        "workers": {"model_0s": WORKERS, "model_2s": WORKERS_FOR_SLOW_MODEL},
        "peak_rss_mb": round(max(peaks), 1),
    }


def _about() -> dict[str, Any]:
    return {
        "command": " ".join(["python -m bench.tickets", *sys.argv[1:]]),
        "machine": machine(),
        "versions": versions("aiobotocore", "aiohttp", "botocore", "cedarpy"),
    }


def _print_table(results: dict[str, Any]) -> None:
    overhead, rates = results["overhead_ms"], results["tickets_per_second"]
    rows = (
        ("overhead, put to notification, without the model", f"p50 {overhead['p50']} ms, p99 {overhead['p99']} ms"),
        ("CPU time of the task a ticket", f"{results['cpu_ms_per_ticket']} ms"),
        ("highest rate held, model answers at once", f"{rates['model_0s']:g} tickets/s"),
        ("highest rate held, model takes 2 s a turn", f"{rates['model_2s']:g} tickets/s"),
        ("peak memory of a task", f"{results['peak_rss_mb']} MB"),
    )
    print()
    for what, figure in rows:
        print(f"  {what:<50} {figure}")


def main() -> None:
    options = _arguments()
    if options.short:
        options.seconds, options.step_seconds, options.highest = 5.0, 4.0, 2.0
    about = _about()
    print(f"ticket agent; load {about['machine']['load_average_at_start']}", flush=True)
    with (
        running_emulator() as emulator,
        tempfile.TemporaryDirectory() as folder,
        running_bedrock(Path(folder)) as bedrock,
    ):
        results = asyncio.run(measure(options, emulator, bedrock))
    _print_table(results)
    if not options.short:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({**results, **about}, indent=2) + "\n", encoding="utf-8")
        print(f"\n  bench/results/{RESULTS.name}")


if __name__ == "__main__":
    main()
