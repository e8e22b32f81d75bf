"""The promise of where tickets' outcomes are kept."""

from typing import Protocol

from services.feedback_tagger.domain.outcome import TicketStatus


class OutcomeStore(Protocol):
    """Raises TransientError and PermanentError as the stores do."""

    async def note(self, status: TicketStatus) -> bool:
        """Keep this status version of the ticket; False, and nothing changed, if it is kept already."""
        ...
