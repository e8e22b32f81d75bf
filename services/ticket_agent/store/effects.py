"""Grants and outcomes in DynamoDB: effect, ticket, the ledger's next link and every premise in one transaction."""

from collections.abc import Sequence

from services.ticket_agent.domain.access import Grant, Holding, Standing
from services.ticket_agent.domain.outcome import Outcome, status_text
from services.ticket_agent.domain.premise import ManagerIs, OwnerIs, Premise, StillHeld
from services.ticket_agent.domain.state import may_become
from services.ticket_agent.domain.ticket import Ticket
from services.ticket_agent.store.chained import ENTRY_PART, LedgerChain
from services.ticket_agent.store.ledger import GRANT_ENTRY, STATUS_ENTRY
from services.ticket_agent.store.port import Figures, PremiseGone, Superseded, Warrant
from services.ticket_agent.store.tables import Tables, as_grant, grant_key, grant_row, standing_key, ticket_key
from services.ticket_agent.store.tickets import open_in_attempt
from services.ticket_agent.store.transaction import (
    Condition,
    ConditionsFailed,
    Part,
    check,
    put_once,
    update,
)
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import from_item, to_item
from shared.clock import as_utc_text

TICKET_PART = "ticket"


class DynamoDbEffects:
    """The Effects port; ``client`` is an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, tables: Tables) -> None:
        self._client = client
        self._tables = tables
        self._chain = LedgerChain(client, tables.ledger)

    async def grant(self, ticket: Ticket, grant: Grant, *, premises: Sequence[Premise], warrant: Warrant) -> Grant:
        entry = {
            "ticketId": ticket.key.ticket_id,
            "entry": GRANT_ENTRY.format(environment_id=grant.environment_id, access_type=grant.access_type.text),
            "at": as_utc_text(grant.granted_at),
            "attempt": ticket.attempt,
            "employeeId": grant.employee_id,
            "environmentId": grant.environment_id,
            "accessType": grant.access_type.text,
            "expiresAt": grant.expires_at,
            **_warrant_attributes(warrant),
        }
        parts = [
            check(TICKET_PART, self._tables.ticket, ticket_key(ticket.key), open_in_attempt(ticket)),
            put_once("grant", self._tables.user_access, grant_row(grant), key="employeeId"),
            *self._premise_checks(premises, at=grant.granted_at),
        ]
        try:
            await self._chain.commit(entry, parts)
        except ConditionsFailed as failed:
            given = await self._given(grant) if failed.parts & {"grant", ENTRY_PART} else None
            if given is not None:
                return given
            raise _refusal(failed) from None
        return grant

    async def conclude(
        self,
        ticket: Ticket,
        outcome: Outcome,
        *,
        owner: str | None,
        premises: Sequence[Premise],
        warrant: Warrant,
        figures: Figures,
        at: float,
    ) -> int:
        if not may_become(ticket.state, outcome.state):
            raise Superseded(f"a ticket that is {ticket.state} cannot become {outcome.state}")
        version = ticket.status_version + 1
        told = {
            "state": outcome.state.value,
            "assignStatus": status_text(outcome),
            "communication": outcome.communication,
            "nextStep": outcome.next_step,
            **({"assignee": outcome.assignee} if outcome.assignee else {}),
        }
        entry = {
            "ticketId": ticket.key.ticket_id,
            "entry": STATUS_ENTRY.format(version=version),
            "at": as_utc_text(at),
            "attempt": ticket.attempt,
            "version": version,
            "employeeId": ticket.key.employee_id,
            **told,
            **({"owner": owner} if owner else {}),
            **_warrant_attributes(warrant),
            **_figure_attributes(figures),
        }
        row = {**told, "statusVersion": version, "updatedAt": as_utc_text(at)}
        parts = [
            update(TICKET_PART, self._tables.ticket, ticket_key(ticket.key), row, when=open_in_attempt(ticket)),
            *self._premise_checks(premises, at=at),
        ]
        try:
            await self._chain.commit(entry, parts)
        except ConditionsFailed as failed:
            raise _refusal(failed) from None
        return version

    async def _given(self, grant: Grant) -> Grant | None:
        with aws_errors():
            answer = await self._client.get_item(
                TableName=self._tables.user_access, Key=to_item(grant_key(grant)), ConsistentRead=True
            )
        return as_grant(from_item(answer["Item"])) if "Item" in answer else None

    def _premise_checks(self, premises: Sequence[Premise], *, at: float) -> list[Part]:
        return [self._premise_check(premise, at=at) for premise in premises]

    def _premise_check(self, premise: Premise, *, at: float) -> Part:
        match premise:
            case ManagerIs(employee_id, manager):
                unchanged = Condition("#manager = :manager", {"#manager": "manager"}, {":manager": manager})
                return check("manager", self._tables.user, {"employeeId": employee_id}, unchanged)
            case OwnerIs(environment_id, owner):
                unchanged = Condition("#owner = :owner", {"#owner": "managing_entity"}, {":owner": owner})
                return check("owner", self._tables.environment, {"environmentId": environment_id}, unchanged)
            case StillHeld(holding):
                return self._holding_check(holding, at=at)

    def _holding_check(self, holding: Holding, *, at: float) -> Part:
        match holding:
            case Standing():
                key = standing_key(holding.employee_id, holding.environment_id)
                return check("access", self._tables.user_access, key, _same_standing(holding))
            case Grant():
                return check("access", self._tables.user_access, grant_key(holding), _same_grant(holding, at=at))


def _same_standing(standing: Standing) -> Condition:
    if standing.recorded is None:
        return Condition("attribute_exists(employeeId) AND attribute_not_exists(#type)", {"#type": "accessType"})
    return Condition("#type = :type", {"#type": "accessType"}, {":type": standing.recorded})


def _same_grant(grant: Grant, *, at: float) -> Condition:
    return Condition(
        "#type = :type AND #expires = :expires AND #expires > :now",
        {"#type": "accessType", "#expires": "expiresAt"},
        {":type": grant.access_type.text, ":expires": grant.expires_at, ":now": int(at)},
    )


def _refusal(failed: ConditionsFailed) -> Superseded | PremiseGone:
    # Who lost the ticket must not act on facts either, so that part decides where both failed.
    lost = failed.parts & {TICKET_PART, ENTRY_PART, "grant"}
    return Superseded(str(failed)) if lost else PremiseGone(sorted(failed.parts))


def _warrant_attributes(warrant: Warrant) -> dict[str, object]:
    return {"tool": warrant.tool, "policies": list(warrant.policies), "policyVersion": warrant.policy_version}


def _figure_attributes(figures: Figures) -> dict[str, int]:
    return {
        "modelCalls": figures.model_calls,
        "toolCalls": figures.tool_calls,
        "runMs": figures.run_ms,
        "modelMs": figures.model_ms,
        "inputTokens": figures.input_tokens,
        "outputTokens": figures.output_tokens,
    }
