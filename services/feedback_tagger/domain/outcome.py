"""What became of a ticket, as far as the dashboards count it: ids and states, never its text."""

from dataclasses import dataclass
from datetime import datetime

RESOLVED = "resolved by the agent"
WAITING = "waits for a person"
DECIDED = "decided by a person"
EXPIRED = "expired"
OTHER = "other"

_OUTCOMES = {
    "resolved": RESOLVED,
    "assigned": WAITING,
    "handed over": WAITING,
    "reassigned": WAITING,
    "escalated": WAITING,
    "approved": DECIDED,
    "declined": DECIDED,
    "expired": EXPIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketStatus:
    """One status version of a ticket, as its notification told it; ``told_at`` is when that was published."""

    ticket_id: str
    version: int
    state: str
    employee: str | None
    owner: str | None
    resolver_group: str | None
    told_at: datetime

    @property
    def outcome(self) -> str:
        # A newer ticket agent may tell states that this build does not know: they are counted, not refused.
        return _OUTCOMES.get(self.state, OTHER)
