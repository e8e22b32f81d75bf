"""People's decisions in the ledger, in DynamoDB: ``decision#ID`` as it came, ``refused#ID`` where it came too late."""

from collections.abc import Mapping
from typing import Any

from services.ticket_agent.domain.ruling import Kind, Ruling
from services.ticket_agent.domain.ticket import Ticket
from services.ticket_agent.store.ledger import DynamoDbLedger
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item

DECISION_ENTRY = "decision#{ruling_id}"
REFUSED_ENTRY = "refused#{ruling_id}"


class DynamoDbRulings:
    """The Rulings port; ``client`` is an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table
        self._ledger = DynamoDbLedger(client, table)

    async def keep(self, ticket: Ticket, ruling: Ruling, *, sender_id: str, at: float) -> None:
        facts = {
            "decisionId": ruling.ruling_id,
            "kind": ruling.kind.value,
            "decider": ruling.decider,
            "comment": ruling.comment,
            "senderId": sender_id,
            **({"days": ruling.days} if ruling.days is not None else {}),
            **({"to": ruling.to} if ruling.to is not None else {}),
        }
        entry = DECISION_ENTRY.format(ruling_id=ruling.ruling_id)
        await self._ledger.append(ticket.key.ticket_id, entry, facts, attempt=ticket.attempt, at=at)

    async def load(self, ticket_id: str, ruling_id: str) -> Ruling | None:
        row = await self._row(ticket_id, DECISION_ENTRY.format(ruling_id=ruling_id))
        return _as_ruling(row) if row else None

    async def is_settled(self, ticket_id: str, ruling_id: str) -> bool:
        if await self._row(ticket_id, REFUSED_ENTRY.format(ruling_id=ruling_id)):
            return True
        query: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "ticketId = :ticket AND begins_with(entry, :status)",
            "FilterExpression": "decisionId = :ruling",
            "ExpressionAttributeValues": to_item({":ticket": ticket_id, ":status": "status#", ":ruling": ruling_id}),
        }
        while True:
            with aws_errors():
                answer = await self._client.query(**query)
            if answer["Items"]:
                return True
            if "LastEvaluatedKey" not in answer:
                return False
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def refuse(self, ticket: Ticket, ruling: Ruling, reason: str, *, at: float) -> None:
        entry = REFUSED_ENTRY.format(ruling_id=ruling.ruling_id)
        facts = {"decisionId": ruling.ruling_id, "decider": ruling.decider, "reason": reason}
        await self._ledger.append(ticket.key.ticket_id, entry, facts, attempt=ticket.attempt, at=at)

    async def _row(self, ticket_id: str, entry: str) -> dict[str, Any] | None:
        with aws_errors():
            answer = await self._client.get_item(
                TableName=self._table, Key=to_item({"ticketId": ticket_id, "entry": entry}), ConsistentRead=True
            )
        return from_item(answer["Item"]) if "Item" in answer else None


def _as_ruling(row: Mapping[str, Any]) -> Ruling:
    return Ruling(
        ruling_id=str(row["decisionId"]),
        kind=Kind(str(row["kind"])),
        decider=str(row["decider"]),
        days=int(row["days"]) if "days" in row else None,
        to=str(row["to"]) if "to" in row else None,
        comment=str(row.get("comment", "")),
    )
