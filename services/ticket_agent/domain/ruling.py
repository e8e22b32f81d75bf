"""What a person decides on a ticket that waits for it. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    APPROVE = "approve"
    DECLINE = "decline"
    REASSIGN = "reassign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """``ruling_id`` is that of the message that brought it. ``days``: None is what the ticket asks for."""

    ruling_id: str
    kind: Kind
    decider: str
    days: int | None = None
    to: str | None = None
    comment: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Misfit:
    """A field that does not go with the decision, and what to do about it."""

    field: str
    problem: str
    remedy: str


def misfit(ruling: Ruling) -> Misfit | None:
    """What of the ruling contradicts itself; None if nothing does."""
    if ruling.kind is Kind.REASSIGN and ruling.to is None:
        return Misfit("to", "is missing", "send 'to', the employee or group that gets the ticket")
    if ruling.kind is not Kind.REASSIGN and ruling.to is not None:
        return Misfit("to", f"does not go with {ruling.kind}", "leave it out, or send the decision reassign")
    if ruling.kind is not Kind.APPROVE and ruling.days is not None:
        return Misfit("days", f"does not go with {ruling.kind}", "leave it out, or send the decision approve")
    return None
