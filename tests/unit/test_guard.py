"""The guard against an independent statement of the rules, over generated facts."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ticket_agent.domain.access import AccessType
from services.ticket_agent.domain.directory import Employee, Environment
from services.ticket_agent.domain.ticket import AccessRequest, Problem
from services.ticket_agent.policy.guard import BadPolicy, Decision, Facts, Guard

GUARD = Guard.from_package()
PEOPLE = st.sampled_from([None, "", "@sam", "@kirk", 'x" || true'])
IDS = st.sampled_from(["1", "4", '1"'])


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    problem = draw(st.sampled_from([None, None, None, "Title", "Business Justification"]))
    return Facts(
        employee=Employee(employee_id="111", manager=draw(PEOPLE)),
        environment=Environment(environment_id=draw(IDS), owner=draw(PEOPLE)),
        request=AccessRequest(
            environment_id=draw(st.none() | IDS),
            days=draw(st.none() | st.sampled_from([0, 1, 8, 29, 30, 31, 90]) | st.integers(-5, 10_000)),
            access_type=draw(st.none() | st.sampled_from(AccessType)),
            problems=(Problem(problem, "is wrong"),) if problem else (),
            about_access=draw(st.sampled_from([True, True, True, False])),
        ),
        ticket_open=draw(st.sampled_from([True, True, True, False])),
        held=draw(st.sampled_from([frozenset(), *(held.covers for held in AccessType)])),
        owner_named=draw(st.sampled_from(["", "@sam", "@kirk", "@SAM", 'x" || true'])),
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


@settings(max_examples=1_500)
@given(facts())
@example(some_facts())
@example(some_facts(held=AccessType.READ.covers, owner_named="@sam"))
def test_the_policy_allows_what_the_rules_say_and_nothing_else(facts: Facts) -> None:
    assert GUARD.decide("giveAccess", facts).allowed == may_grant(facts)
    assert GUARD.decide("autoResolveTicket", facts).allowed == may_resolve(facts)
    assert GUARD.decide("assignTicketToEnvironmentOwner", facts).allowed == may_assign(facts)


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
