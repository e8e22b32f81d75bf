"""Tells who the requester's manager is."""

from collections.abc import Mapping
from typing import Any

from services.ticket_agent.tools.facts import requester
from services.ticket_agent.tools.port import Answer, Case, Tool, refuse, say


async def _run(case: Case, _arguments: Mapping[str, Any]) -> Answer:
    employee = await requester(case)
    if isinstance(employee, Answer):
        return employee
    if employee.manager is None:
        return refuse(
            "no_manager",
            "The directory names no manager of the requester, so nothing can be granted automatically. "
            "Assign the ticket to the environment's owner.",
        )
    return say(f"The requester's manager is {employee.manager}.", manager=employee.manager)


GET_EMPLOYEE_MANAGER = Tool(
    name="getEmployeeManager",
    description="Returns the manager of the employee who sent the ticket.",
    parameters={},
    run=_run,
)
