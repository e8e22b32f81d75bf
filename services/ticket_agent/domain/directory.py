"""Who there is and what they own: employees, groups and environments, as the tables tell them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Employee:
    """``sender_id`` is the SQS SenderId this person sends with; None: only through a trusted relay. ``contact`` is how
    people reach them, in whatever form the directory has it."""

    employee_id: str
    manager: str | None = None
    sender_id: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """``owner`` decides on access that the policy does not grant by itself."""

    environment_id: str
    name: str = ""
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverGroup:
    """Takes tickets that are not about access: a role, not a person. ``sender_id`` and ``contact`` as an employee's."""

    group_id: str
    name: str = ""
    sender_id: str | None = None
    contact: str | None = None
