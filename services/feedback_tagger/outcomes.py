"""Notes what became of tickets beside the feedback, where the dashboards read: one row a status version.

Notifications come at least once and in any order. A row is written once and never changed, and the views take each
ticket's highest version, so neither a repeat nor a late arrival undoes anything.
"""

from dataclasses import dataclass, field

from services.feedback_tagger.messages.ticket_update import read_ticket_update
from services.feedback_tagger.store.outcomes import OutcomeStore
from shared.logs import about, logger
from shared.queue.message import Ack, Message, Settlement

log = logger("outcomes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """The handler of ticket-outcomes."""

    store: OutcomeStore = field(repr=False)

    async def handle(self, message: Message) -> Settlement:
        """Raises TransientError or PermanentError."""
        status = read_ticket_update(message.body)
        about(ticket_id=status.ticket_id)
        new = await self.store.note(status)
        log.info(
            "ticket_outcome",
            ticket_id=status.ticket_id,
            version=status.version,
            state=status.state,
            outcome=status.outcome,
            new=new,
        )
        return Ack()
