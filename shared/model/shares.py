"""Which part of one model's limit each task of the fleet may use: by demand, with a part kept for tickets.

Each task says every few seconds that it is there and what it could use, and hears who else is. The division is a pure
function of that, so that all who see the same members come to the same result; while they do not, the rule of
``Shared`` keeps their sum within the limit: less is taken at once, more only when it has been offered for two rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

BEAT_SECONDS = 5.0
GONE_SECONDS = 4 * BEAT_SECONDS
"""A member that has said nothing for so long is gone, by the clock of who watches: three beats may be lost."""
ROUNDS = 2
LEAST_PART = 0.05
"""A member without demand keeps this part of an even share: enough to send the first call of new work at once."""
TICKETS = "ticket_agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One task. ``beat`` grows with each renewal; ``demand`` is in tokens a minute."""

    task: str
    service: str
    demand: float
    beat: int


class Shares(Protocol):
    """The members of one model's quota. Raises TransientError while the store is away."""

    async def renew(self, member: Member) -> Sequence[Member]:
        """Put ``member`` in place of its earlier self and return all, this one included."""
        ...

    async def remove(self, member: Member) -> None:
        """Take a member out that has not renewed since; nothing happens if it has, or is not there."""
        ...


def divided(members: Sequence[Member], *, ticket_share: float) -> dict[str, float]:
    """Each task's part of the limit; together at most 1.

    As long as a ticket agent is there, ``ticket_share`` is its tasks' alone, in use or not: a ticket must not wait for
    a file to give quota back. The rest goes to everybody by demand.
    """
    if not members:
        return {}
    tickets = [member for member in members if member.service == TICKETS]
    kept = ticket_share if tickets else 0.0
    if len(tickets) == len(members):
        kept = 1.0
    parts = {member.task: 0.0 for member in members}
    for group, part in ((tickets, kept), (members, 1.0 - kept)):
        even = sum(member.demand for member in group) / len(group) if group else 0.0
        weights = {member.task: max(member.demand, LEAST_PART * even) or 1.0 for member in group}
        total = sum(weights.values())
        for task, weight in weights.items():
            parts[task] += part * weight / total
    return parts


@dataclass(slots=True, kw_only=True)
class Shared:
    """One task's view: who is alive, and which part it takes. Pure; ``now`` is this task's steady clock."""

    task: str
    ticket_share: float
    part: float = LEAST_PART
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    _offered: list[float] = field(default_factory=list)

    def gone(self, members: Sequence[Member], now: float) -> list[Member]:
        """Members that have not renewed for too long as this task has seen it."""
        self._seen = {
            member.task: self._seen[member.task]
            if self._seen.get(member.task, (None, 0.0))[0] == member.beat
            else (member.beat, now)
            for member in members
        }
        return [
            member
            for member in members
            if member.task != self.task and now - self._seen[member.task][1] >= GONE_SECONDS
        ]

    def update(self, members: Sequence[Member], now: float) -> float:
        """The part to use from now on."""
        gone = {member.task for member in self.gone(members, now)}
        alive = [member for member in members if member.task not in gone]
        offered = divided(alive, ticket_share=self.ticket_share).get(self.task, 0.0)
        self._offered = [*self._offered[-ROUNDS:], offered]
        alone = [member.task for member in members] == [self.task]
        if offered < self.part or alone:
            self.part = offered
        elif len(self._offered) > ROUNDS:
            # Those whose part shrinks have heard of it by now, and given it up at once.
            self.part = max(self.part, min(self._offered))
        return self.part
