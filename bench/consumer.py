"""`make bench-consumer`: our queue consumer beside its peers, and the bridge, in one run.

    python -m bench.consumer [--messages 10000] [--rounds 3] [--without-bridge] [--only VARIANT ...]

Queue: messages per CPU-second of the client process from a full queue, and latency from put to handled at a steady
rate. One endpoint serves all variants; each runs in a process of its own, one after the other, round by round, so that
whatever else the machine does falls on all of them. Medians over the rounds. Results: bench/results/consumer.json
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.bridge import measure_bridge
from bench.clients import VARIANTS
from bench.fast_endpoint import fast_endpoint, fill, fill_steadily, left_and_deleted, new_queue
from bench.running_task import machine, versions
from local.processes import inherited_environment
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "consumer.json"
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
PEERS = frozenset({"taskiq_aio_sqs"})
WARM_UP = 1_000
LATENCY_PER_SECOND = 50.0
LATENCY_SECONDS = 10
LATENCY_WARM_UP = 50
WITHOUT_LATENCY = frozenset({"client_ceiling", "ours_logging"})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000, help="measured messages a variant and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-bridge", action="store_true", help="the queue consumers alone")
    parser.add_argument("--only", nargs="*", choices=sorted(VARIANTS), help="these variants; writes no results")
    return parser.parse_args()


class WrongRun(Exception):
    """A variant did not handle and delete what it was given; its figures would mean nothing."""


async def _run(variant: str, environment: dict[str, str], queue: str, warm_up: int, messages: int) -> dict[str, Any]:
    """One child process from start to end; its own report."""
    python = str(PEERS_PYTHON) if variant in PEERS else sys.executable
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "bench.clients", variant, queue, str(warm_up), str(messages)),
        env={**inherited_environment(), **environment},
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise WrongRun(f"{variant} ended with status {process.returncode}")
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    return report


async def _throughput(variant: str, environment: dict[str, str], queue: str, messages: int) -> float:
    """Messages per CPU-second from a full queue."""
    url = await asyncio.to_thread(new_queue, environment, queue)
    await asyncio.to_thread(fill, environment, url, WARM_UP + messages)
    report = await _run(variant, environment, queue, WARM_UP, messages)
    await _check(variant, environment, url, report, WARM_UP + messages)
    return float(messages / report["cpu_seconds"])


async def _latencies(variant: str, environment: dict[str, str], queue: str) -> list[float]:
    """Seconds from put to handled, at a steady rate."""
    url = await asyncio.to_thread(new_queue, environment, queue)
    messages = int(LATENCY_PER_SECOND * LATENCY_SECONDS)

    async def once_it_runs() -> None:
        # What waits while a process starts says nothing about its latency.
        await asyncio.to_thread(fill, environment, url, LATENCY_WARM_UP)
        await eventually(warmed_up, within=60, what=f"{variant}'s start")
        await fill_steadily(environment, url, messages, per_second=LATENCY_PER_SECOND)

    async def warmed_up() -> bool:
        return (await asyncio.to_thread(left_and_deleted, environment, url))[1] == LATENCY_WARM_UP

    report, _ = await asyncio.gather(_run(variant, environment, queue, LATENCY_WARM_UP, messages), once_it_runs())
    await _check(variant, environment, url, report, LATENCY_WARM_UP + messages)
    return list(report["latencies"])


async def _check(variant: str, environment: dict[str, str], url: str, report: dict[str, Any], messages: int) -> None:
    left, deleted = await asyncio.to_thread(left_and_deleted, environment, url)
    if (report["handled"], deleted, left) != (messages, messages, 0):
        raise WrongRun(f"{variant}: {report['handled']} handled, {deleted} deleted, {left} left of {messages}")


def _milliseconds(latencies: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return {"p50": round(cuts[49] * 1000, 2), "p99": round(cuts[98] * 1000, 2)}


async def measure_queue(variants: list[str], *, messages: int, rounds: int) -> dict[str, Any]:
    """Both figures of every variant, and what the single rounds gave."""
    rates: dict[str, list[float]] = {variant: [] for variant in variants}
    latencies: dict[str, list[float]] = {}
    with fast_endpoint() as environment:
        for turn in range(rounds):
            # Each round begins with another variant, so that none always follows the same one.
            for variant in variants[turn % len(variants) :] + variants[: turn % len(variants)]:
                rates[variant].append(await _throughput(variant, environment, f"{variant}-{turn}", messages))
                print(f"  round {turn + 1}  {variant:<16} {rates[variant][-1]:>8.0f} messages/CPU-second", flush=True)
        for variant in [variant for variant in variants if variant not in WITHOUT_LATENCY]:
            latencies[variant] = await _latencies(variant, environment, f"{variant}-latency")
            print(f"  latency  {variant:<16} {_milliseconds(latencies[variant])} ms", flush=True)
    return {
        "messages_per_cpu_second": {variant: round(statistics.median(each)) for variant, each in rates.items()},
        "rounds": {variant: [round(rate) for rate in each] for variant, each in rates.items()},
        "latency_ms": {variant: _milliseconds(each) for variant, each in latencies.items()},
    }


def _about(messages: int, rounds: int) -> dict[str, Any]:
    return {
        "command": " ".join(["python -m bench.consumer", *sys.argv[1:]]),
        "messages": messages,
        "rounds_run": rounds,
        "latency_rate_per_second": LATENCY_PER_SECOND,
        "machine": machine(),
        "versions": {
            **versions("aiobotocore", "aiohttp", "botocore"),
            "taskiq-aio-sqs": peer_version("taskiq-aio-sqs"),
            "taskiq": peer_version("taskiq"),
        },
    }


def peer_version(package: str) -> str:
    program = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([str(PEERS_PYTHON), "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def _print_table(results: dict[str, Any]) -> None:
    rates, latency = results["messages_per_cpu_second"], results["latency_ms"]
    print("\n  consumer           messages/CPU-s   of ceiling      p50 ms    p99 ms")
    for variant, rate in rates.items():
        of_ceiling = f"{rate / rates['client_ceiling']:.0%}" if "client_ceiling" in rates else ""
        times = latency.get(variant, {"p50": "", "p99": ""})
        print(f"  {variant:<18} {rate:>14}   {of_ceiling:>10}  {times['p50']:>10}{times['p99']:>10}")
    if "bridge" in results:
        print("\n  bridge   " + "   ".join(f"{name} {value}" for name, value in results["bridge"].items()))


def main() -> None:
    options = _arguments()
    about = _about(options.messages, options.rounds)
    variants = options.only or list(VARIANTS)
    print(f"queue consumers: {', '.join(variants)}; load {about['machine']['load_average_at_start']}", flush=True)
    results = asyncio.run(measure_queue(variants, messages=options.messages, rounds=options.rounds))
    if not options.without_bridge and not options.only:
        print("bridge: about two minutes", flush=True)
        results["bridge"] = asyncio.run(measure_bridge())
    _print_table(results)
    if not options.only:
        RESULTS.parent.mkdir(exist_ok=True)
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() and options.without_bridge else {}
        bridge = {"bridge": kept["bridge"]} if "bridge" in kept else {}
        RESULTS.write_text(json.dumps({**bridge, **results, **about}, indent=2) + "\n", encoding="utf-8")
        print(f"\n  {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
