"""``python -m services.ticket_agent [health | seed]``: serve, ask a running task how it is, load a directory."""

import os
import sys

from services.ticket_agent.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
