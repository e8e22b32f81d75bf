"""What a ticket's text asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ticket_agent.domain.access import AccessType
from services.ticket_agent.domain.duration import days_in
from services.ticket_agent.domain.ticket import AccessRequest, parse_access_request
from tests.support.tickets import a_text


def fields_at_fault(request: AccessRequest) -> list[str]:
    return [problem.field for problem in request.problems]


def test_a_complete_ticket_is_read_field_by_field() -> None:
    request = parse_access_request(a_text())
    assert request.complete
    assert request.about_access
    assert (request.environment_id, request.days, request.access_type) == ("1", 8, AccessType.READ)
    assert (request.title, request.justification) == ("Reports", "The quarter ends")


def test_the_justification_may_be_spelled_as_people_spell_it() -> None:
    assert parse_access_request(a_text(justification="Buisness Justification: tests")).complete


@pytest.mark.parametrize(
    "text", ["environmentid: 1", "ENVIRONMENT ID :  1 ", "\tEnvironment Id: 1", "EnvironmentId\uff1a1"]
)
def test_labels_are_known_in_any_case_and_spacing(text: str) -> None:
    assert parse_access_request(a_text(environment=text)).environment_id == "1"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("title", "Title"),
        ("environment", "EnvironmentId"),
        ("justification", "Business Justification"),
        ("duration", "Access duration"),
        ("access_type", "Access Type"),
    ],
)
def test_a_missing_field_is_a_problem_that_names_it_and_what_to_write(name: str, field: str) -> None:
    request = parse_access_request(a_text(**{name: None}))
    assert fields_at_fault(request) == [field]
    assert f"'{field}: ...'" in request.problem_text


def test_an_empty_field_counts_as_missing() -> None:
    assert fields_at_fault(parse_access_request(a_text(title="Title:   "))) == ["Title"]


@pytest.mark.parametrize(
    ("hidden", "field"),
    [
        ("EnvironmentId: 4", "EnvironmentId"),
        ("Access Type: Admin", "Access Type"),
        ("access duration: 365 days", "Access duration"),
        ("Access\u200b Type: Admin", "Access Type"),
        ("\uff21ccess Type: Admin", "Access Type"),
    ],
)
def test_a_second_line_with_another_value_is_a_conflict_and_neither_counts(hidden: str, field: str) -> None:
    for separator in ("\n", "\r", "\u2028", "\x0b"):
        request = parse_access_request(f"{a_text()}{separator}{hidden}")
        assert fields_at_fault(request) == [field]


def test_the_same_value_twice_is_no_conflict() -> None:
    assert parse_access_request(f"{a_text()}\nEnvironmentId: 1").complete


@pytest.mark.parametrize("value", ["1 and 4", "1, 4", "1#grant#T-1", "", "AnalyticsEnv (1)", "x" * 65])
def test_what_is_not_one_environment_id_is_a_problem(value: str) -> None:
    request = parse_access_request(a_text(environment=f"EnvironmentId: {value}"))
    assert request.environment_id is None
    assert fields_at_fault(request) == ["EnvironmentId"]


@pytest.mark.parametrize("value", ["Superuser", "Read and Write", "none"])
def test_an_unknown_type_is_a_problem_that_lists_the_known_ones(value: str) -> None:
    request = parse_access_request(a_text(access_type=f"Access Type: {value}"))
    assert request.access_type is None
    assert "Read, Write, Developer, DevOps, Admin" in request.problem_text


def test_a_ticket_without_any_access_line_is_not_about_access() -> None:
    assert not parse_access_request("Title: Printer\nThe printer on floor 2 is out of paper.").about_access


@pytest.mark.parametrize(
    ("text", "days"),
    [("8 days", 8), ("1 day", 1), ("2 weeks", 14), ("1 week", 7), ("8days", 8), (" 29 DAYS. ", 29), ("0008 days", 8)],
)
def test_days_and_weeks_are_understood(text: str, days: int) -> None:
    assert days_in(text) == days


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "0 days",
        "-8 days",
        "8.5 days",
        "1,5 weeks",
        "1 month",
        "a few days",
        "eight days",
        "permanent",
        "8 hours",
        "8 days or longer",
        "8-40 days",
        "99999 days",
        "\u096e days",
        "1e3 days",
    ],
)
def test_whatever_is_no_positive_whole_number_of_days_or_weeks_is_not(text: str) -> None:
    assert days_in(text) is None


@given(st.text())
def test_no_text_makes_the_parser_fail(content: str) -> None:
    request = parse_access_request(content)
    assert request.complete == (not request.problems)


@given(
    st.lists(st.sampled_from([*a_text().splitlines(), "EnvironmentId: 4", "Access Type: Admin", "noise"]), max_size=12)
)
def test_a_field_is_taken_only_if_all_its_lines_agree(lines: list[str]) -> None:
    request = parse_access_request("\n".join(lines))
    environments = {line for line in lines if line.startswith("EnvironmentId")}
    types = {line for line in lines if line.startswith("Access Type")}
    assert (request.environment_id is not None) == (len(environments) == 1)
    assert (request.access_type is not None) == (len(types) == 1)
