"""Carries a person's decision out, under the guard and the ledger that hold for the agent as well.

A decision counts once: what it writes is conditional on the state and the version that it was judged on, and the
status it brings about names it.
"""

from dataclasses import dataclass

from services.ticket_agent.domain.access import Grant, expiry
from services.ticket_agent.domain.change import Change, approval, reassignment, refusal_of_request, refused_decision
from services.ticket_agent.domain.directory import Environment
from services.ticket_agent.domain.premise import GroupExists, ManagerIs, OwnerIs, PersonExists, Premise
from services.ticket_agent.domain.ruling import Kind, Ruling
from services.ticket_agent.domain.state import AWAITING
from services.ticket_agent.domain.ticket import AccessRequest, Ticket, TicketKey, parse_access_request
from services.ticket_agent.policy.guard import ApprovalFacts, Decision, Guard
from services.ticket_agent.store.port import (
    AccessBook,
    Changes,
    Directory,
    PremiseGone,
    Rulings,
    Superseded,
    Tickets,
    Warrant,
)
from shared.clock import Now, as_utc_text
from shared.errors import PermanentError
from shared.logs import logger
from shared.queue.message import Ack, Retry, Settlement

log = logger("deciding")

TRIES_ON_NEW_FACTS = 3


@dataclass(frozen=True, slots=True)
class Refused:
    """``reason`` is for the decider."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the decision brings about, and on which facts."""

    change: Change
    warrant: Warrant
    grant: Grant | None = None
    premises: tuple[Premise, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    tickets: Tickets
    rulings: Rulings
    directory: Directory
    access: AccessBook
    changes: Changes
    guard: Guard
    now: Now

    async def carry_out(self, key: TicketKey, ruling_id: str) -> Settlement:
        """Part of the ticket-work queue's handler. Raises TransientError or PermanentError."""
        ruling = await self.rulings.load(key.ticket_id, ruling_id)
        if ruling is None:
            raise PermanentError(f"the ledger has no decision {ruling_id} of ticket {key.ticket_id}")
        for _ in range(TRIES_ON_NEW_FACTS):
            ticket = await self.tickets.load(key)
            if ticket is None or await self.rulings.is_settled(key.ticket_id, ruling_id):
                return Ack()
            try:
                await self._settle(ticket, ruling)
            except PremiseGone as gone:
                log.info("facts_changed", ticket_id=key.ticket_id, decision_id=ruling_id, premises=gone.premises)
            except Superseded as superseded:
                return Retry(reason=f"the ticket moved on: {superseded}")
            else:
                return Ack()
        return Retry(reason="facts change faster than the decision can be carried out")

    async def give_up(self, key: TicketKey, ruling_id: str, reason: str) -> None:
        """Before its message becomes a dead letter: let the decider know that nothing comes of it."""
        ruling = await self.rulings.load(key.ticket_id, ruling_id)
        ticket = await self.tickets.load(key)
        if ruling is None or ticket is None or await self.rulings.is_settled(key.ticket_id, ruling_id):
            return
        environment = await self._environment(parse_access_request(ticket.content))
        why = f"Carrying it out failed repeatedly: {reason} Please send it again."
        await self._refuse(ticket, ruling, why, environment.owner if environment else None)

    async def _settle(self, ticket: Ticket, ruling: Ruling) -> None:
        request = parse_access_request(ticket.content)
        environment = await self._environment(request)
        owner = environment.owner if environment else None
        judged = await self._judge(ticket, ruling, request, environment)
        outcome = "carried out"
        if isinstance(judged, Refused):
            outcome = "refused"
            await self._refuse(ticket, ruling, judged.reason, owner)
        else:
            await self.changes.apply(
                ticket,
                judged.change,
                owner=owner,
                at=self.now(),
                warrant=judged.warrant,
                grant=judged.grant,
                premises=judged.premises,
            )
        log.info(
            "decision_settled",
            ticket_id=ticket.key.ticket_id,
            decision_id=ruling.ruling_id,
            decision=ruling.kind.value,
            outcome=outcome,
        )

    async def _refuse(self, ticket: Ticket, ruling: Ruling, reason: str, owner: str | None) -> None:
        if ticket.state not in AWAITING:
            # People have been told how it ended; that somebody was too late is for the ledger.
            await self.rulings.refuse(ticket, ruling, reason, at=self.now())
            return
        change = refused_decision(ticket, reason=reason, decider=ruling.decider, decision_id=ruling.ruling_id)
        await self.changes.apply(ticket, change, owner=owner, at=self.now(), warrant=Warrant(tool=_tool(ruling)))

    async def _environment(self, request: AccessRequest) -> Environment | None:
        return await self.directory.environment(request.environment_id) if request.environment_id else None

    async def _judge(
        self, ticket: Ticket, ruling: Ruling, request: AccessRequest, environment: Environment | None
    ) -> Carried | Refused:
        if ticket.state not in AWAITING:
            return Refused(f"The ticket waits for no decision any more: it is {ticket.assign_status}.")
        owner = environment.owner if environment else None
        if ruling.decider not in (ticket.assignee, owner):
            return Refused(f"The ticket is not theirs any more: {ticket.assignee} has it.")
        if ruling.kind is Kind.APPROVE:
            return await self._approve(ticket, ruling, request, environment)
        # Whoever has the ticket may say no or pass it on; only giving access needs the policy.
        owner_still = (OwnerIs(environment.environment_id, owner),) if environment and owner == ruling.decider else ()
        if ruling.kind is Kind.DECLINE:
            change = refusal_of_request(
                ticket, decider=ruling.decider, decision_id=ruling.ruling_id, comment=ruling.comment
            )
            return Carried(change=change, warrant=Warrant(tool=_tool(ruling)), premises=owner_still)
        return await self._reassign(ticket, ruling, owner_still)

    async def _reassign(self, ticket: Ticket, ruling: Ruling, premises: tuple[Premise, ...]) -> Carried | Refused:
        to = ruling.to or ""
        if to == ticket.key.employee_id:
            return Refused("Nobody decides on a request of their own.")
        person = await self.directory.employee(to)
        group = None if person else await self.directory.resolver_group(to)
        if person is None and group is None:
            return Refused(f"{to} is neither an employee nor a group of the directory.")
        if group is not None and parse_access_request(ticket.content).about_access:
            return Refused("A request for access goes to a person; a group cannot decide on it.")
        change = reassignment(
            ticket,
            to=to,
            to_group=group is not None,
            decider=ruling.decider,
            decision_id=ruling.ruling_id,
            comment=ruling.comment,
        )
        there: Premise = GroupExists(to) if group else PersonExists(to)
        return Carried(change=change, warrant=Warrant(tool=_tool(ruling)), premises=(*premises, there))

    async def _approve(
        self, ticket: Ticket, ruling: Ruling, request: AccessRequest, environment: Environment | None
    ) -> Carried | Refused:
        if environment is None or environment.owner is None or request.access_type is None:
            return Refused(f"The ticket does not say clearly which access it asks for. {request.problem_text}".strip())
        days = ruling.days or request.days
        if days is None:
            return Refused("The ticket says no clear duration; approve it with a number of days.")
        owner = await self.directory.employee(environment.owner)
        manager = owner.manager if owner else None
        decision = self.guard.may_approve(
            ApprovalFacts(
                decider=ruling.decider,
                requester=ticket.key.employee_id,
                environment=environment,
                request=request,
                awaiting=ticket.state in AWAITING,
                days=days,
                assignee=ticket.assignee,
                owner_manager=manager,
                delegated_by=ticket.delegated_by,
            )
        )
        if not decision.allowed:
            return Refused(_why_not(decision, environment.owner))
        given = await self._given(ticket, environment)
        if given is not None:
            return Refused(f"The ticket has brought access already, until {as_utc_text(given.expires_at)}.")
        now = self.now()
        grant = Grant(
            employee_id=ticket.key.employee_id,
            environment_id=environment.environment_id,
            access_type=request.access_type,
            ticket_id=ticket.key.ticket_id,
            reason=request.justification or "",
            granted_at=int(now),
            expires_at=expiry(now=now, days=days),
        )
        change = approval(
            ticket,
            grant,
            until=as_utc_text(grant.expires_at),
            decider=ruling.decider,
            decision_id=ruling.ruling_id,
            comment=ruling.comment,
        )
        premises: tuple[Premise, ...] = (OwnerIs(environment.environment_id, environment.owner),)
        if manager is not None and manager in (ruling.decider, ticket.delegated_by):
            premises = (*premises, ManagerIs(environment.owner, manager))
        warrant = Warrant(tool=_tool(ruling), policies=decision.policies, policy_version=decision.version)
        return Carried(change=change, warrant=warrant, grant=grant, premises=premises)

    async def _given(self, ticket: Ticket, environment: Environment) -> Grant | None:
        holdings = await self.access.holdings(ticket.key.employee_id, environment.environment_id)
        grants = (held for held in holdings if isinstance(held, Grant))
        return next((grant for grant in grants if grant.ticket_id == ticket.key.ticket_id), None)


def _tool(ruling: Ruling) -> str:
    return f"decision:{ruling.kind.value}"


def _why_not(decision: Decision, owner: str) -> str:
    if "never-approve-a-request-of-ones-own" in decision.policies:
        return "Nobody approves a request of their own."
    return (
        f"The access policy lets only {owner}, who owns the environment, their manager, or whom one of them passed the "
        "ticket on to, approve it, for 1 to 365 days."
    )
