"""What people and the calendar make of a ticket, in DynamoDB: ticket, grant, ledger entry and premises at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.ticket_agent.domain.access import Grant
from services.ticket_agent.domain.change import Change
from services.ticket_agent.domain.premise import Premise
from services.ticket_agent.domain.state import may_become
from services.ticket_agent.domain.ticket import Ticket
from services.ticket_agent.store.chained import LedgerChain
from services.ticket_agent.store.effects import TICKET_PART, refusal, warrant_attributes
from services.ticket_agent.store.ledger import STATUS_ENTRY
from services.ticket_agent.store.port import Superseded, Warrant
from services.ticket_agent.store.premises import premise_checks
from services.ticket_agent.store.tables import (
    Tables,
    arrived_attributes,
    grant_row,
    ticket_key,
    told_attributes,
)
from services.ticket_agent.store.transaction import Condition, ConditionsFailed, put_once, update
from shared.aws.clients import Client
from shared.clock import as_utc_text


class DynamoDbChanges:
    """The Changes port; ``client`` is an aiobotocore ``dynamodb`` client."""

    def __init__(self, client: Client, tables: Tables) -> None:
        self._tables = tables
        self._chain = LedgerChain(client, tables.ledger)

    async def apply(
        self,
        ticket: Ticket,
        change: Change,
        *,
        owner: str | None,
        at: float,
        warrant: Warrant,
        grant: Grant | None = None,
        premises: Sequence[Premise] = (),
    ) -> int:
        if change.state is not ticket.state and not may_become(ticket.state, change.state, change.writer):
            raise Superseded(f"a ticket that is {ticket.state} cannot become {change.state} by the {change.writer}")
        version = ticket.status_version + 1
        parts = [
            update(
                TICKET_PART,
                self._tables.ticket,
                ticket_key(ticket.key),
                _row(change, version, grant, at),
                when=_as_seen(ticket),
            ),
            *([put_once("grant", self._tables.user_access, grant_row(grant), key="employeeId")] if grant else []),
            *premise_checks(self._tables, premises, at=at),
        ]
        entry = {
            "ticketId": ticket.key.ticket_id,
            "entry": STATUS_ENTRY.format(version=version),
            "at": as_utc_text(at),
            "attempt": ticket.attempt,
            "version": version,
            "employeeId": ticket.key.employee_id,
            **_told(change),
            **_without_none({"owner": owner, "headline": change.headline or None, "decider": change.decider}),
            **_without_none({"decisionId": change.decision_id}),
            **(_granted(grant) if grant else {}),
            **warrant_attributes(warrant),
        }
        try:
            await self._chain.commit(entry, parts)
        except ConditionsFailed as failed:
            raise refusal(failed) from None
        return version


def _as_seen(ticket: Ticket) -> Condition:
    """Nobody has moved the ticket on since it was read: this is what lets a decision count once.

    Rows from the reference have neither attribute, and only their text.
    """
    same_state = "(#state = :state OR (attribute_not_exists(#state) AND #status = :status))"
    same_version = "#version = :version"
    no_version_yet = "attribute_not_exists(#version)"
    in_version = same_version if ticket.status_version else f"({same_version} OR {no_version_yet})"
    return Condition(
        f"{same_state} AND {in_version}",
        {"#state": "state", "#status": "assignStatus", "#version": "statusVersion"},
        {":state": ticket.state.value, ":status": ticket.assign_status, ":version": ticket.status_version},
    )


def _told(change: Change) -> dict[str, Any]:
    return {
        "state": change.state.value,
        "assignStatus": change.assign_status,
        "communication": change.communication,
        "nextStep": change.next_step,
        **_without_none({"assignee": change.assignee, "resolverGroup": change.resolver_group}),
    }


def _row(change: Change, version: int, grant: Grant | None, at: float) -> dict[str, Any]:
    row = {**_told(change), **told_attributes(version, at)}
    if change.headline:
        # An announcement beside the status: what people were told about the request itself stays on the row.
        row = {name: value for name, value in row.items() if name not in ("communication", "nextStep")}
    if change.reminders is None:
        # Left from before, a group or a delegation would speak of somebody who no longer has the ticket.
        row |= {**arrived_attributes(at), "resolverGroup": change.resolver_group or ""}
        row |= {"delegatedBy": change.delegated_by or ""}
    else:
        row["reminders"] = change.reminders
    if grant is not None:
        row["grantEndsAt"] = grant.expires_at
    if change.ends_access:
        row["grantEndsAt"] = 0
    return row


def _granted(grant: Grant) -> dict[str, Any]:
    return {
        "environmentId": grant.environment_id,
        "accessType": grant.access_type.text,
        "expiresAt": grant.expires_at,
    }


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
