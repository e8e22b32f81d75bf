"""The guard against an independent statement of the rules, over generated facts."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ticket_agent.domain.access import AccessType
from services.ticket_agent.domain.directory import Employee, Environment, ResolverGroup
from services.ticket_agent.domain.ticket import AccessRequest, Problem
from services.ticket_agent.policy.guard import (
    Action,
    ApprovalFacts,
    BadPolicy,
    Decision,
    Facts,
    Guard,
    RoutingFacts,
)

GUARD = Guard.from_package()
FORGED = 'x" || true'
PROBLEMS = (Problem("Title", "is missing"),)

# What comes often in a pool lets rules come true; with all values alike, one fact in a thousand would be granted.
POOLS: Mapping[str, Sequence[Any]] = {
    "manager": ("@sam", "@sam", "@sam", None, "", "@kirk", FORGED),
    "owner": ("@sam", "@sam", "@sam", None, "", "@kirk", FORGED),
    "environment": ("1", "1", "4", '1"'),
    "environment_asked": ("1", "1", "1", None, "4", '1"'),
    "days": (8, 29, 1, 30, 28, None, 0, 31, -1, 14, 90, 10_000),
    "access_type": (*AccessType, None),
    "problems": ((), (), (), PROBLEMS),
    "about_access": (True, True, True, False),
    "ticket_open": (True, True, True, False),
    "held": (frozenset[AccessType](), *(held.covers for held in AccessType)),
    "owner_named": ("@sam", "@sam", "", "@kirk", "@SAM", FORGED),
}
COMBINATIONS = prod(map(len, POOLS.values()))


def facts_of(number: int) -> Facts:
    """The facts that ``number`` stands for, a digit a pool. Smaller numbers are plainer facts, so shrinking works."""
    chosen: dict[str, Any] = {}
    for name, pool in POOLS.items():
        number, digit = divmod(number, len(pool))
        chosen[name] = pool[digit]
    return Facts(
        employee=Employee(employee_id="111", manager=chosen["manager"]),
        environment=Environment(environment_id=chosen["environment"], owner=chosen["owner"]),
        request=AccessRequest(
            environment_id=chosen["environment_asked"],
            days=chosen["days"],
            access_type=chosen["access_type"],
            problems=chosen["problems"],
            about_access=chosen["about_access"],
        ),
        ticket_open=chosen["ticket_open"],
        held=chosen["held"],
        owner_named=chosen["owner_named"],
    )


def names_its_environment(facts: Facts) -> bool:
    return facts.request.environment_id == facts.environment.environment_id


def is_a_clear_access_request(facts: Facts) -> bool:
    return facts.ticket_open and facts.request.about_access and not facts.request.problems


def may_grant(facts: Facts) -> bool:
    asked = facts.request
    if not is_a_clear_access_request(facts) or not names_its_environment(facts):
        return False
    if not facts.environment.owner or facts.environment.owner != facts.employee.manager:
        return False
    if asked.days is None or not 1 <= asked.days <= 29:
        return False
    return asked.access_type is not None and asked.access_type.text != "Admin" and asked.access_type not in facts.held


def may_resolve(facts: Facts) -> bool:
    if not is_a_clear_access_request(facts) or not names_its_environment(facts):
        return False
    return facts.request.access_type in facts.held


def may_assign(facts: Facts) -> bool:
    if not facts.ticket_open or not names_its_environment(facts) or not facts.environment.owner:
        return False
    return facts.owner_named == facts.environment.owner


RULES: tuple[tuple[Action, Callable[[Facts], bool]], ...] = (
    ("giveAccess", may_grant),
    ("autoResolveTicket", may_resolve),
    ("assignTicketToEnvironmentOwner", may_assign),
)


def some_facts(**changes: object) -> Facts:
    request = AccessRequest(environment_id="1", days=8, access_type=AccessType.READ)
    given_facts: dict[str, object] = {
        "employee": Employee(employee_id="111", manager="@sam"),
        "environment": Environment(environment_id="1", owner="@sam"),
        "request": request,
        "ticket_open": True,
        **changes,
    }
    return Facts(**given_facts)  # type: ignore[arg-type]


FACTS_ASKED, FACTS_AN_EXAMPLE = 10_000, 20


def test_the_policy_allows_what_the_rules_say_and_nothing_else_on_ten_thousand_facts() -> None:
    asked: set[int] = set()
    allowed: Counter[str] = Counter()

    # Twenty facts an example: hypothesis takes longer to draw one than Cedar to decide on it.
    @settings(max_examples=2 * FACTS_ASKED // FACTS_AN_EXAMPLE, deadline=None, database=None)
    @given(st.sets(st.integers(0, COMBINATIONS - 1), min_size=FACTS_AN_EXAMPLE, max_size=FACTS_AN_EXAMPLE))
    def agrees(numbers: set[int]) -> None:
        # Hypothesis comes back to what it has seen; only what is new counts.
        for number in numbers - asked if len(asked) < FACTS_ASKED else ():
            facts = facts_of(number)
            for action, may in RULES:
                decision = GUARD.decide(action, facts)
                assert decision.allowed == may(facts), (action, facts)
                allowed[action] += decision.allowed
            asked.add(number)

    agrees()
    assert len(asked) >= FACTS_ASKED
    # A rule that never came true was not compared.
    assert min(allowed[action] for action, _ in RULES) >= 20, allowed


# What a group may be given


@pytest.mark.parametrize("about_access", [True, False])
@pytest.mark.parametrize("ticket_open", [True, False])
def test_a_group_gets_open_tickets_that_are_not_about_access(about_access: bool, ticket_open: bool) -> None:
    decision = GUARD.may_route(
        RoutingFacts(
            employee=Employee(employee_id="111"),
            group=ResolverGroup(group_id='network" || true'),
            request=AccessRequest(about_access=about_access, problems=(Problem("Title", "is missing"),)),
            ticket_open=ticket_open,
        )
    )
    assert decision.allowed == (ticket_open and not about_access)


# What a person may approve

SOMEBODY = st.sampled_from([None, "@sam", "@samManager", "@kirk", "111"])


@st.composite
def approvals(draw: st.DrawFn) -> ApprovalFacts:
    return ApprovalFacts(
        decider=draw(st.sampled_from(["@sam", "@samManager", "@kirk", "111"])),
        requester=draw(st.sampled_from(["111", "111", "@sam"])),
        environment=Environment(environment_id=draw(st.sampled_from(["1", "1", "4"])), owner=draw(SOMEBODY)),
        request=AccessRequest(
            environment_id=draw(st.sampled_from(["1", "1", None])),
            access_type=draw(st.none() | st.sampled_from(AccessType)),
            problems=draw(st.sampled_from([(), (Problem("Title", "is missing"),)])),
        ),
        awaiting=draw(st.sampled_from([True, True, False])),
        days=draw(st.sampled_from([-1, 0, 1, 8, 365, 366])),
        assignee=draw(SOMEBODY),
        owner_manager=draw(SOMEBODY),
        delegated_by=draw(SOMEBODY),
    )


def may_approve(facts: ApprovalFacts) -> bool:
    asked, owner = facts.request, facts.environment.owner
    if not facts.awaiting or facts.decider == facts.requester or not 1 <= facts.days <= 365:
        return False
    if asked.environment_id != facts.environment.environment_id or asked.access_type is None:
        return False
    if owner is not None and facts.decider == owner:
        return True
    if facts.decider != facts.assignee:
        return False
    passed_on_by_them = owner is not None and facts.delegated_by in {owner, facts.owner_manager} - {None}
    return facts.decider == facts.owner_manager or passed_on_by_them


AN_APPROVAL = ApprovalFacts(
    decider="@kirk",
    requester="111",
    environment=Environment(environment_id="1", owner="@sam"),
    request=AccessRequest(environment_id="1", access_type=AccessType.ADMIN),
    awaiting=True,
    days=365,
    assignee="@kirk",
    delegated_by="@sam",
)


@settings(max_examples=1_500)
@given(approvals())
@example(AN_APPROVAL)
def test_only_owners_their_managers_and_whom_they_pass_it_on_to_approve(facts: ApprovalFacts) -> None:
    assert GUARD.may_approve(facts).allowed == may_approve(facts)


def test_the_example_of_a_delegated_approval_is_allowed() -> None:
    assert GUARD.may_approve(AN_APPROVAL).policies == ("approve-for-who-passed-it-on",)


def test_a_decision_names_the_policies_that_made_it_and_their_version() -> None:
    decision = GUARD.decide("giveAccess", some_facts())
    assert decision.allowed
    assert decision.policies == ("grant-short-access-to-the-managers-environment",)
    assert decision.version == GUARD.version
    assert not decision.errors


def test_admin_is_denied_by_a_rule_of_its_own() -> None:
    request = AccessRequest(environment_id="1", days=8, access_type=AccessType.ADMIN)
    assert GUARD.decide("giveAccess", some_facts(request=request)).policies == ("never-grant-admin",)


def test_a_fact_that_does_not_fit_the_schema_denies_with_an_error() -> None:
    request = AccessRequest(environment_id="1", days=10**30, access_type=AccessType.READ)
    decision = GUARD.decide("giveAccess", some_facts(request=request))
    assert not decision.allowed
    assert decision.errors


SCHEMA = """
entity Employee = { manager?: String };
entity Environment = { environmentId: String, owner?: String };
type Request = { aboutAccess: Bool, complete: Bool, environmentId?: String, accessType?: String, days?: Long };
action giveAccess appliesTo {
    principal: Employee, resource: Environment,
    context: { ticketOpen: Bool, request: Request, held: Set<String> }
};
"""


def decided_by(policy: str, facts: Facts) -> Decision:
    return Guard(policy, SCHEMA).decide("giveAccess", facts)


def test_a_forbid_that_errors_denies_although_cedar_skips_it() -> None:
    policy = """
    permit (principal, action, resource);
    forbid (principal, action, resource)
    when { context.request has days && context.request.days * 9223372036854775807 > 0 };
    """
    decision = decided_by(policy, some_facts())
    assert decision.errors
    assert not decision.allowed


def test_an_empty_policy_allows_nothing() -> None:
    assert not decided_by("", some_facts()).allowed


@pytest.mark.parametrize(
    "policy",
    [
        "permit (principal, action, resource) when { context.request.days < 30 };",  # days may be absent
        'permit (principal, action, resource) when { context.mood == "good" };',
        'permit (principal, action == Action::"makeAdmin", resource);',
        "permit everything;",
    ],
)
def test_a_policy_that_does_not_fit_the_schema_is_refused_at_the_start(policy: str) -> None:
    with pytest.raises((BadPolicy, ValueError)):
        Guard(policy, SCHEMA)
