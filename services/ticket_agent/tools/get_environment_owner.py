"""Tells who owns the ticket's environment."""

from collections.abc import Mapping
from typing import Any

from services.ticket_agent.tools.facts import named_environment
from services.ticket_agent.tools.port import Answer, Case, Tool, refuse, say


async def _run(case: Case, arguments: Mapping[str, Any]) -> Answer:
    environment = await named_environment(case, arguments["environmentId"])
    if isinstance(environment, Answer):
        return environment
    if environment.owner is None:
        return refuse(
            "no_owner", f"Environment {environment.environment_id} has no owner. Stop here; a person takes over."
        )
    return say(
        f"Environment {environment.environment_id} is owned by {environment.owner}.",
        environmentId=environment.environment_id,
        owner=environment.owner,
    )


GET_ENVIRONMENT_OWNER = Tool(
    name="getEnvironmentOwner",
    description="Returns the owner of the environment that the ticket is about.",
    parameters={"environmentId": "The environment id as it stands in the ticket."},
    run=_run,
)
