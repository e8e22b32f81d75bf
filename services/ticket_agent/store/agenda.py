"""The sweeper's agenda, in DynamoDB: a sparse index of the tickets that somebody has to look at, by when."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from services.ticket_agent.domain.ticket import Ticket, TicketKey
from services.ticket_agent.store.tables import AGENDA_INDEX, ON_AGENDA, Tables, as_ticket, look_at, ticket_key
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item
from shared.clock import as_utc_text


class DynamoDbAgenda:
    """The Agenda port; ``client`` is an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, tables: Tables) -> None:
        self._client = client
        self._tables = tables

    async def due(self, now: float, *, page: int) -> AsyncIterator[list[TicketKey]]:
        query: dict[str, Any] = {
            "TableName": self._tables.ticket,
            "IndexName": AGENDA_INDEX,
            "KeyConditionExpression": "agenda = :due AND dueAt <= :now",
            "ExpressionAttributeValues": to_item({":due": ON_AGENDA, ":now": as_utc_text(now)}),
            "Limit": page,
        }
        while True:
            with aws_errors():
                answer = await self._client.query(**query)
            yield [_key(from_item(item)) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def put_off(self, ticket: Ticket, until: float | None, *, repeated: bool = False) -> None:
        names = {"#due": "dueAt", "#agenda": "agenda"}
        values: dict[str, Any] = {":seen": ticket.due_at}
        if until is None:
            change = "REMOVE #due, #agenda"
        else:
            change = "SET #due = :until, #agenda = :due" + (", #looks = :looks" if repeated else "")
            row = look_at(until)
            values |= {":until": row["dueAt"], ":due": row["agenda"]}
            if repeated:
                names["#looks"], values[":looks"] = "looks", ticket.looks + 1
        with aws_errors():
            try:
                await self._client.update_item(
                    TableName=self._tables.ticket,
                    Key=to_item(ticket_key(ticket.key)),
                    UpdateExpression=change,
                    # Whatever happened to the ticket since it was read has set a date of its own.
                    ConditionExpression="#due = :seen",
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=to_item(values),
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
                    raise

    async def everything(self) -> AsyncIterator[Ticket]:
        scan: dict[str, Any] = {"TableName": self._tables.ticket, "ConsistentRead": True}
        while True:
            with aws_errors():
                answer = await self._client.scan(**scan)
            for item in answer["Items"]:
                yield as_ticket(from_item(item))
            if "LastEvaluatedKey" not in answer:
                return
            scan["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _key(row: Mapping[str, Any]) -> TicketKey:
    return TicketKey(ticket_id=str(row["ticketId"]), employee_id=str(row["employeeId"]))
