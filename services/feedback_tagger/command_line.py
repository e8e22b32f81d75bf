"""What `python -m services.feedback_tagger` does: serve, update the database, take a person's rows out of it."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence

from services.feedback_tagger.database import erase_person
from services.feedback_tagger.main import SERVICE, migrate, run
from services.feedback_tagger.metrics import METRICS
from services.feedback_tagger.settings import DatabaseSettings, MigrationSettings
from services.feedback_tagger.store.erasing import Person
from shared.errors import DeskhandError
from shared.lifecycle import DrainTimedOut, LoopCrashed
from shared.logs import configure_logs
from shared.settings import BadSettings

USAGE = "usage: python -m services.feedback_tagger [health | migrate | forget ...]"


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit status: 0 well, 1 not well, 2 called wrongly."""
    try:
        match list(arguments):
            case []:
                asyncio.run(run(environment))
                return 0
            case ["migrate"]:
                return _migrate(environment)
            case ["forget", *rest]:
                return _forget(rest, environment)
    except (BadSettings, LoopCrashed, DrainTimedOut, DeskhandError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    sys.stderr.write(USAGE + "\n")
    return 2


def _migrate(environment: Mapping[str, str]) -> int:
    settings = MigrationSettings.from_environment(environment)
    configure_logs(SERVICE, settings.log_level, deployment=settings.deployment, metrics=METRICS)
    applied = asyncio.run(migrate(settings))
    sys.stdout.write(f"{len(applied)} migrations applied\n")
    return 0


def _forget(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The database's part of `deskhand forget`, as a task inside the VPC with the migration's settings."""
    parser = argparse.ArgumentParser(prog="python -m services.feedback_tagger forget")
    parser.add_argument("--employee", default="")
    parser.add_argument("--ref-id", action="append", default=[])
    parser.add_argument("--row", type=int, action="append", default=[])
    parser.add_argument("--yes", action="store_true", help="delete; without it the rows are counted")
    given = parser.parse_args(arguments)
    person = Person(employee=given.employee, ref_ids=tuple(given.ref_id), row_ids=tuple(given.row))
    if person == Person():
        parser.error("nothing says who is meant")
    own = {name: environment.get(name, "") for name in DatabaseSettings.environment_names()}
    counts = asyncio.run(erase_person(DatabaseSettings.from_environment(own), person, really=given.yes))
    sys.stdout.write(json.dumps({"event": "person_erased", "deleted": given.yes, "rows": counts}) + "\n")
    return 0
