"""Gives the requester what the ticket asks for, if the policy permits it on facts that still hold at the write."""

from collections.abc import Mapping
from typing import Any, Final

from services.ticket_agent.domain.access import Grant, active_holdings, expiry
from services.ticket_agent.domain.directory import Employee, Environment
from services.ticket_agent.domain.premise import ManagerIs, OwnerIs
from services.ticket_agent.policy.guard import Decision
from services.ticket_agent.store.port import PremiseGone
from services.ticket_agent.tools.facts import decide, named_environment, requester
from services.ticket_agent.tools.port import Answer, Case, Tool, refuse, say, warrant_of
from shared.clock import as_utc_text

NAME: Final = "giveAccess"


async def _run(case: Case, arguments: Mapping[str, Any]) -> Answer:
    environment = await named_environment(case, arguments["environmentId"])
    if isinstance(environment, Answer):
        return environment
    employee = await requester(case)
    if isinstance(employee, Answer):
        return employee
    holdings = await case.desk.access.holdings(case.employee_id, environment.environment_id)
    given = next((held for held in holdings if _given_by(held, case.ticket.key.ticket_id)), None)
    if isinstance(given, Grant):
        # An earlier run got as far as the grant: telling so lets this run go on from there.
        return _granted(given)
    held = active_holdings(holdings, case.desk.now())
    decision = decide(case, NAME, employee, environment, held=held)
    if not decision.allowed:
        return _denied(case, decision)
    return await _give(case, employee, environment, decision)


async def _give(case: Case, employee: Employee, environment: Environment, decision: Decision) -> Answer:
    asked, owner, manager = case.request, environment.owner, employee.manager
    if asked.access_type is None or asked.days is None or owner is None or manager is None:
        # A policy that permits without these would leave nothing to write or to check: it cannot be carried out.
        return _denied(case, decision)
    now = case.desk.now()
    grant = Grant(
        employee_id=employee.employee_id,
        environment_id=environment.environment_id,
        access_type=asked.access_type,
        ticket_id=case.ticket.key.ticket_id,
        reason=asked.justification or "",
        granted_at=int(now),
        expires_at=expiry(now=now, days=asked.days),
    )
    premises = (ManagerIs(employee.employee_id, manager), OwnerIs(environment.environment_id, owner))
    try:
        given = await case.desk.effects.grant(case.ticket, grant, premises=premises, warrant=warrant_of(NAME, decision))
    except PremiseGone as gone:
        return refuse("facts_changed", f"While writing, this had changed: {gone}. Look it up again.", decision=decision)
    return _granted(given, decision)


def _given_by(held: object, ticket_id: str) -> bool:
    return isinstance(held, Grant) and held.ticket_id == ticket_id


def _granted(grant: Grant, decision: Decision | None = None) -> Answer:
    expires = as_utc_text(grant.expires_at)
    return say(
        f"{grant.access_type.text} access to environment {grant.environment_id} is granted until {expires}. "
        "Now call autoResolveTicket.",
        decision=decision,
        granted=True,
        accessType=grant.access_type.text,
        expires=expires,
    )


def _denied(case: Case, decision: Decision) -> Answer:
    if "never-grant-what-is-already-held" in decision.policies:
        message = "The requester has this access already. Call autoResolveTicket; nothing is granted again."
        return refuse("already_held", message, decision=decision)
    unclear = f" {case.request.problem_text}" if case.request.problems else ""
    message = (
        "The access policy does not permit this automatically."
        f"{unclear} Assign the ticket to the environment's owner with assignTicketToEnvironmentOwner."
    )
    return refuse("not_permitted", message, decision=decision)


GIVE_ACCESS = Tool(
    name=NAME,
    description="Grants the access that the ticket asks for, for the time it asks for, if the policy permits it.",
    parameters={"environmentId": "The environment id as it stands in the ticket."},
    run=_run,
)
