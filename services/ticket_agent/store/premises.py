"""The facts that a write rests on, as condition checks of its transaction."""

from collections.abc import Sequence

from services.ticket_agent.domain.access import Grant, Holding, Standing
from services.ticket_agent.domain.premise import GroupExists, ManagerIs, OwnerIs, PersonExists, Premise, StillHeld
from services.ticket_agent.store.tables import Tables, grant_key, standing_key
from services.ticket_agent.store.transaction import Condition, Part, check


def premise_checks(tables: Tables, premises: Sequence[Premise], *, at: float) -> list[Part]:
    """One condition check for each premise, to stand in the transaction of what rests on it."""
    return [_premise_check(tables, premise, at=at) for premise in premises]


def _premise_check(tables: Tables, premise: Premise, *, at: float) -> Part:
    match premise:
        case ManagerIs(employee_id, manager):
            unchanged = Condition("#manager = :manager", {"#manager": "manager"}, {":manager": manager})
            return check("manager", tables.user, {"employeeId": employee_id}, unchanged)
        case OwnerIs(environment_id, owner):
            unchanged = Condition("#owner = :owner", {"#owner": "managing_entity"}, {":owner": owner})
            return check("owner", tables.environment, {"environmentId": environment_id}, unchanged)
        case GroupExists(group_id):
            there = Condition("attribute_exists(groupId)")
            return check("group", tables.resolver_group, {"groupId": group_id}, there)
        case PersonExists(employee_id):
            there = Condition("attribute_exists(employeeId)")
            return check("person", tables.user, {"employeeId": employee_id}, there)
        case StillHeld(holding):
            return _holding_check(tables, holding, at=at)


def _holding_check(tables: Tables, holding: Holding, *, at: float) -> Part:
    match holding:
        case Standing():
            key = standing_key(holding.employee_id, holding.environment_id)
            return check("access", tables.user_access, key, _same_standing(holding))
        case Grant():
            return check("access", tables.user_access, grant_key(holding), _same_grant(holding, at=at))


def _same_standing(standing: Standing) -> Condition:
    if standing.recorded is None:
        return Condition("attribute_exists(employeeId) AND attribute_not_exists(#type)", {"#type": "accessType"})
    return Condition("#type = :type", {"#type": "accessType"}, {":type": standing.recorded})


def _same_grant(grant: Grant, *, at: float) -> Condition:
    return Condition(
        "#type = :type AND #expires = :expires AND #expires > :now",
        {"#type": "accessType", "#expires": "expiresAt"},
        {":type": grant.access_type.text, ":expires": grant.expires_at, ":now": int(at)},
    )
