"""``python -m services.ticket_agent [health | seed]``: serve, ask a running task how it is, load a directory."""

import os
import sys

from shared.health_command import ask

if __name__ == "__main__":
    if sys.argv[1:] == ["health"]:
        sys.exit(ask(os.environ.get("HEALTH_PORT", "")))
    from services.ticket_agent.main import main

    sys.exit(main(sys.argv[1:], os.environ))
