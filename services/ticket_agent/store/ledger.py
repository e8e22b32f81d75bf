"""What happened to a ticket, in DynamoDB: one item an entry, written once.

Sort keys: ``intake``, ``attempt#NNNN``, ``turn#AAAA#NNNN`` (run, turn), ``call#AAAA#NNNN#CC`` (run, turn, call),
``grant#ENVIRONMENT#TYPE``, ``status#NNNN`` (status version). Each is a link of the ticket's chain. Beside them are two
items that move on: ``head``, the last link, and ``notified``, the last status version that was told.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from services.ticket_agent.domain.chain import Head
from services.ticket_agent.domain.ticket import TicketKey
from services.ticket_agent.store.chained import LedgerChain
from services.ticket_agent.store.port import StatusChange
from services.ticket_agent.store.transaction import Condition, ConditionsFailed, update_request
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item
from shared.clock import as_utc_text

INTAKE_ENTRY = "intake"
ATTEMPT_ENTRY = "attempt#{attempt:04d}"
GRANT_ENTRY = "grant#{environment_id}#{access_type}"
STATUS_ENTRY = "status#{version:04d}"
NOTIFIED_ENTRY = "notified"

HEADS_REMEMBERED = 512
"""More than a task works on at a time; one that was forgotten costs a read."""


class DynamoDbLedger:
    """The Ledger port; ``client`` is an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table
        self._chain = LedgerChain(client, table)
        self._heads: dict[str, Head] = {}

    async def append(self, ticket_id: str, entry: str, facts: Mapping[str, Any], *, attempt: int, at: float) -> None:
        item = {"ticketId": ticket_id, "entry": entry, "at": as_utc_text(at), "attempt": attempt, **facts}
        believed = self._heads.pop(ticket_id, None)
        try:
            head = await self._chain.commit(item, believed=believed, within=attempt)
        except ConditionsFailed:
            return
        # A run appends a dozen entries in a row: knowing the head saves a read for each.
        self._heads[ticket_id] = head
        if len(self._heads) > HEADS_REMEMBERED:
            del self._heads[next(iter(self._heads))]

    async def head(self, ticket_id: str) -> Head:
        return await self._chain.head(ticket_id)

    async def spent_before(self, ticket_id: str) -> tuple[int, int]:
        turns = tokens = 0
        query: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "ticketId = :ticket AND begins_with(entry, :turn)",
            "ProjectionExpression": "inputTokens, outputTokens",
            "ExpressionAttributeValues": to_item({":ticket": ticket_id, ":turn": "turn#"}),
        }
        while True:
            with aws_errors():
                answer = await self._client.query(**query)
            for item in answer["Items"]:
                row = from_item(item)
                turns += 1
                tokens += int(row.get("inputTokens", 0)) + int(row.get("outputTokens", 0))
            if "LastEvaluatedKey" not in answer:
                return turns, tokens
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def status_change(self, ticket_id: str, version: int) -> StatusChange | None:
        row = await self._row(ticket_id, STATUS_ENTRY.format(version=version))
        return _as_status_change(row) if row else None

    async def notified_version(self, ticket_id: str) -> int:
        row = await self._row(ticket_id, NOTIFIED_ENTRY)
        return int(row["version"]) if row else 0

    async def record_notified(self, ticket_id: str, version: int, *, at: float) -> None:
        never_recorded = "attribute_not_exists(#version)"
        moves_on = "#version < :version"
        request = update_request(
            self._table,
            {"ticketId": ticket_id, "entry": NOTIFIED_ENTRY},
            {"version": version, "at": as_utc_text(at)},
            when=Condition(f"{never_recorded} OR {moves_on}", {"#version": "version"}, {":version": version}),
        )
        with aws_errors():
            try:
                await self._client.update_item(**request)
            except ClientError as error:
                if not _condition_failed(error):
                    raise

    async def _row(self, ticket_id: str, entry: str) -> dict[str, Any] | None:
        with aws_errors():
            answer = await self._client.get_item(
                TableName=self._table, Key=to_item({"ticketId": ticket_id, "entry": entry}), ConsistentRead=True
            )
        return from_item(answer["Item"]) if "Item" in answer else None


def _as_status_change(row: Mapping[str, Any]) -> StatusChange:
    return StatusChange(
        key=TicketKey(ticket_id=str(row["ticketId"]), employee_id=str(row["employeeId"])),
        version=int(row["version"]),
        state=str(row["state"]),
        assign_status=str(row["assignStatus"]),
        assignee=row.get("assignee"),
        owner=row.get("owner"),
        communication=str(row.get("communication", "")),
        next_step=str(row.get("nextStep", "")),
        resolver_group=row.get("resolverGroup"),
        headline=str(row.get("headline", "")),
    )


def _condition_failed(error: ClientError) -> bool:
    return bool(error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException")
