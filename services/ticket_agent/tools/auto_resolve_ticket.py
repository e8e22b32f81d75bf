"""Resolves the ticket, if the requester has the access that it asks for."""

from collections.abc import Mapping
from typing import Any, Final

from services.ticket_agent.domain.access import Grant, Holding, best_holding
from services.ticket_agent.domain.directory import Environment
from services.ticket_agent.domain.outcome import Resolved
from services.ticket_agent.domain.premise import StillHeld
from services.ticket_agent.policy.guard import Decision
from services.ticket_agent.store.port import PremiseGone
from services.ticket_agent.tools.facts import decide, held_access, requester, ticket_environment
from services.ticket_agent.tools.port import Answer, Case, Tool, plain_text, refuse, say, warrant_of
from shared.clock import as_utc_text

NAME: Final = "autoResolveTicket"


async def _run(case: Case, arguments: Mapping[str, Any]) -> Answer:
    environment = await ticket_environment(case)
    if isinstance(environment, Answer):
        return environment
    employee = await requester(case)
    if isinstance(employee, Answer):
        return employee
    active = await held_access(case, environment)
    decision = decide(case, NAME, employee, environment, held=active)
    held = best_holding(active, case.request.access_type)
    if held is None or not decision.allowed:
        return _denied(case, decision)
    outcome = Resolved(communication=_communication(held, environment, arguments["description"]))
    try:
        await case.desk.effects.conclude(
            case.ticket,
            outcome,
            owner=environment.owner,
            premises=(StillHeld(held),),
            warrant=warrant_of(NAME, decision),
            figures=case.figures(),
            at=case.desk.now(),
        )
    except PremiseGone:
        return refuse("facts_changed", "The requester's access changed just now. Check it again.", decision=decision)
    return say("The ticket is resolved.", decision=decision, outcome=outcome)


def _communication(held: Holding, environment: Environment, description: str) -> str:
    """The facts by code first; the model's words after them."""
    until = f" until {as_utc_text(held.expires_at)}" if isinstance(held, Grant) else ""
    name = f" ({environment.name})" if environment.name else ""
    facts = f"You have {held.access_type.text} access to environment {environment.environment_id}{name}{until}."
    return f"{facts} {plain_text(description)}"


def _denied(case: Case, decision: Decision) -> Answer:
    unclear = f" {case.request.problem_text}" if case.request.problems else ""
    message = (
        "The ticket cannot be resolved: the requester does not have the access that it asks for, or the ticket is "
        f"incomplete.{unclear} Grant it with giveAccess if the policy allows, or assign the ticket to the owner of the "
        "environment."
    )
    return refuse("not_permitted", message, decision=decision)


AUTO_RESOLVE_TICKET = Tool(
    name=NAME,
    description="Ends the ticket as resolved. Only possible while the requester has the access that it asks for.",
    parameters={"description": "One or two sentences to the requester: what they have and why."},
    run=_run,
)
