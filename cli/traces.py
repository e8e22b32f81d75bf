"""Where one person's traces are in the tables, and taking them away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.cloud import Cloud
from cli.tickets import ledger_rows, rows_of
from services.ticket_agent.domain.chain import SALT, TEXTS
from services.ticket_agent.domain.state import AWAITING, State
from shared.aws.items import to_item

NOT_OVER = frozenset({State.OPEN, *AWAITING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Of an employee in the tables. ``open_tickets`` still need them and their access; ``named_in``: rows of others."""

    employee: str
    tickets: Sequence[str] = ()
    open_tickets: Sequence[str] = ()
    entries: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    access: Sequence[str] = ()
    in_directory: bool = False
    named_in: Sequence[str] = ()


def texts_of(entry: Mapping[str, Any]) -> list[str]:
    """The attributes of a ledger's entry that go. The chain covers them by a digest, which stays."""
    return sorted(entry.keys() & {SALT, *entry.get(TEXTS, ())})


def traces_of(cloud: Cloud, employee: str) -> Traces:
    """Reads the whole tables of tickets and of the directory."""
    tickets: list[str] = []
    open_tickets: list[str] = []
    named_in: list[str] = []
    entries: list[Mapping[str, Any]] = []
    for row in rows_of(cloud, "Ticket", "scan"):
        if row["employeeId"] == employee:
            (open_tickets if row.get("state", State.OPEN) in NOT_OVER else tickets).append(str(row["ticketId"]))
        elif employee in (row.get("assignee"), row.get("owner")):
            named_in.append(f"ticket {row['ticketId']}")
    for ticket_id in tickets:
        entries += [entry for entry in ledger_rows(cloud, ticket_id) if texts_of(entry)]
    access = rows_of(
        cloud,
        "UserAccess",
        "query",
        KeyConditionExpression="employeeId = :employee",
        ExpressionAttributeValues=to_item({":employee": employee}),
    )
    in_directory = False
    for row in rows_of(cloud, "User", "scan"):
        in_directory |= row["employeeId"] == employee
        if row.get("manager") == employee:
            named_in.append(f"employee {row['employeeId']}, whose manager they are")
    for row in rows_of(cloud, "Environment", "scan"):
        if row.get("managing_entity") == employee:
            named_in.append(f"environment {row['environmentId']}, whose owner they are")
    return Traces(
        employee=employee,
        tickets=sorted(tickets),
        open_tickets=sorted(open_tickets),
        entries=entries,
        access=sorted(str(row["environmentId"]) for row in access),
        in_directory=in_directory,
        named_in=named_in,
    )


def erase_traces(cloud: Cloud, traces: Traces) -> None:
    """The ledger's texts first and the directory last: killed in between, the same call finds the rest again."""
    dynamodb, names = cloud.client("dynamodb"), cloud.names
    for entry in traces.entries:
        gone = {f"#t{number}": name for number, name in enumerate(texts_of(entry))}
        dynamodb.update_item(
            TableName=names.table("Ledger"),
            Key=to_item({"ticketId": entry["ticketId"], "entry": entry["entry"]}),
            UpdateExpression=f"REMOVE {', '.join(gone)}",
            ConditionExpression="attribute_exists(ticketId)",
            ExpressionAttributeNames=gone,
        )
    keys = [("Ticket", {"ticketId": ticket_id, "employeeId": traces.employee}) for ticket_id in traces.tickets]
    if not traces.open_tickets:
        keys += [("UserAccess", {"employeeId": traces.employee, "environmentId": which}) for which in traces.access]
        keys.append(("User", {"employeeId": traces.employee}))
    for table, key in keys:
        dynamodb.delete_item(TableName=names.table(table), Key=to_item(key))
