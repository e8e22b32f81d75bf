"""DynamoDB clients that come between a store and its tables: one lets others act first, one loses conditions.

With them a test composes the race that a condition is there for, and shows that without the condition it is lost.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from services.ticket_agent.policy.guard import Action, Decision, Facts, Guard
from shared.aws.clients import Client

Part: TypeAlias = Mapping[str, Any]


class Overtaken:
    """Before the first transaction that ``fits``, somebody else acts."""

    def __init__(self, client: Client, fits: Callable[[Sequence[Part]], bool], act: Callable[[], Awaitable[None]]):
        self._client = client
        self._fits = fits
        self._act = act
        self.acted = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, *, TransactItems: Sequence[Part]) -> Any:  # noqa: N803
        if not self.acted and self._fits(TransactItems):
            self.acted = True
            await self._act()
        return await self._client.transact_write_items(TransactItems=TransactItems)


class Forgetful:
    """Loses a kind of condition from every transaction; ``lost`` counts them."""

    def __init__(self, client: Client, lose: Callable[[Part], Part | None]) -> None:
        self._client = client
        self._lose = lose
        self.lost = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def transact_write_items(self, *, TransactItems: Sequence[Part]) -> Any:  # noqa: N803
        left = [self._lose(part) for part in TransactItems]
        self.lost += sum(after != before for after, before in zip(left, TransactItems, strict=True))
        return await self._client.transact_write_items(TransactItems=[part for part in left if part is not None])


def condition_checks(part: Part) -> Part | None:
    """Lost: the checks of what a decision rested on."""
    return None if "ConditionCheck" in part else part


def attempt_fence(part: Part) -> Part | None:
    """Lost: that a ticket is still in the run which writes."""
    update = part.get("Update", {})
    if "#attempt = :attempt" not in update.get("ConditionExpression", ""):
        return part
    values = {name: value for name, value in update["ExpressionAttributeValues"].items() if name != ":attempt"}
    unfenced = update["ConditionExpression"].replace("#attempt = :attempt", "attribute_exists(#attempt)")
    return {"Update": {**update, "ConditionExpression": unfenced, "ExpressionAttributeValues": values}}


class AllowsAll(Guard):
    """A guard that is not there."""

    def decide(self, action: Action, facts: Facts) -> Decision:
        return Decision(action=action, allowed=True, policies=(), errors=(), version=self.version)


def writes_to(table: str, attribute: str | None = None) -> Callable[[Sequence[Part]], bool]:
    """Whether a transaction puts into ``table``, or with ``attribute`` sets that one there."""

    def fits(parts: Sequence[Part]) -> bool:
        return any(_writes(part, table, attribute) for part in parts)

    return fits


def _writes(part: Part, table: str, attribute: str | None) -> bool:
    ((kind, request),) = part.items()
    if request["TableName"] != table:
        return False
    if attribute is None:
        return kind == "Put"
    return kind == "Update" and attribute in request.get("ExpressionAttributeNames", {}).values()
