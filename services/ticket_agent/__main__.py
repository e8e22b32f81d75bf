"""``python -m services.ticket_agent`` runs the service; with ``health`` it asks a running one, for container checks."""

import os
import sys

from services.ticket_agent.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
