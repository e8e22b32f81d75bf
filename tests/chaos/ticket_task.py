"""The ticket agent as a task of a fleet: the service itself, which also says when a signal to it is a drain."""

import asyncio
import os
import sys

from services.ticket_agent.main import serve
from services.ticket_agent.settings import TicketAgentSettings
from shared.logs import configure_logs
from tests.chaos.saying import say


async def main() -> None:
    settings = TicketAgentSettings.from_environment(os.environ)
    configure_logs("ticket_agent", settings.log_level)
    service = asyncio.create_task(serve(settings))
    # Its first step handles the signals: a SIGTERM before it would end Python with a status of its own.
    await asyncio.sleep(0)
    say({"ready": os.getpid()})
    await service


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
