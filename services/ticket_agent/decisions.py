"""Takes people's decisions in: reads the message strictly, proves who sent it, keeps it, and sends it to the worker.

The door refuses whoever has nothing to do with the ticket; whether the policy lets the decider do this is the worker's
to ask, on the facts of the moment at which it is carried out.
"""

import json
from dataclasses import dataclass

from services.ticket_agent.domain.ruling import Kind, Ruling, misfit
from services.ticket_agent.domain.state import AWAITING
from services.ticket_agent.domain.ticket import Ticket, parse_access_request
from services.ticket_agent.intake import first_sender, is_noise, is_sender
from services.ticket_agent.store.port import Directory, Rulings, Superseded, Tickets
from services.ticket_agent.tools.port import plain_text
from shared.clock import Now
from shared.errors import BadInput
from shared.logs import about, logger
from shared.messages import MessageSchema
from shared.queue.dead_letters import senders
from shared.queue.message import Ack, Message, Outgoing, Retry, Settlement
from shared.queue.port import Queue
from shared.queue.sending import send_all

log = logger("decisions")

DECISION_SCHEMA = MessageSchema.from_package("services.ticket_agent.messages", "decision.schema.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """``trusted_relays`` are senders that vouch for the people whose decisions they pass on."""

    directory: Directory
    tickets: Tickets
    rulings: Rulings
    work: Queue
    trusted_relays: tuple[str, ...]
    now: Now

    async def handle(self, message: Message) -> Settlement:
        """Handler of the ticket-decisions queue. Raises BadInput for a decision that can never be taken."""
        if is_noise(message.body):
            return Ack()
        ticket_id, ruling = read_ruling(message)
        about(ticket_id=ticket_id, decision_id=ruling.ruling_id)
        ticket = await self.tickets.find(ticket_id)
        if ticket is None:
            raise BadInput(
                field="ticketId", problem="is no ticket", remedy="send the ticket's id as its notification has it"
            )
        await self._prove(message, ticket, ruling)
        if await self.rulings.load(ticket_id, ruling.ruling_id) is None:
            if ticket.state not in AWAITING:
                raise BadInput(
                    field="ticketId",
                    problem=f"waits for no decision: it is {ticket.assign_status}",
                    remedy="send a new ticket if something is still to be decided",
                )
            try:
                sender_id = first_sender(message, self.trusted_relays)
                await self.rulings.keep(ticket, ruling, sender_id=sender_id, at=self.now())
            except Superseded as superseded:
                return Retry(reason=str(superseded))
        body = {
            "ticketId": ticket_id,
            "employeeId": ticket.key.employee_id,
            "version": ticket.status_version,
            "decisionId": ruling.ruling_id,
        }
        order = Outgoing(body=json.dumps(body), group_id=ticket_id, deduplication_id=f"decision-{ruling.ruling_id}")
        await send_all(self.work, [order])
        log.info("decision_taken_in", ticket_id=ticket_id, decision_id=ruling.ruling_id, decision=ruling.kind.value)
        return Ack()

    async def _prove(self, message: Message, ticket: Ticket, ruling: Ruling) -> None:
        """Raises BadInput unless the sender is who decides, and that is somebody the ticket concerns."""
        person = await self.directory.employee(ruling.decider)
        group = None if person else await self.directory.resolver_group(ruling.decider)
        known = person or group
        own = (known.sender_id,) if known and known.sender_id else ()
        trusted = (*own, *self.trusted_relays)
        hands = senders(message)
        stranger = next((each for each in hands if not any(is_sender(each, one) for one in trusted)), None)
        if stranger is not None:
            raise BadInput(
                field="decidedBy",
                problem=f"is not who sent this: {stranger}",
                remedy="send with the identity that the directory has for them (senderId), or through a trusted relay",
            )
        asked = parse_access_request(ticket.content).environment_id
        environment = await self.directory.environment(asked) if asked else None
        if ruling.decider not in (ticket.assignee, environment.owner if environment else None):
            raise BadInput(
                field="decidedBy",
                problem="neither has the ticket nor owns its environment",
                remedy=f"let {ticket.assignee or 'its assignee'} decide, or pass the ticket on first (reassign)",
            )


def read_ruling(message: Message) -> tuple[str, Ruling]:
    """Ticket id and ruling. Raises BadInput naming the field at fault and the remedy."""
    fields = DECISION_SCHEMA.read(message.body)
    ruling = Ruling(
        ruling_id=message.message_id,
        kind=Kind(fields["decision"]),
        decider=fields["decidedBy"],
        days=fields.get("days"),
        to=fields.get("to"),
        comment=plain_text(fields.get("comment", "")),
    )
    wrong = misfit(ruling)
    if wrong is not None:
        raise BadInput(field=wrong.field, problem=wrong.problem, remedy=wrong.remedy)
    return fields["ticketId"], ruling
