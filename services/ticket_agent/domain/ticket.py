"""A ticket, and what its text asks for: read by code, once, so that no rule hangs on how a model reads it.

The text is free; what counts are its labelled lines (``EnvironmentId: 1``). A label that comes twice with different
values is a problem and never a choice, or a second line hidden in the justification could change what is asked.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from services.ticket_agent.domain.access import ACCESS_TYPE_NAMES, AccessType
from services.ticket_agent.domain.duration import days_in
from services.ticket_agent.domain.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketKey:
    ticket_id: str
    employee_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One ticket as stored. ``attempt`` numbers the worker runs; ``status_version`` counts what people are told.

    Moments are seconds since the epoch, 0 where a row does not say: ``since`` when the ticket came to its state and
    assignee, ``told_at`` when its newest status was written, ``attempt_at`` when its newest run began.
    ``resolver_group`` is the assignee where that is a group. ``delegated_by`` passed it on to the assignee.
    ``traceparent`` is the trace context that it was taken in under.
    """

    key: TicketKey
    content: str = field(repr=False)
    state: State
    assign_status: str
    status_version: int
    attempt: int
    communication: str = field(default="", repr=False)
    assignee: str | None = None
    created_at: str = ""
    resolver_group: str | None = None
    delegated_by: str | None = None
    since: float = 0.0
    told_at: float = 0.0
    attempt_at: float = 0.0
    due_at: str | None = None
    looks: int = 0
    reminders: int = 0
    grant_ends_at: int | None = None
    traceparent: str = ""

    @property
    def context(self) -> dict[str, str]:
        """The attributes that let a message about it belong to its trace; none if it has none."""
        return {"traceparent": self.traceparent} if self.traceparent else {}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a field of the ticket's text cannot be taken, and what to write instead."""

    field: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """What the text asks for. A field that is missing or unclear is None and has a problem."""

    title: str | None = field(default=None, repr=False)
    environment_id: str | None = None
    justification: str | None = field(default=None, repr=False)
    days: int | None = None
    access_type: AccessType | None = None
    problems: tuple[Problem, ...] = ()
    about_access: bool = True

    @property
    def complete(self) -> bool:
        return not self.problems

    @property
    def problem_text(self) -> str:
        return " ".join(f"{problem.field} {problem.text}." for problem in self.problems)


TITLE, ENVIRONMENT, JUSTIFICATION = "Title", "EnvironmentId", "Business Justification"
DURATION, ACCESS_TYPE = "Access duration", "Access Type"

_FIELD_OF_LABEL = {
    "title": TITLE,
    "environmentid": ENVIRONMENT,
    "businessjustification": JUSTIFICATION,
    "buisnessjustification": JUSTIFICATION,  # People write it so, and it is clear what they mean.
    "accessduration": DURATION,
    "accesstype": ACCESS_TYPE,
}
_FIELDS = (TITLE, ENVIRONMENT, JUSTIFICATION, DURATION, ACCESS_TYPE)
_ABOUT_ACCESS = (ENVIRONMENT, DURATION, ACCESS_TYPE)
# Keys of other tables' rows are made of environment ids and '#': an id that holds one could name another's row.
_IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,64}")


def parse_access_request(content: str) -> AccessRequest:
    """Read the labelled lines of a ticket's text; never raises, what is wrong is in ``problems``."""
    values = _labelled_values(content)
    problems: list[Problem] = []
    single: dict[str, str] = {}
    for name in _FIELDS:
        given = list(dict.fromkeys(value for value in values.get(name, []) if value))
        if not given:
            problems.append(Problem(name, f"is missing; write one line '{name}: ...'"))
        elif len(given) > 1:
            problems.append(Problem(name, "is given more than once with different values; write it once"))
        else:
            single[name] = given[0]
    environment_id = single.get(ENVIRONMENT)
    if environment_id is not None and not _IDENTIFIER.fullmatch(environment_id):
        problems.append(
            Problem(ENVIRONMENT, "is not one environment id; write it alone, for example 'EnvironmentId: 1'")
        )
        environment_id = None
    days = days_in(single[DURATION]) if DURATION in single else None
    if DURATION in single and days is None:
        problems.append(Problem(DURATION, "is not a whole number of days or weeks above 0; write for example '8 days'"))
    access_type = AccessType.named(single[ACCESS_TYPE]) if ACCESS_TYPE in single else None
    if ACCESS_TYPE in single and access_type is None:
        problems.append(Problem(ACCESS_TYPE, f"is not a known type; write one of {', '.join(ACCESS_TYPE_NAMES)}"))
    return AccessRequest(
        title=single.get(TITLE),
        environment_id=environment_id,
        justification=single.get(JUSTIFICATION),
        days=days,
        access_type=access_type,
        problems=tuple(problems),
        about_access=any(name in values for name in _ABOUT_ACCESS),
    )


def _labelled_values(content: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for line in _plain(content).splitlines():
        label, colon, value = line.partition(":")
        name = _FIELD_OF_LABEL.get("".join(label.split()).casefold()) if colon else None
        if name is not None:
            values.setdefault(name, []).append(" ".join(value.split()))
    return values


def _plain(text: str) -> str:
    """Compatibility forms folded, invisible characters dropped: a full-width colon or a zero-width blank inside a
    label would hide a line from the conflict check, yet not from a reader."""
    folded = unicodedata.normalize("NFKC", text)
    return "".join(character for character in folded if unicodedata.category(character) != "Cf")
