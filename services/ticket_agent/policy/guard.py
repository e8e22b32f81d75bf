"""Decides whether the policy allows an effect, on facts alone: default deny, and any error denies.

An erroring ``forbid`` is skipped by Cedar (documentation, "Authorization", on errors in policies), so a decision that
comes with errors is never taken as an allow.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal, TypeAlias

import cedarpy

from services.ticket_agent.domain.access import AccessType
from services.ticket_agent.domain.directory import Employee, Environment, ResolverGroup
from services.ticket_agent.domain.ticket import AccessRequest

Action: TypeAlias = Literal["giveAccess", "autoResolveTicket", "assignTicketToEnvironmentOwner"]
ROUTE, APPROVE = "assignTicketToResolverGroup", "approveAccess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a decision rests on: ``held`` is all that active access covers, ``owner_named`` the assignee it asks for."""

    employee: Employee
    environment: Environment
    request: AccessRequest
    ticket_open: bool
    held: frozenset[AccessType] = frozenset()
    owner_named: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingFacts:
    """What routing to ``group`` rests on; that the group exists is checked in the write's transaction."""

    employee: Employee
    group: ResolverGroup
    request: AccessRequest
    ticket_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalFacts:
    """What a person's approval rests on. ``owner_manager`` is the manager of the environment's owner; ``delegated_by``
    passed the ticket on to its assignee; ``days`` is for how long the decider gives the access."""

    decider: str
    requester: str
    environment: Environment
    request: AccessRequest
    awaiting: bool
    days: int
    assignee: str | None = None
    owner_manager: str | None = None
    delegated_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``policies`` are the ids of the policies that decided; ``version`` names the policy text."""

    action: str
    allowed: bool
    policies: tuple[str, ...]
    errors: tuple[str, ...]
    version: str


class BadPolicy(Exception):
    """The policy text does not parse, or does not fit the schema; the service must not start with it."""


class Guard:
    """Holds one parsed and validated policy."""

    def __init__(self, policy: str, schema: str) -> None:
        checked = cedarpy.validate_policies(policy, schema)
        if not checked.validation_passed:
            raise BadPolicy("; ".join(str(error) for error in checked.errors))
        self._policy = cedarpy.PolicySet.from_str(policy)
        self._schema = cedarpy.Schema.from_str(schema)
        self.version = hashlib.sha256((policy + schema).encode()).hexdigest()[:12]

    @classmethod
    def from_package(cls) -> "Guard":
        """The policy that ships with the service. Raises BadPolicy."""
        return cls.with_policy(files(__package__).joinpath("access.cedar").read_text(encoding="utf-8"))

    @classmethod
    def with_policy(cls, policy: str) -> "Guard":
        """Another policy over the facts that ship with the service. Raises BadPolicy."""
        return cls(policy, files(__package__).joinpath("access.cedarschema").read_text(encoding="utf-8"))

    def decide(self, action: Action, facts: Facts) -> Decision:
        return self._decided(action, _as_request(action, facts), _as_entities(facts))

    def may_route(self, facts: RoutingFacts) -> Decision:
        """Whether the ticket may go to the group."""
        request = {
            "principal": {"type": "Employee", "id": facts.employee.employee_id},
            "action": {"type": "Action", "id": ROUTE},
            "resource": {"type": "ResolverGroup", "id": facts.group.group_id},
            "context": {"ticketOpen": facts.ticket_open, "request": _as_asked(facts.request)},
        }
        group = {"groupId": facts.group.group_id}
        entities = [
            _entity("Employee", facts.employee.employee_id, {"manager": facts.employee.manager or None}),
            _entity("ResolverGroup", facts.group.group_id, group),
        ]
        return self._decided(ROUTE, request, entities)

    def may_approve(self, facts: ApprovalFacts) -> Decision:
        """Whether the decider may give the access that the ticket asks for."""
        environment = facts.environment
        people = {
            "decider": facts.decider,
            "requester": facts.requester,
            "assignee": facts.assignee,
            "ownerManager": facts.owner_manager,
            "delegatedBy": facts.delegated_by,
        }
        request = {
            "principal": {"type": "Employee", "id": facts.decider},
            "action": {"type": "Action", "id": APPROVE},
            "resource": {"type": "Environment", "id": environment.environment_id},
            "context": {
                "awaiting": facts.awaiting,
                "request": _as_asked(facts.request),
                "days": facts.days,
                **_without_none(people),
            },
        }
        owned = {"environmentId": environment.environment_id, "owner": environment.owner or None}
        entities = [
            _entity("Employee", facts.decider, {}),
            _entity("Environment", environment.environment_id, owned),
        ]
        return self._decided(APPROVE, request, entities)

    def _decided(self, action: str, request: dict[str, Any], entities: list[dict[str, Any]]) -> Decision:
        answer = cedarpy.is_authorized(request, self._policy, entities, self._schema)
        named = answer.diagnostics.id_annotations_by_reason
        errors = tuple(map(str, answer.diagnostics.errors))
        return Decision(
            action=action,
            allowed=answer.allowed and not errors,
            policies=tuple(named.get(reason) or reason for reason in answer.diagnostics.reasons),
            errors=errors,
            version=self.version,
        )


def _as_request(action: Action, facts: Facts) -> dict[str, Any]:
    # Names as mappings, never as Cedar text: an id cannot break out of its quotes.
    return {
        "principal": {"type": "Employee", "id": facts.employee.employee_id},
        "action": {"type": "Action", "id": action},
        "resource": {"type": "Environment", "id": facts.environment.environment_id},
        "context": _as_context(action, facts),
    }


def _as_context(action: Action, facts: Facts) -> dict[str, Any]:
    context: dict[str, Any] = {"ticketOpen": facts.ticket_open, "request": _as_asked(facts.request)}
    if action == "assignTicketToEnvironmentOwner":
        return context | {"ownerNamed": facts.owner_named}
    return context | {"held": sorted(access_type.text for access_type in facts.held)}


def _as_entities(facts: Facts) -> list[dict[str, Any]]:
    employee, environment = facts.employee, facts.environment
    owned = {"environmentId": environment.environment_id, "owner": environment.owner or None}
    return [
        _entity("Employee", employee.employee_id, {"manager": employee.manager or None}),
        _entity("Environment", environment.environment_id, owned),
    ]


def _entity(kind: str, identifier: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"uid": {"type": kind, "id": identifier}, "attrs": _without_none(attributes), "parents": []}


def _as_asked(asked: AccessRequest) -> dict[str, Any]:
    return _without_none(
        {
            "aboutAccess": asked.about_access,
            "complete": asked.complete,
            "environmentId": asked.environment_id,
            "accessType": asked.access_type.text if asked.access_type else None,
            "days": asked.days,
        }
    )


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
