"""Employees, groups, environments and who holds what, in DynamoDB."""

from collections.abc import Mapping
from typing import Any

from services.ticket_agent.domain.access import Holding
from services.ticket_agent.domain.directory import Employee, Environment, ResolverGroup
from services.ticket_agent.store.tables import (
    GRANT_MARK,
    Tables,
    as_employee,
    as_environment,
    as_grant,
    as_resolver_group,
    as_standing,
    standing_key,
)
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item


class DynamoDbDirectory:
    """The Directory and AccessBook ports; ``client`` is an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, tables: Tables) -> None:
        self._client = client
        self._tables = tables

    async def employee(self, employee_id: str) -> Employee | None:
        row = await self._row(self._tables.user, {"employeeId": employee_id})
        return as_employee(row) if row else None

    async def environment(self, environment_id: str) -> Environment | None:
        row = await self._row(self._tables.environment, {"environmentId": environment_id})
        return as_environment(row) if row else None

    async def resolver_group(self, group_id: str) -> ResolverGroup | None:
        row = await self._row(self._tables.resolver_group, {"groupId": group_id})
        return as_resolver_group(row) if row else None

    async def holdings(self, employee_id: str, environment_id: str) -> tuple[Holding, ...]:
        standing = await self._row(self._tables.user_access, standing_key(employee_id, environment_id))
        grants = [grant for row in await self._grants(employee_id, environment_id) if (grant := as_grant(row))]
        return (*([as_standing(standing)] if standing else []), *grants)

    async def _row(self, table: str, key: Mapping[str, str]) -> dict[str, Any] | None:
        with aws_errors():
            answer = await self._client.get_item(TableName=table, Key=to_item(key), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    async def _grants(self, employee_id: str, environment_id: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        query: dict[str, Any] = {
            "TableName": self._tables.user_access,
            "ConsistentRead": True,
            "KeyConditionExpression": "employeeId = :employee AND begins_with(environmentId, :prefix)",
            # The mark is part of the prefix: without it environment 1 would also find what was granted on 11.
            "ExpressionAttributeValues": to_item({":employee": employee_id, ":prefix": environment_id + GRANT_MARK}),
        }
        while True:
            with aws_errors():
                answer = await self._client.query(**query)
            rows.extend(from_item(item) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return rows
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
