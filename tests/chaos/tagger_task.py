"""The feedback tagger as a task of a fleet: the service itself, or with a component that breaks one promise."""

import asyncio
import os
import sys

from services.feedback_tagger.app import Ports
from services.feedback_tagger.main import run
from tests.chaos.broken import SOUND
from tests.chaos.broken_tagger import ports_of, refusing
from tests.chaos.saying import say


def as_it_is(ports: Ports) -> Ports:
    return ports


async def main() -> None:
    build = os.environ.get("CHAOS_BUILD", SOUND)
    model = refusing if os.environ.get("CHAOS_MODEL") == "refuses" else as_it_is
    service = asyncio.create_task(run(os.environ, opened=lambda ports: model(ports_of(build, ports))))
    # Its first step handles the signals: a SIGTERM before it would end Python with a status of its own.
    await asyncio.sleep(0)
    say({"ready": os.getpid()})
    await service


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
