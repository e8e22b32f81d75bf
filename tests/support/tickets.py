"""Builders for tickets and what surrounds them: each shows only what the test is about."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.ticket_agent.domain.state import State, assign_status
from services.ticket_agent.domain.ticket import Ticket, TicketKey
from services.ticket_agent.store.port import StatusChange
from shared.model.port import Reply, Request, Text, ToolUse, Usage
from shared.queue.message import Message

FIELDS = {
    "title": "Title: Reports",
    "environment": "EnvironmentId: 1",
    "justification": "Business Justification: The quarter ends",
    "duration": "Access duration: 8 days",
    "access_type": "Access Type: Read",
}


def a_text(**lines: str | None) -> str:
    """A complete ticket's text; ``duration="Access duration: 30 days"`` replaces a line, None leaves it out."""
    return "\n".join(line for line in {**FIELDS, **lines}.values() if line is not None)


def a_ticket(
    content: str | None = None,
    *,
    ticket_id: str = "T-1",
    employee_id: str = "111",
    state: State = State.OPEN,
    attempt: int = 1,
    status_version: int = 0,
) -> Ticket:
    return Ticket(
        key=TicketKey(ticket_id=ticket_id, employee_id=employee_id),
        content=a_text() if content is None else content,
        state=state,
        assign_status=assign_status(state, "@sam"),
        status_version=status_version,
        attempt=attempt,
    )


def a_status_change(**changes: Any) -> StatusChange:
    return StatusChange(
        **{
            "key": TicketKey(ticket_id="T-1", employee_id="111"),
            "version": 1,
            "state": "assigned",
            "assign_status": "assigned to @sam",
            "assignee": "@sam",
            "owner": "@sam",
            "communication": "Somebody asks for access.",
            "next_step": "@sam decides.",
            **changes,
        }
    )


def a_message(body: object, *, sender_id: str = "AIDASENDER", message_id: str = "m-1") -> Message:
    return Message(
        message_id=message_id,
        receipt_handle="r-1",
        body=body if isinstance(body, str) else json.dumps(body),
        receive_count=1,
        sent_at=0.0,
        first_received_at=0.0,
        sender_id=sender_id,
    )


def says(text: str = "", *calls: tuple[str, Mapping[str, Any]], stop_reason: str | None = None) -> Reply:
    """A reply with ``text`` and tool calls; the stop reason fits unless one is given."""
    uses = tuple(ToolUse(f"call-{index}", name, arguments) for index, (name, arguments) in enumerate(calls))
    return Reply(
        blocks=(*([Text(text)] if text else []), *uses),
        stop_reason=stop_reason or ("tool_use" if uses else "end_turn"),
        usage=Usage(input_tokens=100, output_tokens=10),
        latency_ms=1,
    )


@dataclass(slots=True)
class ScriptedModel:
    """Answers with the script's replies in order, raises its errors, and keeps what it was asked.

    The last reply comes again for ever, as a model that is stuck would answer.
    """

    script: Sequence[Reply | Exception]
    requests: list[Request] = field(default_factory=list)

    async def converse(self, request: Request) -> Reply:
        self.requests.append(request)
        answer = self.script[min(len(self.requests), len(self.script)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer
