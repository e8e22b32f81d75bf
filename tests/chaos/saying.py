"""How a task tells its driver something: one JSON object a line, out at once, so that no kill swallows it."""

import json
import sys


def say(line: dict[str, object]) -> None:
    """Print ``line`` in a single write."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
