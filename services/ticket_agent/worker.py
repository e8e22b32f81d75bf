"""Works on one ticket a message: lets the agent run, and hands over to a person what it leaves open."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.ticket_agent.agent.budget import Spent
from services.ticket_agent.agent.loop import AgentLoop, Ended
from services.ticket_agent.agent.trace import Trace
from services.ticket_agent.deciding import Deciding
from services.ticket_agent.domain.directory import Environment
from services.ticket_agent.domain.outcome import HandedOver, hand_over
from services.ticket_agent.domain.state import State
from services.ticket_agent.domain.ticket import AccessRequest, Ticket, TicketKey, parse_access_request
from services.ticket_agent.store.port import Figures, Ledger, Superseded, Tickets, Warrant
from services.ticket_agent.tools.port import Case, Desk
from shared import tracing
from shared.errors import PermanentError
from shared.logs import about, logger
from shared.queue.message import Ack, DeadLetter, Message, Retry, Settlement

log = logger("worker")

AGENT = "ticket_agent"
INVOCATION = {**tracing.PROVIDER, "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": AGENT}

HAND_OVER = "handOver"
"""Stands where the ledger names the tool: no tool of the agent's, but our own ending of a run that had none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """``resolver_group`` takes tickets whose environment has no known owner."""

    tickets: Tickets
    ledger: Ledger
    desk: Desk
    loop: AgentLoop[Any]
    deciding: Deciding
    resolver_group: str
    monotonic: Callable[[], float]

    async def handle(self, message: Message) -> Settlement:
        """Handler of the ticket-work queue. Raises TransientError while the model or a store is away."""
        key = read_ticket_key(message.body)
        about(ticket_id=key.ticket_id)
        decision_id = read_decision_id(message.body)
        if decision_id is not None:
            about(decision_id=decision_id)
            return await self.deciding.carry_out(key, decision_id)
        ticket = await self.tickets.load(key)
        if ticket is None:
            log.warning("ticket_gone", ticket_id=key.ticket_id)
            return Ack()
        if ticket.state is not State.OPEN:
            log.info("ticket_already_ended", ticket_id=key.ticket_id, state=ticket.state.value)
            return Ack()
        try:
            ending, figures = await self._work_on(ticket)
        except Superseded as superseded:
            # Not an Ack: this receipt may still be the valid one, and the other run may die before it ends.
            return Retry(reason=f"another run has the ticket: {superseded}")
        # The log is another store than the table: whoever rewrites a ledger leaves this line to testify.
        head = await self.ledger.head(key.ticket_id)
        log.info(
            "ticket_ended",
            ticket_id=key.ticket_id,
            attempt=ticket.attempt + 1,
            ending=ending,
            model_calls=figures.model_calls,
            tool_calls=figures.tool_calls,
            run_ms=figures.run_ms,
            model_ms=figures.model_ms,
            input_tokens=figures.input_tokens,
            output_tokens=figures.output_tokens,
            ledger_links=head.number,
            ledger_head=head.digest,
        )
        return Ack()

    async def before_dead_letter(self, message: Message, verdict: DeadLetter) -> None:
        """Give the ticket of a message that nobody will work on to a person, first; raises if that fails."""
        try:
            key = read_ticket_key(message.body)
        except PermanentError:
            return  # It names no ticket; the dead letter is all there is to see.
        decision_id = read_decision_id(message.body)
        if decision_id is not None:
            await self.deciding.give_up(key, decision_id, verdict.reason[:300])
            return
        ticket = await self.tickets.load(key)
        if ticket is None or ticket.state is not State.OPEN:
            return
        # A run of its own: a worker that still hangs on the ticket must not end it a second time.
        taken = await self.tickets.take_attempt(ticket, at=self.desk.now())
        request = parse_access_request(taken.content)
        await self._hand_over(taken, request, f"Working on it failed repeatedly: {verdict.reason[:300]}", Figures())
        log.warning("ticket_handed_over_before_dead_letter", ticket_id=key.ticket_id)

    async def _work_on(self, ticket: Ticket) -> tuple[str, Figures]:
        started = self.monotonic()
        taken = await self.tickets.take_attempt(ticket, at=self.desk.now())
        trace = Trace(self.ledger, taken, self.desk.now, self.monotonic, started)
        request = parse_access_request(taken.content)
        turns, tokens = await self.ledger.spent_before(taken.key.ticket_id) if ticket.attempt else (0, 0)
        case = Case(desk=self.desk, ticket=taken, request=request, figures=trace.figures)
        with tracing.span(f"invoke_agent {AGENT}", attributes=INVOCATION):
            end = await self.loop.run(case, trace, spent=Spent(turns=turns, tokens=tokens))
        if isinstance(end, Ended):
            return end.outcome.state.value, trace.figures()
        await self._hand_over(taken, request, end.reason, trace.figures())
        return State.HANDED_OVER.value, trace.figures()

    async def _hand_over(self, ticket: Ticket, request: AccessRequest, reason: str, figures: Figures) -> HandedOver:
        environment = None
        if request.environment_id is not None:
            environment = await self.desk.directory.environment(request.environment_id)
        owner = environment.owner if environment else None
        outcome = hand_over(
            reason=" ".join([reason, *text_problems(request, environment)]),
            owner=owner,
            resolver_group=self.resolver_group,
        )
        await self.desk.effects.conclude(
            ticket,
            outcome,
            owner=owner,
            premises=(),
            warrant=Warrant(tool=HAND_OVER),
            figures=figures,
            at=self.desk.now(),
        )
        return outcome


def read_ticket_key(body: str) -> TicketKey:
    """The keys in one of our own messages; fields it does not know are left alone. Raises PermanentError."""
    try:
        message = json.loads(body)
        return TicketKey(ticket_id=str(message["ticketId"]), employee_id=str(message["employeeId"]))
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(f"not a message about a ticket: {type(error).__name__}: {error}") from None


def read_decision_id(body: str) -> str | None:
    """The decision that is to be carried out; None where the ticket itself is to be worked on."""
    decision_id = json.loads(body).get("decisionId")
    return None if decision_id is None else str(decision_id)


def text_problems(request: AccessRequest, environment: Environment | None) -> list[str]:
    """What the requester should have written, for the person who takes over: each names the field and the remedy."""
    if not request.about_access:
        return []
    problems = [f"{problem.field} {problem.text}." for problem in request.problems]
    if request.environment_id is not None and environment is None:
        problems.append(
            f"EnvironmentId {request.environment_id} is not in the directory; ask the requester which environment is "
            "meant, or add it with 'deskhand directory import'."
        )
    return problems
