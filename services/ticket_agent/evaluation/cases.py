"""The ground truth: cases as YAML data under ``ground_truth/``, read into values, every mistake in them named.

A case holds the user's query, the session attributes (who asks; kept from the model), the prompt attributes (the
ticket's text), what the tables hold before, the expected response, and the tools that a right run invokes. Reading
needs PyYAML, which the command line brings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

import yaml

from services.ticket_agent.evaluation.oracle import INCLUDES, Asked
from services.ticket_agent.evaluation.tables import (
    DAY,
    Row,
    Snapshot,
    environment,
    granted_access,
    keyed,
    resolver_group,
    standing_access,
    user,
)

DEFAULT_QUERY = "Resolve this ticket automatically, or assign it to the owner of its environment."
SEED = "seed.yaml"
_CASE = {"id", "about", "query", "session", "prompt", "asks", "before", "expect", "tools"}
_BEFORE = {"after", "employees", "environments", "access", "grants", "leaves"}


class BadGroundTruth(Exception):
    """A case that cannot be taken; the text names the case and the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What differs from the seed rows. ``after``: the tables as another case left them; ``leaves``: the requester is
    out of the directory when the run begins."""

    after: str | None = None
    employees: tuple[Mapping[str, Any], ...] = ()
    environments: tuple[Mapping[str, Any], ...] = ()
    access: tuple[Mapping[str, Any], ...] = ()
    grants: tuple[Mapping[str, Any], ...] = ()
    leaves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """``outcomes`` are the readable statuses that are right, the best first; ``says`` are words that the ticket's
    communication holds."""

    outcomes: tuple[str, ...]
    grant: bool = False
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationCase:
    """``case_id`` is the ticket's id, too."""

    case_id: str
    about: str
    query: str
    employee_id: str
    ticket_text: str = field(repr=False)
    asks: Asked
    before: Before
    expected: Expected
    tools: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundTruth:
    """``seed`` are the directory's rows that every case begins with; the cases are in the files' order."""

    seed: Snapshot
    cases: tuple[EvaluationCase, ...]

    def case(self, case_id: str) -> EvaluationCase:
        return next(case for case in self.cases if case.case_id == case_id)

    def chosen(self, patterns: Sequence[str]) -> tuple[EvaluationCase, ...]:
        """Cases whose id matches one of the patterns (``held-*``); all of them where none is given."""
        if not patterns:
            return self.cases
        return tuple(case for case in self.cases if any(fnmatchcase(case.case_id, pattern) for pattern in patterns))


def read_ground_truth() -> GroundTruth:
    """The cases that ship with the service. Raises BadGroundTruth."""
    here = files("services.ticket_agent.evaluation")
    seed = yaml.safe_load(here.joinpath(SEED).read_text(encoding="utf-8"))
    folder = here.joinpath("ground_truth")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    documents = [yaml.safe_load(folder.joinpath(name).read_text(encoding="utf-8")) for name in names]
    return ground_truth(seed, [case for document in documents for case in document["cases"]])


def ground_truth(seed: Mapping[str, Any], cases: Iterable[Mapping[str, Any]]) -> GroundTruth:
    """Raises BadGroundTruth for an unknown field, a missing one, an id given twice, or an ``after`` that is no case."""
    read = tuple(_case(given) for given in cases)
    seen: set[str] = set()
    for case in read:
        if case.case_id in seen:
            raise BadGroundTruth(f"{case.case_id}: the id is given twice")
        if case.before.after is not None and case.before.after not in seen:
            raise BadGroundTruth(f"{case.case_id}: before.after names no earlier case")
        seen.add(case.case_id)
    return GroundTruth(seed=_seed_rows(seed), cases=read)


def rows_before(case: EvaluationCase, seed: Snapshot, *, at: int) -> dict[str, tuple[Row, ...]]:
    """The tables that ``case`` begins with, without its ticket; ``at`` is the second at which its run takes place."""
    before = case.before
    employees = [user(str(row["id"]), row.get("manager")) for row in before.employees]
    environments = [environment(str(row["id"]), row.get("name", ""), row.get("owner")) for row in before.environments]
    access = [standing_access(str(row["employee"]), str(row["environment"]), row.get("type")) for row in before.access]
    grants = [
        granted_access(
            str(row["employee"]),
            str(row["environment"]),
            row["type"],
            ticket_id=str(row.get("ticket", "earlier")),
            ends_at=at + int(row["ends_in_days"] * DAY),
        )
        for row in before.grants
    ]
    return {
        "User": _over("User", seed["User"], employees),
        "Environment": _over("Environment", seed["Environment"], environments),
        "ResolverGroup": seed["ResolverGroup"],
        "UserAccess": _over("UserAccess", seed["UserAccess"], [*access, *grants]),
        "Ticket": (),
    }


def _over(table: str, seed: Iterable[Row], rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple({**keyed(table, seed), **keyed(table, rows)}.values())


def _seed_rows(seed: Mapping[str, Any]) -> Snapshot:
    return {
        "User": tuple(user(row["id"], row["manager"]) for row in seed["employees"]),
        "Environment": tuple(environment(row["id"], row["name"], row["owner"]) for row in seed["environments"]),
        "ResolverGroup": tuple(resolver_group(row["id"], row["name"]) for row in seed["groups"]),
        "UserAccess": tuple(standing_access(row["employee"], row["environment"]) for row in seed["access"]),
        "Ticket": (),
    }


def _case(given: Mapping[str, Any]) -> EvaluationCase:
    name = str(given.get("id", "a case without id"))
    if unknown := given.keys() - _CASE:
        raise BadGroundTruth(f"{name}: unknown {', '.join(sorted(unknown))}")
    try:
        return EvaluationCase(
            case_id=str(given["id"]),
            about=str(given["about"]),
            query=str(given.get("query", DEFAULT_QUERY)),
            employee_id=str(given["session"]["employeeId"]),
            ticket_text=str(given["prompt"]["ticket"]),
            asks=_asked(name, given["asks"]),
            before=_before(name, given.get("before", {})),
            expected=Expected(
                outcomes=_several(given["expect"]["outcome"]),
                grant=bool(given["expect"].get("grant", False)),
                says=tuple(given["expect"].get("says", ())),
            ),
            tools=tuple(given["tools"]),
        )
    except KeyError as missing:
        raise BadGroundTruth(f"{name}: {missing.args[0]} is missing") from None


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _asked(name: str, given: Mapping[str, Any]) -> Asked:
    asked = {"environment": given.get("environment"), "days": given.get("days"), "access_type": given.get("type")}
    if unknown := given.keys() - {"environment", "days", "type", "complete"}:
        raise BadGroundTruth(f"{name}: asks has unknown {', '.join(sorted(unknown))}")
    if asked["access_type"] is not None and asked["access_type"] not in INCLUDES:
        raise BadGroundTruth(f"{name}: asks.type {asked['access_type']} is no access type")
    whole = None not in asked.values()
    return Asked(**asked, complete=bool(given.get("complete", whole)) and whole, about_access=bool(given))


def _before(name: str, given: Mapping[str, Any]) -> Before:
    if unknown := given.keys() - _BEFORE:
        raise BadGroundTruth(f"{name}: before has unknown {', '.join(sorted(unknown))}")
    if "after" in given and len(given) > 1:
        raise BadGroundTruth(f"{name}: before.after stands alone")
    parts = {part: tuple(given.get(part, ())) for part in ("employees", "environments", "access", "grants")}
    return Before(after=given.get("after"), leaves=bool(given.get("leaves", False)), **parts)
