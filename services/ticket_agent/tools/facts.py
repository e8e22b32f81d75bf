"""Facts that several tools read before they decide; each is the fact, or the refusal that the model gets."""

from collections.abc import Iterable

from services.ticket_agent.domain.access import Holding, active_holdings, covered
from services.ticket_agent.domain.directory import Employee, Environment
from services.ticket_agent.domain.state import State
from services.ticket_agent.domain.ticket import ENVIRONMENT
from services.ticket_agent.policy.guard import Action, Decision, Facts
from services.ticket_agent.tools.port import Answer, Case, refuse


async def named_environment(case: Case, environment_id: str) -> Environment | Answer:
    """The environment that the model names, if it is the one the ticket names."""
    asked = case.request.environment_id
    if asked is not None and environment_id.strip() != asked:
        return refuse("not_the_tickets_environment", f"The ticket is about environment {asked}; use that id.")
    return await ticket_environment(case)


async def ticket_environment(case: Case) -> Environment | Answer:
    """The environment that the ticket names, as the directory has it."""
    asked = case.request.environment_id
    if asked is None:
        problem = next(
            (problem.text for problem in case.request.problems if problem.field == ENVIRONMENT), "is unclear"
        )
        return refuse("unclear_environment", f"The ticket's EnvironmentId {problem}. Stop here; a person takes over.")
    environment = await case.desk.directory.environment(asked)
    if environment is None:
        return refuse("unknown_environment", f"There is no environment {asked}. Stop here; a person takes over.")
    return environment


async def requester(case: Case) -> Employee | Answer:
    employee = await case.desk.directory.employee(case.employee_id)
    if employee is None:
        return refuse("unknown_employee", "The requester is not in the directory. Stop here; a person takes over.")
    return employee


async def held_access(case: Case, environment: Environment) -> list[Holding]:
    """The access that the requester has on the environment now."""
    holdings = await case.desk.access.holdings(case.employee_id, environment.environment_id)
    return active_holdings(holdings, case.desk.now())


def decide(
    case: Case,
    action: Action,
    employee: Employee,
    environment: Environment,
    *,
    held: Iterable[Holding] = (),
    owner_named: str = "",
) -> Decision:
    """Ask the guard, on facts just read."""
    return case.desk.guard.decide(
        action,
        Facts(
            employee=employee,
            environment=environment,
            request=case.request,
            ticket_open=case.ticket.state is State.OPEN,  # As this run took it; the write checks it again.
            held=covered(held),
            owner_named=owner_named,
        ),
    )
