"""Assigns a ticket that is not about access to a group of the directory, which works on it."""

from collections.abc import Mapping
from typing import Any, Final

from services.ticket_agent.domain.outcome import Routed
from services.ticket_agent.domain.premise import GroupExists
from services.ticket_agent.domain.state import State
from services.ticket_agent.policy.guard import RoutingFacts
from services.ticket_agent.store.port import PremiseGone
from services.ticket_agent.tools.facts import requester
from services.ticket_agent.tools.port import Answer, Case, Tool, plain_text, refuse, say, warrant_of

NAME: Final = "assignTicketToResolverGroup"


async def _run(case: Case, arguments: Mapping[str, Any]) -> Answer:
    employee = await requester(case)
    if isinstance(employee, Answer):
        return employee
    group = await case.desk.directory.resolver_group(arguments["group"].strip())
    if group is None:
        return _unknown()
    facts = RoutingFacts(
        employee=employee,
        group=group,
        request=case.request,
        ticket_open=case.ticket.state is State.OPEN,  # As this run took it; the write checks it again.
    )
    decision = case.desk.guard.may_route(facts)
    if not decision.allowed:
        message = (
            "The ticket asks for access to an environment, so it is no group's. Assign it to the environment's owner "
            "with assignTicketToEnvironmentOwner; if it names no environment that exists, stop here."
        )
        return refuse("about_access", message, decision=decision)
    outcome = Routed(
        assignee=group.group_id,
        communication=f"Employee {case.employee_id} asks for help. {plain_text(arguments['instructions'])}",
    )
    try:
        await case.desk.effects.conclude(
            case.ticket,
            outcome,
            owner=None,
            premises=(GroupExists(group.group_id),),
            warrant=warrant_of(NAME, decision),
            figures=case.figures(),
            at=case.desk.now(),
        )
    except PremiseGone:
        return _unknown()
    return say(f"The ticket is assigned to the group {group.group_id}.", decision=decision, outcome=outcome)


def _unknown() -> Answer:
    message = (
        "The directory has no such group. Search the knowledge base for which group takes what, and use the group's "
        "name exactly; service-desk takes what fits nowhere."
    )
    return refuse("unknown_group", message)


ASSIGN_TICKET_TO_RESOLVER_GROUP = Tool(
    name=NAME,
    description="Ends a ticket that is not about access to an environment by assigning it to a group that works on it.",
    parameters={
        "group": "The group exactly as the routing guide names it, for example service-desk.",
        "instructions": "One or two sentences to the group: what is wrong or wanted.",
    },
    run=_run,
)
