"""`deskhand tickets`: send a ticket through its door, and read what became of it from the tables."""

import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from cli.cloud import NOT_INSTALLED, Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud, queue_url
from cli.errors import UserError, absent
from cli.names import DEFAULT_NAME
from cli.output import print_fields, print_json, print_table, say
from services.ticket_agent.domain.chain import HEAD_ENTRY
from shared.aws.items import from_item, to_item
from shared.errors import BadInput
from shared.messages import MessageSchema

TICKET = MessageSchema.from_package("services.ticket_agent.messages", "ticket.schema.json")
OPEN_STATUS = "unassigned"
POLL_SECONDS = 0.5
TOLD = (
    *("senderId", "tool", "tools", "arguments", "failed", "environmentId", "accessType", "policies"),
    *("headline", "kind", "decider", "reason"),
    *("assignStatus", "modelMs", "toolCalls", "runMs", "version"),
)

tickets = typer.Typer(help="Send tickets and see how they ended.", no_args_is_help=True)


@tickets.command()
def submit(
    employee: Annotated[str, typer.Option("--employee", help="Who asks: an employee id of the directory.")],
    file: Annotated[Path | None, typer.Option("--file", help="The ticket's text; - reads standard input.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="The ticket's text itself.")] = None,
    ticket_id: Annotated[str | None, typer.Option("--id", help="A ticket id of your own; else one is made.")] = None,
    wait: Annotated[int, typer.Option("--wait", min=0, help="Wait this many seconds for the outcome.")] = 0,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Send one ticket to the queue NAME-ticket-intake."""
    message = {
        "version": 1,
        "ticketId": ticket_id or f"t-{uuid.uuid4().hex[:12]}",
        "employeeId": employee,
        "content": _content(file, text),
    }
    body = ticket_body(message)
    there = open_cloud(cloud, name)
    message_id = send_ticket(there, body)
    if wait:
        _show(_await_outcome(there, str(message["ticketId"]), wait), there, as_json=as_json)
    elif as_json:
        print_json({"ticketId": message["ticketId"], "messageId": message_id})
    else:
        typer.echo(message["ticketId"])
        say(f"sent; follow it with: deskhand tickets show {message['ticketId']}")


@tickets.command()
def show(
    ticket_id: str,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Show one ticket: its status, what its people are told, and every entry of its ledger."""
    there = open_cloud(cloud, name)
    row = ticket_row(there, ticket_id)
    if row is None:
        raise UserError(
            f"there is no ticket {ticket_id}",
            "a ticket appears a second after it was sent; if it does not, its message is in "
            f"{there.names.queue('ticket-intake-dead')} with the reason",
        )
    _show(row, there, as_json=as_json)


@tickets.command("list")
def list_(
    status: Annotated[str | None, typer.Option("--status", help="Only tickets whose status contains this.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """List tickets, the newest first. Reads the whole table: a large one takes a while."""
    there = open_cloud(cloud, name)
    found = [
        row
        for row in rows_of(there, "Ticket", "scan")
        if status is None or status.casefold() in str(row.get("assignStatus", "")).casefold()
    ]
    found.sort(key=lambda row: str(row.get("createdAt", "")), reverse=True)
    if as_json:
        print_json([plain(row) for row in found[:limit]])
        return
    print_table(
        ("ticket", "employee", "status", "since"),
        [
            (row["ticketId"], row["employeeId"], row.get("assignStatus", ""), row.get("updatedAt", ""))
            for row in found[:limit]
        ],
    )
    say(f"{min(limit, len(found))} of {len(found)} tickets")


def ticket_body(message: Mapping[str, Any]) -> str:
    """The ticket as the queue takes it. Raises UserError for what intake would refuse, in the same words."""
    body = json.dumps(message, ensure_ascii=False)
    try:
        TICKET.read(body)
    except BadInput as error:
        raise UserError(f"the ticket cannot be sent: {error.field} {error.problem}", error.remedy) from None
    return body


def send_ticket(cloud: Cloud, body: str) -> str:
    """Put the ticket on the queue; returns the message id."""
    sent = cloud.client("sqs").send_message(QueueUrl=queue_url(cloud, "ticket-intake"), MessageBody=body)
    return str(sent["MessageId"])


def rows_of(cloud: Cloud, table: str, operation: str, **request: Any) -> Iterator[dict[str, Any]]:
    """Every row that a scan or a query finds, page by page. Raises UserError if there is no such table."""
    pages = cloud.client("dynamodb").get_paginator(operation)
    full_name = cloud.names.table(table)
    try:
        for page in pages.paginate(TableName=full_name, ConsistentRead=True, **request):
            yield from (from_item(item) for item in page["Items"])
    except ClientError as error:
        if not absent(error):
            raise
        raise UserError(f"there is no table {full_name} in this account and region", NOT_INSTALLED) from None


def ticket_row(cloud: Cloud, ticket_id: str) -> dict[str, Any] | None:
    """The ticket of that id, whoever asked; None if there is none."""
    return next(_of_ticket(cloud, "Ticket", ticket_id), None)


def ledger_rows(cloud: Cloud, ticket_id: str) -> Iterator[dict[str, Any]]:
    """Every item that the ledger holds of the ticket, in the order of their keys."""
    return _of_ticket(cloud, "Ledger", ticket_id)


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB's numbers as JSON's."""
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: Any) -> Any:
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return plain(value)
        case list():
            return [_plain(inner) for inner in value]
        case _:
            return value


def _of_ticket(cloud: Cloud, table: str, ticket_id: str) -> Iterator[dict[str, Any]]:
    return rows_of(
        cloud,
        table,
        "query",
        KeyConditionExpression="ticketId = :ticket",
        ExpressionAttributeValues=to_item({":ticket": ticket_id}),
    )


def _content(file: Path | None, text: str | None) -> str:
    if (file is None) == (text is None):
        raise UserError("a ticket needs exactly one text", "give --file PATH, --file - or --text TEXT")
    if text is not None:
        return text
    if str(file) == "-":
        return sys.stdin.read()
    return _read(Path(str(file)))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"there is no file {file}", "check the path") from None
    except UnicodeDecodeError:
        raise UserError(f"{file} is not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "name a text file") from None


def _await_outcome(cloud: Cloud, ticket_id: str, seconds: int) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        row = ticket_row(cloud, ticket_id)
        if row is not None and row.get("assignStatus") != OPEN_STATUS:
            return row
        time.sleep(POLL_SECONDS)
    raise UserError(
        f"ticket {ticket_id} has not ended after {seconds} s", f"look again: deskhand tickets show {ticket_id}"
    )


def _show(row: Mapping[str, Any], cloud: Cloud, *, as_json: bool) -> None:
    ledger = (entry for entry in ledger_rows(cloud, str(row["ticketId"])) if entry["entry"] != HEAD_ENTRY)
    entries = sorted(ledger, key=lambda entry: str(entry.get("at", "")))
    if as_json:
        print_json({**plain(row), "ledger": [plain(entry) for entry in entries]})
        return
    print_fields(
        [
            ("ticket", row["ticketId"]),
            ("employee", row["employeeId"]),
            ("status", row.get("assignStatus", "")),
            ("told", row.get("communication", "")),
            ("next step", row.get("nextStep", "")),
            ("since", row.get("updatedAt", "")),
        ]
    )
    print_table(
        ("at", "entry", "what"), [(entry.get("at", ""), entry["entry"], _facts(plain(entry))) for entry in entries]
    )


def _facts(entry: Mapping[str, Any]) -> str:
    """What an entry says in a few words; --json has all of it."""
    return "  ".join(f"{key}={_short(entry[key])}" for key in TOLD if entry.get(key) not in (None, "", [], False))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
