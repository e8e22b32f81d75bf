"""Assigns the ticket to the owner of its environment, and to nobody else."""

from collections.abc import Mapping
from typing import Any, Final

from services.ticket_agent.domain.directory import Environment
from services.ticket_agent.domain.outcome import Assigned
from services.ticket_agent.domain.premise import OwnerIs
from services.ticket_agent.domain.ticket import AccessRequest
from services.ticket_agent.store.port import PremiseGone
from services.ticket_agent.tools.facts import decide, requester, ticket_environment
from services.ticket_agent.tools.port import Answer, Case, Tool, plain_text, refuse, say, warrant_of

NAME: Final = "assignTicketToEnvironmentOwner"


async def _run(case: Case, arguments: Mapping[str, Any]) -> Answer:
    environment = await ticket_environment(case)
    if isinstance(environment, Answer):
        return environment
    employee = await requester(case)
    if isinstance(employee, Answer):
        return employee
    named = arguments["owner"].strip()
    decision = decide(case, NAME, employee, environment, owner_named=named)
    if not decision.allowed or environment.owner is None:
        message = (
            "That is not the owner of the ticket's environment. Call getEnvironmentOwner and use the owner it gives."
        )
        return refuse("not_the_owner", message, decision=decision)
    outcome = Assigned(
        assignee=environment.owner,
        communication=_communication(case.employee_id, case.request, environment, arguments["instructions"]),
    )
    try:
        await case.desk.effects.conclude(
            case.ticket,
            outcome,
            owner=environment.owner,
            premises=(OwnerIs(environment.environment_id, environment.owner),),
            warrant=warrant_of(NAME, decision),
            figures=case.figures(),
            at=case.desk.now(),
        )
    except PremiseGone:
        return refuse("facts_changed", "The environment's owner changed just now. Look it up again.", decision=decision)
    return say(f"The ticket is assigned to {environment.owner}.", decision=decision, outcome=outcome)


def _communication(employee_id: str, asked: AccessRequest, environment: Environment, instructions: str) -> str:
    """The facts by code first; the model's words after them."""
    access_type = f"{asked.access_type.text} access" if asked.access_type else "access of an unclear type"
    duration = f"for {asked.days} days" if asked.days else "for an unclear time"
    name = f" ({environment.name})" if environment.name else ""
    facts = (
        f"Employee {employee_id} asks for {access_type} to environment {environment.environment_id}{name} {duration}."
    )
    unclear = f" {asked.problem_text}" if asked.problems else ""
    return f"{facts}{unclear} {plain_text(instructions)}"


ASSIGN_TICKET_TO_ENVIRONMENT_OWNER = Tool(
    name=NAME,
    description="Ends the ticket by assigning it to the owner of its environment, who decides.",
    parameters={
        "owner": "The owner exactly as getEnvironmentOwner gave it.",
        "instructions": "One or two sentences to the owner: what is asked and why it was not granted automatically.",
    },
    run=_run,
)
