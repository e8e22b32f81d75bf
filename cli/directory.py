"""`deskhand directory`: people, what they own, groups and standing access, kept from one YAML file."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from botocore.exceptions import ClientError

from cli.cloud import NOT_INSTALLED, Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.errors import UserError, absent
from cli.names import DEFAULT_NAME
from cli.output import print_json, print_table, say
from cli.tickets import plain, rows_of
from shared.aws.items import to_item

directory = typer.Typer(help="Keep employees, environments, groups and standing access.", no_args_is_help=True)

# As the services read them: an id with '#' could name another row, as keys of grants are made of ids and '#'.
EMPLOYEE_ID = re.compile(r"[A-Za-z0-9._@-]{1,64}")
ENVIRONMENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
GROUP_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
ACCESS_TYPES = ("Read", "Write", "Developer", "DevOps", "Admin")


@dataclass(frozen=True, slots=True)
class Kind:
    """One part of the file and its table: field -> attribute, key fields first."""

    part: str
    table: str
    keys: Mapping[str, str]
    fields: Mapping[str, str]
    required: tuple[str, ...]

    @property
    def known(self) -> dict[str, str]:
        return {**self.keys, **self.fields}


EMPLOYEES = Kind(
    "employees", "User", {"id": "employeeId"}, {"manager": "manager", "sender_id": "senderId", "contact": "contact"}, ()
)
ENVIRONMENTS = Kind(
    "environments",
    "Environment",
    {"id": "environmentId"},
    {"name": "environment_name", "owner": "managing_entity"},
    ("owner",),
)
GROUPS = Kind(
    "groups", "ResolverGroup", {"id": "groupId"}, {"name": "name", "sender_id": "senderId", "contact": "contact"}, ()
)
ACCESS = Kind(
    "access",
    "UserAccess",
    {"employee": "employeeId", "environment": "environmentId"},
    {"description": "description", "type": "accessType"},
    (),
)
KINDS = (EMPLOYEES, ENVIRONMENTS, GROUPS, ACCESS)
ID_RULES = {"employeeId": EMPLOYEE_ID, "environmentId": ENVIRONMENT_ID, "groupId": GROUP_ID}


@dataclass(frozen=True, slots=True)
class DirectoryRow:
    """One row as its table takes it."""

    kind: Kind
    key: Mapping[str, str]
    values: Mapping[str, str]


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
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"there is no file {file}", "check the path") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "name a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise UserError(f"{file} is not YAML ({problem})", "local/sample/directory.yaml shows the form") from None
    return directory_rows(document, str(file))


def directory_rows(document: Any, source: str) -> list[DirectoryRow]:
    """The rows of a parsed directory; every id and every reference inside the file is checked."""
    parts = [kind.part for kind in KINDS]
    if not isinstance(document, dict) or not document:
        raise UserError(f"{source} holds no directory", f"write the lists {', '.join(parts)}")
    unknown = [str(part) for part in document if part not in parts]
    if unknown:
        raise UserError(f"{source}: {unknown[0]} is no part of a directory", f"the parts are {', '.join(parts)}")
    rows = [row for kind in KINDS for row in _rows_of_part(kind, document.get(kind.part), source)]
    _refuse_repeats(rows, source)
    return rows


def _rows_of_part(kind: Kind, entries: Any, source: str) -> Iterator[DirectoryRow]:
    if entries is None:
        return
    if not isinstance(entries, list):
        raise UserError(f"{source}: {kind.part} is no list", "write one entry a line, beginning with a dash")
    for number, entry in enumerate(entries, start=1):
        yield _row(kind, entry, f"{source}: {kind.part}, entry {number}")


def _row(kind: Kind, entry: Any, place: str) -> DirectoryRow:
    if not isinstance(entry, dict):
        raise UserError(f"{place} is no set of fields", f"the fields are {', '.join(kind.known)}")
    for field, value in entry.items():
        if field not in kind.known:
            raise UserError(f"{place}: {field} is not a field", f"the fields are {', '.join(kind.known)}")
        if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
            raise UserError(f"{place}: {field} has no text", "write a text in quotes, or leave the field out")
    for field in (*kind.keys, *kind.required):
        if field not in entry:
            raise UserError(f"{place}: {field} is missing", f"write {field}: ...")
    given = {kind.known[field]: str(value).strip() for field, value in entry.items()}
    key = {attribute: given.pop(attribute) for attribute in kind.keys.values()}
    for attribute, identifier in key.items():
        if not ID_RULES[attribute].fullmatch(identifier):
            raise UserError(
                f"{place}: {identifier!r} is no id", "use letters, digits, dots, dashes, underscores, 64 at most"
            )
    if given.get("accessType", "Read") not in ACCESS_TYPES:
        raise UserError(f"{place}: {given['accessType']!r} is no access type", f"use one of {', '.join(ACCESS_TYPES)}")
    return DirectoryRow(kind, key, given)


def _refuse_repeats(rows: Sequence[DirectoryRow], source: str) -> None:
    seen = set()
    for row in rows:
        identity = (row.kind.part, *row.key.values())
        if identity in seen:
            raise UserError(f"{source}: {' '.join(row.key.values())} is in {row.kind.part} twice", "keep one of them")
        seen.add(identity)


def write_row(cloud: Cloud, row: DirectoryRow) -> str:
    """Set the row's attributes and leave its others alone; says ``added``, ``changed`` or ``unchanged``."""
    table = cloud.names.table(row.kind.table)
    values = dict(row.values)
    names = {f"#{index}": attribute for index, attribute in enumerate(values)}
    update = {
        "UpdateExpression": "SET " + ", ".join(f"#{index} = :{index}" for index in range(len(values))),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_item({f":{index}": value for index, value in enumerate(values.values())}),
    }
    try:
        answer = cloud.client("dynamodb").update_item(
            TableName=table, Key=to_item(row.key), ReturnValues="ALL_OLD", **(update if values else {})
        )
    except ClientError as error:
        if not absent(error):
            raise
        raise UserError(f"there is no table {table} in this account and region", NOT_INSTALLED) from None
    before = answer.get("Attributes")
    if not before:
        return "added"
    same = all(before.get(attribute) == {"S": value} for attribute, value in values.items())
    return "unchanged" if same else "changed"


def _order(kind: Kind) -> Any:
    return lambda row: tuple(str(row[attribute]) for attribute in kind.keys.values())
