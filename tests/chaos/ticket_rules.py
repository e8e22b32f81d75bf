"""What tickets ask for in a chaos run, and what the access policy says of each: stated anew, apart from the service."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.tickets import a_text

INCLUDED = {
    "Read": {"Read"},
    "Write": {"Read", "Write"},
    "Developer": {"Read", "Write", "Developer"},
    "DevOps": {"Read", "Write", "DevOps"},
    "Admin": {"Read", "Write", "Developer", "DevOps", "Admin"},
}
DAYS = (1, 8, 15, 29, 29, 30, 45)
TYPES = ("Read", "Read", "Write", "Developer", "DevOps", "Admin")
UNKNOWN_ENVIRONMENT = "9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One ticket. ``declined``: whether its assignee says no as soon as it is told of it, if it is assigned."""

    ticket_id: str
    employee_id: str
    environment_id: str
    access_type: str
    days: int
    declined: bool = False

    @property
    def text(self) -> str:
        return a_text(
            environment=f"EnvironmentId: {self.environment_id}",
            duration=f"Access duration: {self.days} days",
            access_type=f"Access Type: {self.access_type}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The directory of a run; ``standing`` holds (employee, environment) with access that counts as Read."""

    managers: Mapping[str, str | None]
    owners: Mapping[str, str]
    standing: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def stands(self, asked: Asked) -> bool:
        """The access was there before any ticket."""
        return asked.access_type == "Read" and (asked.employee_id, asked.environment_id) in self.standing

    def deserves(self, asked: Asked) -> bool:
        """The policy grants it to whoever does not have it yet."""
        owner = self.owners.get(asked.environment_id)
        own_manager_owns = owner is not None and owner == self.managers.get(asked.employee_id)
        return own_manager_owns and asked.days < 30 and asked.access_type != "Admin"


def tickets_of(world: World, how_many: int, die: random.Random) -> list[Asked]:
    """A mix: about half deserve a grant, the rest is for owners, is held already, or names no known environment."""
    employees = sorted(world.managers)
    return [_ticket(f"T-{number}", die.choice(employees), world, die) for number in range(how_many)]


def _ticket(ticket_id: str, employee_id: str, world: World, die: random.Random) -> Asked:
    of_own_manager = [each for each, owner in world.owners.items() if owner == world.managers[employee_id]]
    environments: Sequence[str] = of_own_manager if of_own_manager and die.random() < 0.7 else sorted(world.owners)
    return Asked(
        ticket_id=ticket_id,
        employee_id=employee_id,
        environment_id=UNKNOWN_ENVIRONMENT if die.random() < 0.03 else die.choice(environments),
        access_type=die.choice(TYPES),
        days=die.choice(DAYS),
        declined=die.random() < 0.5,
    )
