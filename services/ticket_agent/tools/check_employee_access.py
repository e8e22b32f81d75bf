"""Tells what access the requester has on the ticket's environment now, and whether it is enough."""

from collections.abc import Mapping
from typing import Any

from services.ticket_agent.domain.access import best_holding
from services.ticket_agent.tools.facts import held_access, named_environment
from services.ticket_agent.tools.port import Answer, Case, Tool, say


async def _run(case: Case, arguments: Mapping[str, Any]) -> Answer:
    environment = await named_environment(case, arguments["environmentId"])
    if isinstance(environment, Answer):
        return environment
    asked = case.request.access_type
    held = best_holding(await held_access(case, environment), asked)
    sufficient = held is not None and asked in held.access_type.covers
    return say(
        _sentence(environment.environment_id, held.access_type.text if held else None, sufficient=sufficient),
        environmentId=environment.environment_id,
        hasAccess=held is not None,
        accessType=held.access_type.text if held else None,
        sufficient=sufficient,
    )


def _sentence(environment_id: str, held: str | None, *, sufficient: bool) -> str:
    if held is None:
        return f"The requester has no access to environment {environment_id}."
    measure = "which is enough for" if sufficient else "which is not enough for"
    return f"The requester has {held} access to environment {environment_id}, {measure} what the ticket asks."


CHECK_EMPLOYEE_ACCESS = Tool(
    name="checkEmployeeAccess",
    description="Returns the requester's active access to the environment and whether it covers what the ticket asks.",
    parameters={"environmentId": "The environment id as it stands in the ticket."},
    run=_run,
)
