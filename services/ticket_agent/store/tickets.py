"""Tickets in DynamoDB: taken in once, and worked on by one run at a time."""

import hashlib
from dataclasses import replace

from services.ticket_agent.domain.chain import Head
from services.ticket_agent.domain.state import UNASSIGNED, State
from services.ticket_agent.domain.ticket import Ticket, TicketKey, parse_access_request
from services.ticket_agent.store.chained import LedgerChain
from services.ticket_agent.store.ledger import ATTEMPT_ENTRY, INTAKE_ENTRY
from services.ticket_agent.store.port import NewTicket, Submission, Superseded
from services.ticket_agent.store.tables import Tables, as_ticket, look_soon, ticket_key
from services.ticket_agent.store.transaction import Condition, ConditionsFailed, check, put_once, update
from shared import tracing
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item
from shared.clock import as_utc_text


class DynamoDbTickets:
    """The Tickets port; ``client`` is an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, tables: Tables) -> None:
        self._client = client
        self._tables = tables
        self._chain = LedgerChain(client, tables.ledger)

    async def submit(self, ticket: NewTicket, *, at: float) -> Submission:
        moment = as_utc_text(at)
        digest = _digest(ticket)
        claim = {
            "ticketId": ticket.key.ticket_id,
            "entry": INTAKE_ENTRY,
            "at": moment,
            "employeeId": ticket.key.employee_id,
            "senderId": ticket.sender_id,
            "messageId": ticket.message_id,
            "digest": digest,
        }
        row = {
            **ticket_key(ticket.key),
            "assignStatus": UNASSIGNED,
            "ticket_content": ticket.content,
            "communication": "",
            "state": State.OPEN.value,
            "statusVersion": 0,
            "attempt": 0,
            "createdAt": moment,
            "updatedAt": moment,
            "since": int(at),
            "aboutAccess": parse_access_request(ticket.content).about_access,
            **look_soon(at),
            # The stream shows nothing but the item: what follows belongs to the trace of the message only by this.
            **tracing.carrier(),
        }
        known = Condition("attribute_exists(employeeId)")
        try:
            await self._chain.commit(
                claim,
                [
                    # The ticket's key holds the employee: only a claim on the ticket id alone refuses the same id
                    # under another employee.
                    put_once("ticket", self._tables.ticket, row, key="ticketId"),
                    check("employee", self._tables.user, {"employeeId": ticket.key.employee_id}, known),
                ],
                believed=Head(),
            )
        except ConditionsFailed as failed:
            if failed.parts == {"employee"}:
                return Submission.SENDER_GONE
            return Submission.REPEAT if await self._claimed_digest(ticket.key.ticket_id) == digest else Submission.TAKEN
        return Submission.ACCEPTED

    async def load(self, key: TicketKey) -> Ticket | None:
        with aws_errors():
            answer = await self._client.get_item(
                TableName=self._tables.ticket, Key=to_item(ticket_key(key)), ConsistentRead=True
            )
        return as_ticket(from_item(answer["Item"])) if "Item" in answer else None

    async def find(self, ticket_id: str) -> Ticket | None:
        with aws_errors():
            answer = await self._client.query(
                TableName=self._tables.ticket,
                ConsistentRead=True,
                KeyConditionExpression="ticketId = :ticket",
                ExpressionAttributeValues=to_item({":ticket": ticket_id}),
                Limit=2,
            )
        # A decision names no employee: where two have a ticket of that id, nobody can say which is meant.
        return as_ticket(from_item(answer["Items"][0])) if len(answer["Items"]) == 1 else None

    async def take_attempt(self, ticket: Ticket, *, at: float) -> Ticket:
        number = ticket.attempt + 1
        entry = {
            "ticketId": ticket.key.ticket_id,
            "entry": ATTEMPT_ENTRY.format(attempt=number),
            "attempt": number,
            "at": as_utc_text(at),
        }
        try:
            await self._chain.commit(
                entry,
                [
                    update(
                        "ticket",
                        self._tables.ticket,
                        ticket_key(ticket.key),
                        {"attempt": number, "attemptAt": int(at), **look_soon(at)},
                        when=open_in_attempt(ticket),
                    ),
                ],
                begins=number,
            )
        except ConditionsFailed as failed:
            raise Superseded(f"attempt {number}: {failed}") from None
        return replace(ticket, attempt=number, attempt_at=float(int(at)), due_at=look_soon(at)["dueAt"])

    async def _claimed_digest(self, ticket_id: str) -> str | None:
        with aws_errors():
            answer = await self._client.get_item(
                TableName=self._tables.ledger,
                Key=to_item({"ticketId": ticket_id, "entry": INTAKE_ENTRY}),
                ConsistentRead=True,
            )
        return str(from_item(answer["Item"])["digest"]) if "Item" in answer else None


def open_in_attempt(ticket: Ticket) -> Condition:
    """The ticket is open and in the run that ``ticket`` was loaded for.

    Rows from the reference have neither attribute: their absence means open (by its text) and no run yet.
    """
    is_open = "(#state = :open OR (attribute_not_exists(#state) AND #status = :unassigned))"
    same_attempt = "#attempt = :attempt"
    no_attempt_yet = "attribute_not_exists(#attempt)"
    in_attempt = same_attempt if ticket.attempt else f"({same_attempt} OR {no_attempt_yet})"
    return Condition(
        f"{is_open} AND {in_attempt}",
        {"#state": "state", "#status": "assignStatus", "#attempt": "attempt"},
        {":open": State.OPEN.value, ":unassigned": UNASSIGNED, ":attempt": ticket.attempt},
    )


def not_about_access() -> Condition:
    """What the ticket was taken in as. A row that was moved in does not say, so it may not be routed away."""
    return Condition("#about = :no", {"#about": "aboutAccess"}, {":no": False})


def _digest(ticket: NewTicket) -> str:
    return hashlib.sha256(f"{ticket.key.employee_id}\n{ticket.content}".encode()).hexdigest()
