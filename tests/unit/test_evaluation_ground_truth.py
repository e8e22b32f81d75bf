"""The ground truth: what it covers, and what a mistake in it is told."""

from typing import Any

import pytest

from services.ticket_agent.evaluation.cases import BadGroundTruth, ground_truth, read_ground_truth, rows_before
from services.ticket_agent.evaluation.tables import DAY
from services.ticket_agent.tools.registry import TOOLS

TRUTH = read_ground_truth()
SEED: dict[str, list[Any]] = {"employees": [], "environments": [], "groups": [], "access": []}
A_CASE: dict[str, Any] = {
    "id": "one",
    "about": "a case",
    "session": {"employeeId": "111"},
    "prompt": {"ticket": "Title: x"},
    "asks": {"environment": "1", "days": 8, "type": "Read"},
    "expect": {"outcome": "auto-resolved"},
    "tools": [],
}
CHECK, SEARCH, MANAGER, OWNER, GIVE, RESOLVE, ASSIGN = (
    "checkEmployeeAccess",
    "searchKnowledgeBase",
    "getEmployeeManager",
    "getEnvironmentOwner",
    "giveAccess",
    "autoResolveTicket",
    "assignTicketToEnvironmentOwner",
)


@pytest.mark.parametrize(
    ("case_id", "employee", "environment", "days", "access_type", "outcome", "tools"),
    [
        ("reference-1", "111", "1", 8, "Read", "auto-resolved", (CHECK, SEARCH, MANAGER, OWNER, GIVE, RESOLVE)),
        ("reference-2", "111", "1", 8, "Read", "auto-resolved", (CHECK, RESOLVE)),
        ("reference-3", "121", "4", 24, "Read", "assigned to @susi", (CHECK, SEARCH, MANAGER, OWNER, ASSIGN)),
        ("reference-4", "121", "1", 24, "Read", "auto-resolved", (CHECK, SEARCH, MANAGER, OWNER, GIVE, RESOLVE)),
        ("reference-5", "141", "4", 24, "Admin", "assigned to @susi", (CHECK, SEARCH, OWNER, ASSIGN)),
        ("reference-6", "131", "2", 90, "Developer", "assigned to @sam", (CHECK, SEARCH, OWNER, ASSIGN)),
    ],
)
def test_the_six_cases_of_the_reference_are_in_it(
    case_id: str, employee: str, environment: str, days: int, access_type: str, outcome: str, tools: tuple[str, ...]
) -> None:
    case = TRUTH.case(case_id)

    assert (case.employee_id, case.expected.outcomes, case.tools) == (employee, (outcome,), tools)
    assert (case.asks.environment, case.asks.days, case.asks.access_type) == (environment, days, access_type)
    assert case.before.after == ("reference-1" if case_id == "reference-2" else None)


def test_there_are_at_least_forty_more_and_every_rule_s_edge_is_among_them() -> None:
    assert len(TRUTH.cases) >= 46
    assert {case.asks.days for case in TRUTH.cases} >= {29, 30, 31}
    assert {case.asks.access_type for case in TRUTH.cases} == {None, "Read", "Write", "Developer", "DevOps", "Admin"}
    assert {"held", "unknown", "garbled", "conflict", "other", "german", "injection"} <= {
        case.case_id.partition("-")[0] for case in TRUTH.cases
    }


def test_expected_tools_are_tools_of_the_agent_and_grants_are_what_the_policy_allows() -> None:
    names = {tool.name for tool in TOOLS}
    for case in TRUTH.cases:
        assert set(case.tools) <= names, case.case_id
        if case.expected.grant:
            assert GIVE in case.tools, case.case_id
            assert case.asks.complete, case.case_id
            assert case.asks.days is not None, case.case_id
            assert case.asks.days < 30, case.case_id
            assert case.asks.access_type != "Admin", case.case_id


def test_who_asks_is_not_in_the_text_that_the_model_reads() -> None:
    impostor = {"injection-another-employee"}
    silent = [case for case in TRUTH.cases if case.case_id not in impostor]
    assert [case.case_id for case in silent if case.employee_id in case.ticket_text] == []


def test_a_case_begins_with_the_seed_and_what_differs() -> None:
    rows = rows_before(TRUTH.case("held-next-door"), TRUTH.seed, at=10 * DAY)
    assert {row["environmentId"] for row in rows["Environment"]} == {"1", "2", "3", "4", "11"}
    (grant,) = [row for row in rows["UserAccess"] if "#grant#" in row["environmentId"]]
    assert (grant["accessType"], grant["expiresAt"]) == ("Admin", 13 * DAY)
    assert len(rows["UserAccess"]) == len(TRUTH.seed["UserAccess"]) + 2


def test_cases_are_chosen_by_pattern() -> None:
    assert [case.case_id for case in TRUTH.chosen(["reference-[12]", "type-admin"])] == [
        "reference-1",
        "reference-2",
        "type-admin",
    ]
    assert TRUTH.chosen([]) == TRUTH.cases


@pytest.mark.parametrize(
    ("cases", "problem"),
    [
        ([{**A_CASE, "tool": []}], "one: unknown tool"),
        ([{key: value for key, value in A_CASE.items() if key != "expect"}], "one: expect is missing"),
        ([{**A_CASE, "session": {}}], "one: employeeId is missing"),
        ([{**A_CASE, "asks": {"environment": "1", "kind": "Read"}}], "one: asks has unknown kind"),
        ([{**A_CASE, "asks": {"type": "Root"}}], "one: asks.type Root is no access type"),
        ([{**A_CASE, "before": {"rows": []}}], "one: before has unknown rows"),
        ([{**A_CASE, "before": {"after": "two"}}], "one: before.after names no earlier case"),
        ([{**A_CASE, "before": {"after": "one", "leaves": True}}], "one: before.after stands alone"),
        ([A_CASE, A_CASE], "one: the id is given twice"),
    ],
)
def test_a_mistake_in_a_case_is_named(cases: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(BadGroundTruth, match=problem):
        ground_truth(SEED, cases)


def test_a_ticket_is_complete_only_if_all_that_it_asks_is_there() -> None:
    (whole,) = ground_truth(SEED, [A_CASE]).cases
    (untitled,) = ground_truth(SEED, [{**A_CASE, "asks": {**A_CASE["asks"], "complete": False}}]).cases
    (undated,) = ground_truth(SEED, [{**A_CASE, "asks": {"environment": "1", "type": "Read", "complete": True}}]).cases
    assert (whole.asks.complete, untitled.asks.complete, undated.asks.complete) == (True, False, False)
