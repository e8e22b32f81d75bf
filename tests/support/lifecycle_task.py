"""A process with the life of a service task: ``python -m tests.support.lifecycle_task drains|crashes|is-stuck``.

It says ``ready`` when signals are handled, and ``given back`` when a cancelled loop gave back what it held.
"""

import asyncio
import sys

from shared.lifecycle import Loop, StopEvent, run_loops, stop_on_signals


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def drains(stop: StopEvent) -> None:
    await stop.wait()
    say("drained")


async def crashes(_: StopEvent) -> None:
    raise ValueError("no such table")


async def is_stuck(stop: StopEvent) -> None:
    await stop.wait()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        say("given back")
        raise


LOOPS = {"drains": drains, "crashes": crashes, "is-stuck": is_stuck}


async def live(kind: str) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    say("ready")
    await run_loops([Loop("steady", drains), Loop(kind, LOOPS[kind])], stop=stop, drain_seconds=0.2)


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1]))
