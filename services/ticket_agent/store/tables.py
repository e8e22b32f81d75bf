"""The tables' names, and the one place that says how a row of each is read and keyed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.ticket_agent.domain.access import AccessType, Grant, Standing
from services.ticket_agent.domain.directory import Employee, Environment, ResolverGroup
from services.ticket_agent.domain.state import State, state_of
from services.ticket_agent.domain.ticket import Ticket, TicketKey
from shared.clock import as_utc_text
from shared.tracing import TRACEPARENT

GRANT_MARK = "#grant#"

AGENDA_INDEX = "agenda"
ON_AGENDA = "due"
LOOK_AFTER_SECONDS = 60.0
"""How soon the sweeper looks at a ticket after each change: most are worked on and told within seconds, and a look at
one that is costs a read and a write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    user: str
    environment: str
    user_access: str
    ticket: str
    ledger: str
    resolver_group: str


def look_at(at: float) -> dict[str, str]:
    """Puts a ticket on the sweeper's agenda: the attributes of a sparse index, so that asking what is due reads the
    keys of due tickets and nothing else. docs/decisions/the-agenda-is-a-sparse-index.md"""
    return {"agenda": ON_AGENDA, "dueAt": as_utc_text(at)}


def look_soon(now: float) -> dict[str, str]:
    return look_at(now + LOOK_AFTER_SECONDS)


def told_attributes(version: int, at: float) -> dict[str, Any]:
    """What every new status version leaves on the ticket's row."""
    return {
        "statusVersion": version,
        "updatedAt": as_utc_text(at),
        "toldAt": int(at),
        "looks": 0,
        **look_soon(at),
    }


def arrived_attributes(at: float) -> dict[str, Any]:
    """What a ticket's row says when it came to a new state or assignee."""
    return {"since": int(at), "reminders": 0}


def ticket_key(key: TicketKey) -> dict[str, str]:
    return {"ticketId": key.ticket_id, "employeeId": key.employee_id}


def grant_key(grant: Grant) -> dict[str, str]:
    """A grant lies beside the standing row under a longer sort key, so neither can overwrite the other."""
    return {
        "employeeId": grant.employee_id,
        "environmentId": f"{grant.environment_id}{GRANT_MARK}{grant.ticket_id}",
    }


def standing_key(employee_id: str, environment_id: str) -> dict[str, str]:
    return {"employeeId": employee_id, "environmentId": environment_id}


def grant_row(grant: Grant) -> dict[str, Any]:
    until = as_utc_text(grant.expires_at)
    return {
        **grant_key(grant),
        "grantedEnvironmentId": grant.environment_id,
        "accessType": grant.access_type.text,
        "ticketId": grant.ticket_id,
        "reason": grant.reason,
        "description": f"{grant.access_type.text} access until {until} by ticket {grant.ticket_id}",
        "grantedAt": grant.granted_at,
        "expiresAt": grant.expires_at,
    }


def as_grant(row: Mapping[str, Any]) -> Grant | None:
    """None for a row whose type nobody knows: what cannot be read grants nothing."""
    access_type = AccessType.named(str(row.get("accessType", "")))
    if access_type is None:
        return None
    return Grant(
        employee_id=str(row["employeeId"]),
        environment_id=str(row["environmentId"]).partition(GRANT_MARK)[0],
        access_type=access_type,
        ticket_id=str(row.get("ticketId", "")),
        reason=str(row.get("reason", "")),
        granted_at=int(row.get("grantedAt", 0)),
        # Without an end it would be a standing row; as a grant it has ended.
        expires_at=int(row.get("expiresAt", 0)),
    )


def as_standing(row: Mapping[str, Any]) -> Standing:
    recorded = row.get("accessType")
    return Standing(
        employee_id=str(row["employeeId"]),
        environment_id=str(row["environmentId"]),
        recorded=str(recorded) if recorded is not None else None,
    )


def as_employee(row: Mapping[str, Any]) -> Employee:
    return Employee(
        employee_id=str(row["employeeId"]),
        manager=_text_or_none(row, "manager"),
        sender_id=_text_or_none(row, "senderId"),
        contact=_text_or_none(row, "contact"),
    )


def as_resolver_group(row: Mapping[str, Any]) -> ResolverGroup:
    return ResolverGroup(
        group_id=str(row["groupId"]),
        name=str(row.get("name", "")),
        sender_id=_text_or_none(row, "senderId"),
        contact=_text_or_none(row, "contact"),
    )


def as_environment(row: Mapping[str, Any]) -> Environment:
    return Environment(
        environment_id=str(row["environmentId"]),
        name=str(row.get("environment_name", "")),
        owner=_text_or_none(row, "managing_entity"),
    )


def as_ticket(row: Mapping[str, Any]) -> Ticket:
    """Rows moved in from the reference have its attributes only: the rest has defaults."""
    assign_status = str(row.get("assignStatus", ""))
    recorded = row.get("state")
    return Ticket(
        key=TicketKey(ticket_id=str(row["ticketId"]), employee_id=str(row["employeeId"])),
        content=str(row.get("ticket_content", "")),
        state=State(str(recorded)) if recorded is not None else state_of(assign_status),
        assign_status=assign_status,
        status_version=int(row.get("statusVersion", 0)),
        attempt=int(row.get("attempt", 0)),
        communication=str(row.get("communication", "")),
        assignee=_text_or_none(row, "assignee"),
        created_at=str(row.get("createdAt", "")),
        resolver_group=_text_or_none(row, "resolverGroup"),
        delegated_by=_text_or_none(row, "delegatedBy"),
        since=float(row.get("since", 0)),
        told_at=float(row.get("toldAt", 0)),
        attempt_at=float(row.get("attemptAt", 0)),
        due_at=_text_or_none(row, "dueAt"),
        looks=int(row.get("looks", 0)),
        reminders=int(row.get("reminders", 0)),
        grant_ends_at=int(row["grantEndsAt"]) if row.get("grantEndsAt") else None,
        traceparent=str(row.get(TRACEPARENT, "")),
    )


def _text_or_none(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    # The reference writes the text "None" for a manager it does not know; that is nobody.
    return None if value in (None, "", "None") else str(value)
