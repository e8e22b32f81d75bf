"""Trying a policy before it ships: what changes shows, prose and policy stay in step, and `deskhand policy` says so."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from services.ticket_agent.domain.access import AccessType
from services.ticket_agent.evaluation.cases import read_ground_truth
from services.ticket_agent.evaluation.questions import questions
from services.ticket_agent.policy.guard import Guard
from services.ticket_agent.policy.prose import BadProse, contradictions, stated_in, stated_in_package
from services.ticket_agent.policy.trial import Course, boundary_questions, differences, numbers_in, rule

SHIPPED = files("services.ticket_agent.policy").joinpath("access.cedar").read_text(encoding="utf-8")
PROSE = files("services.ticket_agent.policy").joinpath("access_policy.md").read_text(encoding="utf-8")
GUARD = Guard.from_package()
QUESTIONS = tuple(questions(read_ground_truth()))
BY_NAME = {question.name: question for question in QUESTIONS}


def changed(before: str, after: str, *, text: str = SHIPPED) -> str:
    assert before in text
    return text.replace(before, after)


LONGER = changed("context.request.days < 30", "context.request.days < 45")
ADMIN_TOO = changed('"DevOps"].contains', '"DevOps", "Admin"].contains')
READ_ONLY = changed('["Read", "Write", "Developer", "DevOps"]', '["Read"]')


# Ground truth and boundaries


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_the_shipped_policy_decides_every_case_of_the_ground_truth_as_expected(question: Any) -> None:
    assert rule(GUARD, question.facts).course is question.expected


def test_the_ground_truth_reaches_every_course() -> None:
    assert {question.expected for question in QUESTIONS} == set(Course) - {Course.GRANT_ONLY}
    assert BY_NAME["reference-2"].expected is Course.RESOLVE
    assert BY_NAME["reference-1"].expected is BY_NAME["reference-4"].expected is Course.GRANT


def test_a_longer_limit_changes_the_cases_between_the_limits_and_no_other() -> None:
    found = {each.question.name: each for each in differences(GUARD, Guard.with_policy(LONGER), QUESTIONS)}
    assert "duration-30-days" in found
    assert "duration-29-days" not in found
    for each in found.values():
        assert (each.before.course, each.after.course) == (Course.ASSIGN, Course.GRANT)
        assert each.question.facts is not None
        assert each.question.facts.request.days in range(30, 45)


def test_boundaries_lie_on_both_sides_of_every_number_that_a_policy_names() -> None:
    found = list(differences(GUARD, Guard.with_policy(LONGER), boundary_questions(SHIPPED, LONGER)))
    days = {each.question.facts.request.days for each in found if each.question.facts}
    assert days == {30, 31, 44}


def test_a_type_that_a_forbid_still_denies_changes_nothing() -> None:
    assert list(differences(GUARD, Guard.with_policy(ADMIN_TOO), boundary_questions(SHIPPED))) == []


def test_a_policy_that_grants_and_then_cannot_resolve_shows() -> None:
    without = Guard.with_policy(SHIPPED + 'forbid (principal, action == Action::"autoResolveTicket", resource);')
    assert rule(without, BY_NAME["reference-1"].facts).course is Course.GRANT_ONLY


def test_numbers_in_comments_and_names_are_no_boundaries() -> None:
    assert numbers_in('// 99 days\npermit (principal, action, resource) when { context.d7 < 12 && "8" == "x9" };') == [
        12
    ]


# Prose


def test_prose_and_policy_say_the_same() -> None:
    assert list(contradictions(GUARD, stated_in_package())) == []


def test_the_sentences_of_the_prose_say_what_its_table_says() -> None:
    last = stated_in_package().days[1]
    limit, is_granted, is_not = re.findall(r"less than (\d+) days \((\d+) days is, (\d+) days is not\)", PROSE)[0]
    assert (int(limit), int(is_granted), int(is_not)) == (last + 1, last, last + 1)
    assert "the access type is not Admin" in PROSE
    assert stated_in_package().types == frozenset(AccessType) - {AccessType.ADMIN}


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (LONGER, "30 days: the prose says not granted, the policy granted"),
        (changed("< 30", "< 29"), "29 days: the prose says granted, the policy not granted"),
        (changed("> 0 &&", "> -5 &&"), "0 days: the prose says not granted, the policy granted"),
        (READ_ONLY, "Developer: the prose says granted, the policy not granted"),
        (SHIPPED.replace("context.held.contains(context.request.accessType)", "true"), "Read held, Admin asked"),
    ],
)
def test_a_policy_that_parts_from_the_prose_is_told_where(policy: str, says: str) -> None:
    assert any(says in sentence for sentence in contradictions(Guard.with_policy(policy), stated_in_package()))


@pytest.mark.parametrize(
    "prose",
    [
        "# no table",
        changed("1 to 29", "few", text=PROSE),
        changed("| Admin includes | Admin, Developer, DevOps, Write, Read |\n", "", text=PROSE),
        changed("| Read includes | Read |", "| Read includes | Reading |", text=PROSE),
    ],
)
def test_a_table_that_cannot_be_read_is_no_agreement(prose: str) -> None:
    with pytest.raises(BadProse):
        stated_in(prose)


# The command


def policy(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["policy", *arguments])


def a_file(folder: Path, text: str) -> str:
    (folder / "new.cedar").write_text(text, encoding="utf-8")
    return str(folder / "new.cedar")


def test_the_shipped_policy_passes_its_trial() -> None:
    result = policy("test", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert (said["policy"], said["unexpected"], said["changed"], said["prose"]) == (GUARD.version, [], [], [])
    assert said["cases"] == len(QUESTIONS) >= 46


def test_a_changed_policy_shows_its_changed_decisions_and_fails_its_trial(tmp_path: Path) -> None:
    result = policy("test", "--policy", a_file(tmp_path, LONGER))
    assert result.exit_code == 1
    assert "duration-30-days" in result.stdout
    assert "access_policy.md: 30 days: the prose says not granted" in result.stderr
    said = json.loads(policy("test", "--policy", a_file(tmp_path, LONGER), "--json").stdout)
    assert said["policy"] != said["shipped"] == GUARD.version


def test_a_difference_between_two_files_is_a_status_as_with_diff(tmp_path: Path) -> None:
    old = a_file(tmp_path, SHIPPED)
    (tmp_path / "longer.cedar").write_text(LONGER, encoding="utf-8")
    assert policy("diff", old, old).exit_code == 0
    result = policy("diff", old, str(tmp_path / "longer.cedar"), "--json")
    assert result.exit_code == 1
    about = [each["about"] for each in json.loads(result.stdout)["changed"]]
    assert "own manager's environment: Read for 44 days" in about
    assert "another's environment: Read for 44 days" not in about


@pytest.mark.parametrize("text", ["permit everything;", "permit (principal, action, resource) when { context.mood };"])
def test_a_file_that_is_no_policy_for_these_facts_is_told_apart_from_a_difference(tmp_path: Path, text: str) -> None:
    result = policy("test", "--policy", a_file(tmp_path, text))
    assert result.exit_code == 2
    assert "no usable policy" in result.stderr
    assert policy("diff", a_file(tmp_path, SHIPPED), str(tmp_path / "none")).exit_code == 2
