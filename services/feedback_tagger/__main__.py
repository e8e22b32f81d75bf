"""`python -m services.feedback_tagger [health | migrate | forget ...]`: ask a running task how it is, or be one."""

import os
import sys

from shared.health_command import ask

DEFAULT_PORT = "8080"  # as in the settings, which take a second to import

if __name__ == "__main__":
    if sys.argv[1:] == ["health"]:
        sys.exit(ask(os.environ.get("HEALTH_PORT") or DEFAULT_PORT))
    from services.feedback_tagger.command_line import main

    sys.exit(main(sys.argv[1:], os.environ))
