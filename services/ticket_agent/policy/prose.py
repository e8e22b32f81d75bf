"""The figures that access_policy.md states, read from its table, and where a policy decides otherwise.

The model reads the prose, the guard obeys the policy: where the two part, tickets are promised what is then refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files

from services.ticket_agent.domain.access import AccessType
from services.ticket_agent.domain.directory import Employee, Environment
from services.ticket_agent.domain.ticket import AccessRequest
from services.ticket_agent.policy.guard import Facts, Guard

HEADING = "## The rules in figures"
DAYS_ROW, TYPES_ROW, INCLUDES = "Days granted automatically", "Types granted automatically", " includes"


class BadProse(Exception):
    """The document has no such table, or a row of it cannot be read."""


@dataclass(frozen=True, slots=True)
class Stated:
    """``days`` are the first and the last number of days; ``includes`` says what each type amounts to."""

    days: tuple[int, int]
    types: frozenset[AccessType]
    includes: Mapping[AccessType, frozenset[AccessType]]


def stated_in(document: str) -> Stated:
    """Raises BadProse."""
    rows = dict(_rows(document))
    days = re.fullmatch(r"(\d+) to (\d+)", rows.get(DAYS_ROW, ""))
    if days is None:
        raise BadProse(f"{HEADING!r} needs a row '{DAYS_ROW} | N to M'")
    includes = {
        _type(name.removesuffix(INCLUDES)): _types(value) for name, value in rows.items() if name.endswith(INCLUDES)
    }
    if missing := set(AccessType) - includes.keys():
        raise BadProse(f"{HEADING!r} does not say what {min(kind.text for kind in missing)} includes")
    return Stated((int(days[1]), int(days[2])), _types(rows.get(TYPES_ROW, "")), includes)


def stated_in_package() -> Stated:
    return stated_in(files(__package__).joinpath("access_policy.md").read_text(encoding="utf-8"))


def contradictions(guard: Guard, stated: Stated) -> Iterator[str]:
    """Where the policy decides otherwise than the prose says, a sentence each."""
    first, last = stated.days
    some_type = min(stated.types, key=lambda kind: kind.text)
    for day in sorted({*range(first - 1, last + 2), last * 2, last * 12}):
        granted, said = _grants(guard, day, some_type), first <= day <= last
        if granted is not said:
            yield f"{day} days: the prose says {_word(said)}, the policy {_word(granted)}"
    for kind in AccessType:
        granted, said = _grants(guard, first, kind), kind in stated.types
        if granted is not said:
            yield f"{kind.text}: the prose says {_word(said)}, the policy {_word(granted)}"
        for asked in AccessType:
            enough, said = _resolves(guard, held=kind, asked=asked), asked in stated.includes[kind]
            if enough is not said:
                case = f"{kind.text} held, {asked.text} asked"
                yield f"{case}: the prose says {_enough(said)}, the policy {_enough(enough)}"


def _grants(guard: Guard, days: int, kind: AccessType) -> bool:
    return guard.decide("giveAccess", _facts(AccessRequest(environment_id="1", days=days, access_type=kind))).allowed


def _resolves(guard: Guard, *, held: AccessType, asked: AccessType) -> bool:
    request = AccessRequest(environment_id="1", days=1, access_type=asked)
    return guard.decide("autoResolveTicket", _facts(request, held=held.covers)).allowed


def _facts(request: AccessRequest, held: frozenset[AccessType] = frozenset()) -> Facts:
    return Facts(
        employee=Employee(employee_id="111", manager="@sam"),
        environment=Environment(environment_id="1", owner="@sam"),
        request=request,
        ticket_open=True,
        held=held,
    )


def _rows(document: str) -> Iterator[tuple[str, str]]:
    _, heading, rest = document.partition(HEADING)
    if not heading:
        raise BadProse(f"the document has no section {HEADING!r}")
    for line in rest.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 2:
            yield cells[0], cells[1]


def _types(text: str) -> frozenset[AccessType]:
    return frozenset(_type(name) for name in text.split(","))


def _type(name: str) -> AccessType:
    kind = AccessType.named(name)
    if kind is None:
        raise BadProse(f"{HEADING!r} names the unknown type {name.strip()!r}")
    return kind


def _word(granted: bool) -> str:
    return "granted" if granted else "not granted"


def _enough(enough: bool) -> str:
    return "enough" if enough else "not enough"
