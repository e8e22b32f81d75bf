"""The tables of an evaluation on DynamoDB: read whole, and brought to given rows by writing only what differs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.ticket_agent.evaluation.tables import KEYS, Row, Snapshot, keyed
from shared.aws.clients import Client
from shared.aws.items import from_item, to_item

LEDGER = "Ledger"
LEDGER_KEY = ("ticketId", "entry")


@dataclass(frozen=True, slots=True)
class DynamoDbStage:
    """``names`` are the tables' full names by short name; nobody else uses them, and they are emptied freely."""

    client: Client
    names: Mapping[str, str]

    async def read(self) -> Snapshot:
        tables = await asyncio.gather(*(self._rows(table) for table in KEYS))
        return dict(zip(KEYS, tables, strict=True))

    async def write(self, rows: Mapping[str, tuple[Row, ...]]) -> None:
        await asyncio.gather(*(self._bring(table, wanted) for table, wanted in rows.items()))

    async def forget(self) -> None:
        gone = [(LEDGER, {name: row[name] for name in LEDGER_KEY}) for row in await self._rows(LEDGER)]
        await asyncio.gather(*(self._delete(table, key) for table, key in gone))

    async def _bring(self, table: str, rows: tuple[Row, ...]) -> None:
        there, wanted = keyed(table, await self._rows(table)), keyed(table, rows)
        gone = [dict(zip(KEYS[table], key, strict=True)) for key in there.keys() - wanted.keys()]
        new = [row for key, row in wanted.items() if there.get(key) != row]
        await asyncio.gather(*(self._delete(table, key) for key in gone), *(self._put(table, row) for row in new))

    async def _rows(self, table: str) -> tuple[Row, ...]:
        rows: list[Row] = []
        request: dict[str, Any] = {"TableName": self.names[table], "ConsistentRead": True}
        while True:
            answer = await self.client.scan(**request)
            rows.extend(from_item(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return tuple(rows)
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def _put(self, table: str, row: Row) -> None:
        await self.client.put_item(TableName=self.names[table], Item=to_item(row))

    async def _delete(self, table: str, key: Mapping[str, str]) -> None:
        await self.client.delete_item(TableName=self.names[table], Key=to_item(key))
