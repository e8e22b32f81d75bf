"""`deskhand directory`: people, what they own, groups and standing access, kept from one YAML file."""

from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from cli.cloud import NOT_INSTALLED, Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.errors import UserError, absent
from cli.names import DEFAULT_NAME
from cli.output import print_json, print_table, say
from cli.tickets import plain, rows_of
from services.ticket_agent.domain.directory_file import KINDS, DirectoryRow, Kind
from services.ticket_agent.store.seeding import Written, rows_in, update_request, written
from shared.errors import BadInput

directory = typer.Typer(help="Keep employees, environments, groups and standing access.", no_args_is_help=True)


@directory.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="YAML with employees, environments, groups and access.")],
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Add and update what FILE names. Nothing is removed, and a second import changes nothing."""
    rows = read_directory(file)
    there = open_cloud(cloud, name)
    counts = {kind.part: {"added": 0, "changed": 0, "unchanged": 0} for kind in KINDS}
    for row in rows:
        counts[row.kind.part][write_row(there, row)] += 1
    if as_json:
        print_json(counts)
        return
    print_table(
        ("part", "added", "changed", "unchanged"),
        [(part, *found.values()) for part, found in counts.items()],
        right=("added", "changed", "unchanged"),
    )


@directory.command()
def show(cloud: CloudOption = CloudChoice.AUTO, name: NameOption = DEFAULT_NAME, as_json: JsonOption = False) -> None:
    """Show employees, environments, groups and access, temporary grants included."""
    there = open_cloud(cloud, name)
    tables = {kind.part: sorted(rows_of(there, kind.table, "scan"), key=_order(kind)) for kind in KINDS}
    if as_json:
        print_json({part: [plain(row) for row in rows] for part, rows in tables.items()})
        return
    for kind in KINDS:
        attributes = list(kind.known.values())
        shown = [a for a in attributes if a in kind.keys.values() or any(row.get(a) for row in tables[kind.part])]
        print_table(shown, [[row.get(a, "") for a in shown] for row in tables[kind.part]], title=kind.part)
    say(", ".join(f"{len(rows)} {part}" for part, rows in tables.items()))


def read_directory(file: Path) -> list[DirectoryRow]:
    """The rows of a directory file. Raises UserError naming the place of the first thing that cannot be taken."""
    try:
        return rows_in(file.read_bytes(), str(file))
    except FileNotFoundError:
        raise UserError(f"there is no file {file}", "check the path") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "name a YAML file") from None
    except BadInput as error:
        raise UserError(f"{error.field}: {error.problem}", error.remedy) from None


def write_row(cloud: Cloud, row: DirectoryRow) -> Written:
    """Set the row's attributes and leave its others alone; says ``added``, ``changed`` or ``unchanged``."""
    table = cloud.names.table(row.kind.table)
    try:
        answer = cloud.client("dynamodb").update_item(**update_request(row, table))
    except ClientError as error:
        if not absent(error):
            raise
        raise UserError(f"there is no table {table} in this account and region", NOT_INSTALLED) from None
    return written(row, answer)


def _order(kind: Kind) -> Any:
    return lambda row: tuple(str(row[attribute]) for attribute in kind.keys.values())
