"""`deskhand doctor`: whether everything that Deskhand needs is there and allowed, a line each, with the remedy."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.checks import RESOURCES, Check, Line, Patient, State, alarms, examined
from cli.checks_of_models import database, models, quotas
from cli.cloud import CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.deployed import deployed
from cli.names import DEFAULT_NAME
from cli.output import print_json, printable, say

CHECKS: tuple[tuple[str, Check], ...] = (
    *RESOURCES,
    ("models", models),
    ("quotas", quotas),
    ("database", database),
    ("alarms", alarms),
)


def doctor(
    ask: Annotated[bool, typer.Option("--ask", help="Ask each model for one token: costs less than a cent.")] = False,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Check credentials, clock, resources, models, quotas, database, alarms; changes nothing. Status 1 if one fails."""
    there = open_cloud(cloud, name)
    patient = Patient(cloud=there, deployed=deployed(there), now=datetime.now(UTC), ask=ask)
    lines = []
    for line in examined(patient, CHECKS):
        lines.append(line)
        if not as_json:
            _show(line)
    counts = Counter(line.state for line in lines)
    if as_json:
        print_json(
            {
                "healthy": not counts[State.FAIL],
                "checks": [
                    {"check": each.check, "state": each.state.value, "said": each.said, "remedy": each.remedy}
                    for each in lines
                ],
            }
        )
    else:
        say(", ".join(f"{counts[state]} {state.value}" for state in State))
    if counts[State.FAIL]:
        raise typer.Exit(1)


def _show(line: Line) -> None:
    typer.echo(printable(f"{line.state.value:4}  {line.check:11}  {line.said}"))
    if line.remedy:
        typer.echo(printable(f"{'':19}{line.remedy}"))
