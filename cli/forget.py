"""`deskhand forget`: one person's data out of tables, database and bucket; first what there is, then away."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from cli.cloud import Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.environment import process_environment
from cli.errors import UserError
from cli.names import DEFAULT_NAME
from cli.objects import versions_with
from cli.output import print_json, print_table, printable, say
from cli.traces import Traces, erase_traces, traces_of
from local.provisioning import TAGGER
from services.feedback_tagger.database import erase_person
from services.feedback_tagger.settings import DatabaseSettings
from services.feedback_tagger.store.erasing import Person
from shared.errors import BadInput, DeskhandError
from shared.settings import BadSettings

STAYS = (
    "backups: tables can be restored to any second of 35 days, the database to its retention; no row can be taken out",
    "the ledger's entries without their texts: that a ticket was worked on, what was granted, the digests of the chain",
    "texts of other people's tickets that mention them, and decisions that they took on those",
    "who put files, commands and corrections into the bucket, as S3 names them",
    "messages under way (4 days), dead letters and the mailbox (14 days), logs (ids alone), e-mails that SNS sent",
    "a file of your own, a directory of people too: loaded again, it brings its rows back",
)


@dataclass(slots=True)
class Found:
    """``places`` counts what goes by where it is; ``problems`` are parts that could not be done."""

    places: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def forget(
    employee: Annotated[
        str,
        typer.Option(
            "--employee", help="Their tickets, traces, access, directory row: reads the whole table of tickets."
        ),
    ] = "",
    ref_id: Annotated[
        list[str] | None,
        typer.Option(
            "--ref-id", help="A row of feedback by its sender's id: an e-mail's Message-ID, a page's address."
        ),
    ] = None,
    row: Annotated[list[int] | None, typer.Option("--row", min=1, help="A row of feedback by its number.")] = None,
    files: Annotated[
        bool, typer.Option("--files", help="Also whole objects in the bucket that contain a --ref-id: reads them all.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it what there is is counted.")] = False,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Delete one person's data, after showing what there is. Status 1 if a part of it could not be reached.

    Done again, it finds nothing. The database is the one of DATABASE_URL, with rights to delete (on the embedded
    cloud: its own). What stays is said at the end.
    """
    person = Person(employee=employee, ref_ids=tuple(ref_id or ()), row_ids=tuple(row or ()))
    if person == Person():
        raise UserError("nothing says who is meant", "give --employee, --ref-id or --row")
    if files and not ref_id:
        raise UserError("files are found by what they contain", "give a --ref-id with --files")
    if not all((employee or "-").strip() and each.strip() for each in (*person.ref_ids, "-")):
        raise UserError("an empty id is no id", "give the id as it is stored")
    there = open_cloud(cloud, name)
    found = Found()
    # The database first: what it knows of an employee is found by their id alone.
    _rows(there, person, found, really=yes)
    if employee:
        _tables(there, employee, found, really=yes)
    if files:
        _files(there, person.ref_ids, found, really=yes)
    _show(found, deleted=yes, as_json=as_json)
    if found.problems:
        raise typer.Exit(1)


def database_environment(cloud: Cloud, environ: Mapping[str, str]) -> dict[str, str]:
    """The database's settings: those of this process, else the embedded cloud's; empty if nobody names any."""
    own = DatabaseSettings.environment_names()
    here = {name: environ[name] for name in own if environ.get(name)}
    if "DATABASE_URL" in here:
        return here
    there = cloud.services.get(TAGGER, {})
    return {name: there[name] for name in own if there.get(name)}


def _rows(cloud: Cloud, person: Person, found: Found, *, really: bool) -> None:
    environment = database_environment(cloud, os.environ)
    if not environment:
        found.problems.append(
            "the database: set DATABASE_URL to a user who may delete, from a machine that it lets in, or run the same "
            "inside the VPC (docs/runbook.md, 'Delete one person's data')"
        )
        return
    try:
        settings = DatabaseSettings.from_environment(environment)
        with process_environment(cloud.environment or os.environ):
            counts = asyncio.run(erase_person(settings, person, really=really))
    except (BadInput, BadSettings, DeskhandError) as error:
        found.problems.append(f"the database: {error}")
        return
    found.places |= {f"database, {place}": count for place, count in counts.items()}


def _tables(cloud: Cloud, employee: str, found: Found, *, really: bool) -> None:
    traces = traces_of(cloud, employee)
    if really:
        erase_traces(cloud, traces)
    found.places |= _counted(traces)
    found.kept += [f"kept: {each}" for each in traces.named_in]
    for ticket_id in traces.open_tickets:
        found.problems.append(
            f"ticket {ticket_id} is not over: let it end (deskhand tickets decline {ticket_id}), then again"
        )


def _files(cloud: Cloud, ref_ids: Sequence[str], found: Found, *, really: bool) -> None:
    holding, needed_by = versions_with(cloud, ref_ids)
    for run in needed_by:
        again = f"let it end (deskhand runs show {run}), then again"
        found.problems.append(f"run {run} is open and needs its objects: {again}")
    keys = list(dict.fromkeys(each.key for each in holding))
    found.places["objects in the bucket"] = len(keys)
    found.places["versions of them"] = len(holding)
    if not really:
        found.kept += [f"would go: s3://{cloud.names.bucket}/{key}" for key in keys]
        return
    for each in holding:
        cloud.client("s3").delete_object(Bucket=cloud.names.bucket, Key=each.key, VersionId=each.version_id)


def _counted(traces: Traces) -> dict[str, int]:
    return {
        "table Ledger, entries whose texts go": len(traces.entries),
        "table Ticket": len(traces.tickets),
        "table UserAccess": 0 if traces.open_tickets else len(traces.access),
        "table User": 0 if traces.open_tickets else int(traces.in_directory),
    }


def _show(found: Found, *, deleted: bool, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {
            "deleted": deleted,
            "places": found.places,
            "problems": found.problems,
            "kept": found.kept,
            "stays": list(STAYS),
        }
        print_json(document)
        return
    what = "deleted" if deleted else "would go"
    print_table(("where", what), list(found.places.items()), right=(what,))
    for line in found.kept:
        typer.echo(printable(line))
    for line in found.problems:
        typer.echo(printable(f"! {line}"))
    say("stays:")
    for line in STAYS:
        say(f"  {line}")
    if not deleted:
        say("nothing was deleted; with --yes it is, for good")
