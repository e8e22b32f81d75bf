"""`python -m services.feedback_tagger [health | migrate]`: serve, ask a running task how it is, update the database."""

import asyncio
import http.client
import os
import sys
from collections.abc import Mapping, Sequence

from services.feedback_tagger.main import SERVICE, migrate, run
from services.feedback_tagger.metrics import METRICS
from services.feedback_tagger.settings import MigrationSettings, TaggerSettings
from shared.errors import DeskhandError
from shared.lifecycle import DrainTimedOut, LoopCrashed
from shared.logs import configure_logs
from shared.settings import BadSettings

USAGE = "usage: python -m services.feedback_tagger [health | migrate]"


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit status: 0 well, 1 not well, 2 called wrongly."""
    try:
        match list(arguments):
            case []:
                asyncio.run(run(environment))
                return 0
            case ["health"]:
                return _health(environment)
            case ["migrate"]:
                return _migrate(environment)
    except (BadSettings, LoopCrashed, DrainTimedOut, DeskhandError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    sys.stderr.write(USAGE + "\n")
    return 2


def _health(environment: Mapping[str, str]) -> int:
    """What the container's health check runs: asks the task in the same container."""
    default = TaggerSettings.model_fields["health_port"].default
    connection = http.client.HTTPConnection("127.0.0.1", int(environment.get("HEALTH_PORT") or default), timeout=4)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        sys.stdout.write(answer.read().decode() + "\n")
        return 0 if answer.status == 200 else 1
    except OSError as error:
        sys.stderr.write(f"no answer: {error}\n")
        return 1
    finally:
        connection.close()


def _migrate(environment: Mapping[str, str]) -> int:
    settings = MigrationSettings.from_environment(environment)
    configure_logs(SERVICE, settings.log_level, deployment=settings.deployment, metrics=METRICS)
    applied = asyncio.run(migrate(settings))
    sys.stdout.write(f"{len(applied)} migrations applied\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
