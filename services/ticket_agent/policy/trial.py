"""What a policy decides on given facts, without a model: the course a ticket takes, and where two policies differ.

Deciding is all that happens here. Which facts are asked about is the caller's choice: the ground truth, or the facts
around every number and type that a rule can hang on.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.ticket_agent.domain.access import AccessType
from services.ticket_agent.domain.directory import Employee, Environment
from services.ticket_agent.domain.ticket import AccessRequest, Problem
from services.ticket_agent.policy.guard import Facts, Guard


class Course(StrEnum):
    """How a ticket ends if the model does as it is told. The value is what people read."""

    RESOLVE = "resolved: the access is held"
    GRANT = "granted and resolved"
    GRANT_ONLY = "granted, and not resolvable"
    ASSIGN = "assigned to the owner"
    PERSON = "left to a person"


@dataclass(frozen=True, slots=True)
class Ruling:
    """``policies`` are those that decided."""

    course: Course
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """``facts`` None: the requester or the environment is in no table. ``expected`` is the right course, if known."""

    name: str
    about: str
    facts: Facts | None = field(repr=False)
    expected: Course | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    question: Question
    before: Ruling
    after: Ruling


def rule(guard: Guard, facts: Facts | None) -> Ruling:
    """The course that the policy leaves open, in the order in which the agent is told to try."""
    if facts is None:
        return Ruling(Course.PERSON, ())
    resolve = guard.decide("autoResolveTicket", facts)
    if resolve.allowed:
        return Ruling(Course.RESOLVE, resolve.policies)
    give = guard.decide("giveAccess", facts)
    if give.allowed and facts.request.access_type is not None:
        holding = replace(facts, held=facts.held | facts.request.access_type.covers)
        then = guard.decide("autoResolveTicket", holding)
        return Ruling(Course.GRANT if then.allowed else Course.GRANT_ONLY, give.policies)
    assign = guard.decide("assignTicketToEnvironmentOwner", replace(facts, owner_named=facts.environment.owner or ""))
    if assign.allowed and facts.environment.owner:
        return Ruling(Course.ASSIGN, (*give.policies, *assign.policies))
    return Ruling(Course.PERSON, give.policies)


def differences(before: Guard, after: Guard, questions: Iterable[Question]) -> Iterator[Difference]:
    """The questions whose tickets take another course under ``after``."""
    for question in questions:
        old, new = rule(before, question.facts), rule(after, question.facts)
        if old.course is not new.course:
            yield Difference(question, old, new)


def numbers_in(*policies: str) -> list[int]:
    """The whole numbers a policy's rules name, comments left out."""
    code = "\n".join(re.sub(r"//.*", "", policy) for policy in policies)
    return sorted({int(number) for number in re.findall(r"(?<![\w.\"])\d{1,9}\b", code)})


OWNERS = {
    "own manager's environment": ("@sam", "@sam"),
    "another's environment": ("@sam", "@susi"),
    "requester without manager": (None, "@sam"),
    "environment without owner": ("@sam", None),
    "nobody's employee, nobody's environment": (None, None),
}
USUAL_DAYS = (1, 7, 14, 29, 30, 31, 90, 365)


def boundary_questions(*policies: str) -> Iterator[Question]:
    """Facts on both sides of every line that the rules draw, or that one of these policy texts draws by a number."""
    near = {day for number in numbers_in(*policies) for day in (number - 1, number, number + 1) if day > 0}
    days: Sequence[int | None] = (None, *sorted({*USUAL_DAYS, *near}))
    for relation, (manager, owner) in OWNERS.items():
        for asked in (*AccessType, None):
            for day in days:
                yield _boundary(relation, manager, owner, asked, day)
    for asked in AccessType:
        for held in AccessType:
            yield _boundary(*_usual(), asked, 8, held=held)
            yield _boundary(*_usual(), asked, 90, held=held)
    for asked in AccessType:
        yield _boundary(*_usual(), asked, 8, missing="Title")
        yield _boundary(*_usual(), asked, 8, missing="Business Justification", held=AccessType.ADMIN)


def _usual() -> tuple[str, str | None, str | None]:
    relation, (manager, owner) = next(iter(OWNERS.items()))
    return relation, manager, owner


def _boundary(
    relation: str,
    manager: str | None,
    owner: str | None,
    asked: AccessType | None,
    days: int | None,
    *,
    held: AccessType | None = None,
    missing: str | None = None,
) -> Question:
    unclear = [name for name, value in (("Access Type", asked), ("Access duration", days)) if value is None]
    problems = tuple(Problem(name, "is missing") for name in (*unclear, *([missing] if missing else [])))
    wanted = f"{asked.text if asked else 'no type'} for {f'{days} days' if days else 'no time'}"
    holds = f", holds {held.text}" if held else ""
    without = f", no {missing}" if missing else ""
    return Question(
        name="boundary",
        about=f"{relation}: {wanted}{holds}{without}",
        facts=Facts(
            employee=Employee(employee_id="111", manager=manager),
            environment=Environment(environment_id="1", owner=owner),
            request=AccessRequest(environment_id="1", days=days, access_type=asked, problems=problems),
            ticket_open=True,
            held=held.covers if held else frozenset(),
        ),
    )
