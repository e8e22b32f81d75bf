"""`deskhand tickets approve|decline|reassign`: a person's decision as a message; it needs the queue and no table."""

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.cloud import Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud, queue_url
from cli.errors import UserError
from cli.names import DEFAULT_NAME
from cli.output import print_json, say
from cli.tickets import plain, rows_of
from shared.aws.items import to_item
from shared.errors import BadInput
from shared.messages import MessageSchema

DECISION = MessageSchema.from_package("services.ticket_agent.messages", "decision.schema.json")
QUEUE = "ticket-decisions"
POLL_SECONDS = 0.5

ByOption = Annotated[
    str,
    typer.Option(
        "--by",
        envvar="DESKHAND_EMPLOYEE",
        help="Who decides: your id in the directory, whose senderId these credentials send with.",
    ),
]
CommentOption = Annotated[str | None, typer.Option("--comment", help="What the requester is told about it.")]
WaitOption = Annotated[
    int, typer.Option("--wait", min=0, help="Wait this many seconds for what came of it; reads the ledger.")
]


def approve(
    ticket_id: str,
    by: ByOption,
    days: Annotated[
        int | None, typer.Option("--days", help="For how many days; else what the ticket asks for.")
    ] = None,
    comment: CommentOption = None,
    wait: WaitOption = 0,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Give the access that a ticket asks for, once, with an end."""
    _decide(
        "approve", ticket_id, by, {"days": days, "comment": comment}, open_cloud(cloud, name), wait, as_json=as_json
    )


def decline(
    ticket_id: str,
    by: ByOption,
    comment: CommentOption = None,
    wait: WaitOption = 0,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """End a ticket without giving anything."""
    _decide("decline", ticket_id, by, {"comment": comment}, open_cloud(cloud, name), wait, as_json=as_json)


def reassign(
    ticket_id: str,
    by: ByOption,
    to: Annotated[str, typer.Option("--to", help="Who gets it: an employee, or a group if it is not about access.")],
    comment: CommentOption = None,
    wait: WaitOption = 0,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Pass a ticket on to somebody else, who then decides."""
    _decide("reassign", ticket_id, by, {"to": to, "comment": comment}, open_cloud(cloud, name), wait, as_json=as_json)


def decision_body(decision: str, ticket_id: str, by: str, more: Mapping[str, Any]) -> str:
    """The decision as the queue takes it. Raises UserError for what the door would refuse, in the same words."""
    given = {field: value for field, value in more.items() if value is not None}
    message = {"version": 1, "ticketId": ticket_id, "decidedBy": by, "decision": decision, **given}
    body = json.dumps(message, ensure_ascii=False)
    try:
        DECISION.read(body)
    except BadInput as error:
        raise UserError(f"the decision cannot be sent: {error.field} {error.problem}", error.remedy) from None
    return body


def _decide(
    decision: str, ticket_id: str, by: str, more: Mapping[str, Any], cloud: Cloud, wait: int, *, as_json: bool
) -> None:
    body = decision_body(decision, ticket_id, by, more)
    sent = cloud.client("sqs").send_message(QueueUrl=queue_url(cloud, QUEUE), MessageBody=body)
    decision_id = str(sent["MessageId"])
    if wait:
        _tell(_await_settlement(cloud, ticket_id, decision_id, wait), as_json=as_json)
    elif as_json:
        print_json({"ticketId": ticket_id, "decisionId": decision_id})
    else:
        typer.echo(decision_id)
        say(f"sent; see what comes of it with: deskhand tickets show {ticket_id}")


def _await_settlement(cloud: Cloud, ticket_id: str, decision_id: str, seconds: int) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for row in _ledger(cloud, ticket_id):
            entry = str(row["entry"])
            if row.get("decisionId") == decision_id and entry.startswith(("status#", "refused#")):
                return row
        time.sleep(POLL_SECONDS)
    dead = cloud.names.queue(f"{QUEUE}-dead")
    raise UserError(
        f"nothing has come of the decision after {seconds} s",
        f"if it was refused, it is in {dead} with the reason; else look again: deskhand tickets show {ticket_id}",
    )


def _ledger(cloud: Cloud, ticket_id: str) -> list[dict[str, Any]]:
    values = to_item({":ticket": ticket_id})
    condition = "ticketId = :ticket"
    rows = rows_of(cloud, "Ledger", "query", KeyConditionExpression=condition, ExpressionAttributeValues=values)
    return list(rows)


def _tell(row: Mapping[str, Any], *, as_json: bool) -> None:
    """Raises UserError where the decision was not carried out."""
    carried_out = str(row["entry"]).startswith("status#") and not row.get("headline")
    if as_json:
        print_json({**plain(row), "carriedOut": carried_out})
    if not carried_out:
        raise UserError(
            str(row.get("reason") or row.get("communication", "the decision was not carried out")),
            f"see the ticket: deskhand tickets show {row['ticketId']}",
        )
    if not as_json:
        typer.echo(row.get("assignStatus", ""))
