"""Grants and outcomes in DynamoDB: effect, ticket, the ledger's next link and every premise in one transaction."""

from collections.abc import Sequence

from services.ticket_agent.domain.access import Grant
from services.ticket_agent.domain.outcome import Outcome, Routed, status_text
from services.ticket_agent.domain.premise import Premise
from services.ticket_agent.domain.state import may_become
from services.ticket_agent.domain.ticket import Ticket
from services.ticket_agent.store.chained import ENTRY_PART, LedgerChain
from services.ticket_agent.store.ledger import GRANT_ENTRY, STATUS_ENTRY
from services.ticket_agent.store.port import Figures, PremiseGone, Superseded, Warrant
from services.ticket_agent.store.premises import premise_checks
from services.ticket_agent.store.tables import (
    Tables,
    arrived_attributes,
    as_grant,
    grant_key,
    grant_row,
    ticket_key,
    told_attributes,
)
from services.ticket_agent.store.tickets import not_about_access, open_in_attempt
from services.ticket_agent.store.transaction import (
    ConditionsFailed,
    both,
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
            **warrant_attributes(warrant),
        }
        parts = [
            # Beside the check, the ticket learns when its grant ends, for the sweeper to announce it.
            update(
                TICKET_PART,
                self._tables.ticket,
                ticket_key(ticket.key),
                {"grantEndsAt": grant.expires_at},
                when=open_in_attempt(ticket),
            ),
            put_once("grant", self._tables.user_access, grant_row(grant), key="employeeId"),
            *premise_checks(self._tables, premises, at=grant.granted_at),
        ]
        try:
            await self._chain.commit(entry, parts)
        except ConditionsFailed as failed:
            given = await self._given(grant) if failed.parts & {"grant", ENTRY_PART} else None
            if given is not None:
                return given
            raise refusal(failed) from None
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
            **({"resolverGroup": outcome.resolver_group} if outcome.resolver_group else {}),
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
            **warrant_attributes(warrant),
            **_figure_attributes(figures),
        }
        as_it_must_be = open_in_attempt(ticket)
        if isinstance(outcome, Routed):
            as_it_must_be = both(as_it_must_be, not_about_access())
        row = {**told, **told_attributes(version, at), **arrived_attributes(at)}
        parts = [
            update(TICKET_PART, self._tables.ticket, ticket_key(ticket.key), row, when=as_it_must_be),
            *premise_checks(self._tables, premises, at=at),
        ]
        try:
            await self._chain.commit(entry, parts)
        except ConditionsFailed as failed:
            raise refusal(failed) from None
        return version

    async def _given(self, grant: Grant) -> Grant | None:
        with aws_errors():
            answer = await self._client.get_item(
                TableName=self._tables.user_access, Key=to_item(grant_key(grant)), ConsistentRead=True
            )
        return as_grant(from_item(answer["Item"])) if "Item" in answer else None


def refusal(failed: ConditionsFailed) -> Superseded | PremiseGone:
    # Who lost the ticket must not act on facts either, so that part decides where both failed.
    lost = failed.parts & {TICKET_PART, ENTRY_PART, "grant"}
    return Superseded(str(failed)) if lost else PremiseGone(sorted(failed.parts))


def warrant_attributes(warrant: Warrant) -> dict[str, object]:
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
