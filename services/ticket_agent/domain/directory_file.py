"""The directory as people write it: lists of employees, environments, groups and standing access, held to their rules.

A row keeps the names of its table's attributes, so that whoever writes it needs no table of names of its own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.ticket_agent.domain.access import AccessType
from shared.errors import BadInput

# As the services read them: an id with '#' could name another row, as keys of grants are made of ids and '#'.
EMPLOYEE_ID = re.compile(r"[A-Za-z0-9._@-]{1,64}")
ENVIRONMENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
GROUP_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
ACCESS_TYPES = tuple(access_type.text for access_type in AccessType)


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


def directory_rows(document: Any, source: str) -> list[DirectoryRow]:
    """The rows of a parsed file; every id is checked. Raises BadInput naming the place of the first thing wrong."""
    parts = [kind.part for kind in KINDS]
    if not isinstance(document, dict) or not document:
        raise _bad(source, "holds no directory", f"write the lists {', '.join(parts)}")
    unknown = [str(part) for part in document if part not in parts]
    if unknown:
        raise _bad(source, f"{unknown[0]} is no part of a directory", f"the parts are {', '.join(parts)}")
    rows = [row for kind in KINDS for row in _rows_of_part(kind, document.get(kind.part), source)]
    _refuse_repeats(rows, source)
    return rows


def _rows_of_part(kind: Kind, entries: Any, source: str) -> Iterator[DirectoryRow]:
    if entries is None:
        return
    if not isinstance(entries, list):
        raise _bad(source, f"{kind.part} is no list", "write one entry a line, beginning with a dash")
    for number, entry in enumerate(entries, start=1):
        yield _row(kind, entry, f"{source}: {kind.part}, entry {number}")


def _row(kind: Kind, entry: Any, place: str) -> DirectoryRow:
    if not isinstance(entry, dict):
        raise _bad(place, "is no set of fields", f"the fields are {', '.join(kind.known)}")
    for field, value in entry.items():
        if field not in kind.known:
            raise _bad(place, f"{field} is not a field", f"the fields are {', '.join(kind.known)}")
        if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).strip():
            raise _bad(place, f"{field} has no text", "write a text in quotes, or leave the field out")
    for field in (*kind.keys, *kind.required):
        if field not in entry:
            raise _bad(place, f"{field} is missing", f"write {field}: ...")
    given = {kind.known[field]: str(value).strip() for field, value in entry.items()}
    key = {attribute: given.pop(attribute) for attribute in kind.keys.values()}
    for attribute, identifier in key.items():
        if not ID_RULES[attribute].fullmatch(identifier):
            raise _bad(place, f"{identifier!r} is no id", "use letters, digits, dots, dashes, underscores, 64 at most")
    if given.get("accessType", "Read") not in ACCESS_TYPES:
        raise _bad(place, f"{given['accessType']!r} is no access type", f"use one of {', '.join(ACCESS_TYPES)}")
    return DirectoryRow(kind, key, given)


def _refuse_repeats(rows: Sequence[DirectoryRow], source: str) -> None:
    seen = set()
    for row in rows:
        identity = (row.kind.part, *row.key.values())
        if identity in seen:
            raise _bad(source, f"{' '.join(row.key.values())} is in {row.kind.part} twice", "keep one of them")
        seen.add(identity)


def _bad(place: str, problem: str, remedy: str) -> BadInput:
    return BadInput(field=place, problem=problem, remedy=remedy)
