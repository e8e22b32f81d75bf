"""A fact that a decision rests on; the store checks in the write's own transaction that it still holds."""

from dataclasses import dataclass
from typing import TypeAlias

from services.ticket_agent.domain.access import Holding


@dataclass(frozen=True, slots=True)
class ManagerIs:
    employee_id: str
    manager: str


@dataclass(frozen=True, slots=True)
class OwnerIs:
    environment_id: str
    owner: str


@dataclass(frozen=True, slots=True)
class GroupExists:
    group_id: str


@dataclass(frozen=True, slots=True)
class PersonExists:
    employee_id: str


@dataclass(frozen=True, slots=True)
class StillHeld:
    holding: Holding


Premise: TypeAlias = ManagerIs | OwnerIs | GroupExists | PersonExists | StillHeld
