"""The tables as evaluation sees them: plain rows by short table name, and the rows a case begins with.

Attribute names and keys are written out here once more and not taken from the stores: what judges a write must not
share its code.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Snapshot: TypeAlias = Mapping[str, tuple[Row, ...]]
"""Rows by ``User``, ``Environment``, ``ResolverGroup``, ``UserAccess``, ``Ticket``."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "User": ("employeeId",),
    "Environment": ("environmentId",),
    "ResolverGroup": ("groupId",),
    "UserAccess": ("employeeId", "environmentId"),
    "Ticket": ("ticketId", "employeeId"),
}
GRANT = "#grant#"
DAY = 86_400


def keyed(table: str, rows: Iterable[Row]) -> dict[tuple[str, ...], Row]:
    """The rows of a table by their key."""
    return {tuple(str(row[name]) for name in KEYS[table]): row for row in rows}


def user(employee_id: str, manager: str | None = None) -> Row:
    return {"employeeId": employee_id, **({"manager": manager} if manager is not None else {})}


def environment(environment_id: str, name: str = "", owner: str | None = None) -> Row:
    owned = {"managing_entity": owner} if owner is not None else {}
    return {"environmentId": environment_id, "environment_name": name, **owned}


def resolver_group(group_id: str, name: str = "") -> Row:
    return {"groupId": group_id, "name": name}


def standing_access(employee_id: str, environment_id: str, access_type: str | None = None) -> Row:
    typed = {"accessType": access_type} if access_type is not None else {}
    return {
        "employeeId": employee_id,
        "environmentId": environment_id,
        "description": "Access of long standing",
        **typed,
    }


def granted_access(employee_id: str, environment_id: str, access_type: str, *, ticket_id: str, ends_at: int) -> Row:
    return {
        "employeeId": employee_id,
        "environmentId": f"{environment_id}{GRANT}{ticket_id}",
        "grantedEnvironmentId": environment_id,
        "accessType": access_type,
        "ticketId": ticket_id,
        "reason": "An earlier ticket",
        "description": f"{access_type} access by ticket {ticket_id}",
        "grantedAt": ends_at - 10 * DAY,
        "expiresAt": ends_at,
    }
