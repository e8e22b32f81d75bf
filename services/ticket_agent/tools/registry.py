"""The tools the agent is offered, and the one door through which they are called."""

from collections.abc import Mapping, Sequence

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from services.ticket_agent.agent.port import Call
from services.ticket_agent.tools.assign_ticket_to_environment_owner import ASSIGN_TICKET_TO_ENVIRONMENT_OWNER
from services.ticket_agent.tools.assign_ticket_to_resolver_group import ASSIGN_TICKET_TO_RESOLVER_GROUP
from services.ticket_agent.tools.auto_resolve_ticket import AUTO_RESOLVE_TICKET
from services.ticket_agent.tools.check_employee_access import CHECK_EMPLOYEE_ACCESS
from services.ticket_agent.tools.get_employee_manager import GET_EMPLOYEE_MANAGER
from services.ticket_agent.tools.get_environment_owner import GET_ENVIRONMENT_OWNER
from services.ticket_agent.tools.give_access import GIVE_ACCESS
from services.ticket_agent.tools.port import Answer, Case, Tool, refuse
from services.ticket_agent.tools.search_knowledge_base import SEARCH_KNOWLEDGE_BASE
from shared import tracing

TOOLS: tuple[Tool, ...] = (
    CHECK_EMPLOYEE_ACCESS,
    SEARCH_KNOWLEDGE_BASE,
    GET_EMPLOYEE_MANAGER,
    GET_ENVIRONMENT_OWNER,
    GIVE_ACCESS,
    AUTO_RESOLVE_TICKET,
    ASSIGN_TICKET_TO_ENVIRONMENT_OWNER,
    ASSIGN_TICKET_TO_RESOLVER_GROUP,
)


CALLED = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.type": "function"}


class Toolbox:
    """Finds the tool of a call, checks its arguments against the schema, and runs it."""

    def __init__(self, tools: Sequence[Tool] = TOOLS) -> None:
        self._tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        self._validators = {tool.name: Draft202012Validator(dict(tool.spec.input_schema)) for tool in tools}

    async def carry_out(self, case: Case, call: Call) -> Answer:
        """Raises what the stores raise: Superseded, TransientError, PermanentError."""
        tool = self._tools.get(call.tool)
        if tool is None:
            return refuse("unknown_tool", f"There is no such tool. The tools are {', '.join(self._tools)}.")
        wrong = best_match(self._validators[tool.name].iter_errors(call.arguments))
        if wrong is not None:
            return refuse("invalid_arguments", f"The arguments do not fit: {wrong.message[:300]}.")
        called = {**CALLED, "gen_ai.tool.name": tool.name, "gen_ai.tool.call.id": call.call_id}
        with tracing.span(f"execute_tool {tool.name}", attributes=called):
            return await tool.run(case, call.arguments)
