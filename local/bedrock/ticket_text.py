"""What a ticket's text says, as far as the planner understands it: nothing is guessed, a field given twice is none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

TYPES = ("read", "write", "developer", "admin", "devops")

# No blanks around lazy parts: a ticket of a hundred thousand blanks would be tried at every one of them.
_TICKET = re.compile(r"<ticket>(?P<text>.*?)</ticket>", re.DOTALL | re.IGNORECASE)
_SEPARATOR = re.compile("[:=]")
_NAMES = {
    "title": "title",
    "environmentid": "environment_id",
    "environment": "environment_id",
    "businessjustification": "justification",
    "buisnessjustification": "justification",
    "justification": "justification",
    "accessduration": "duration",
    "duration": "duration",
    "accesstype": "access_type",
    "type": "access_type",
}
_DAYS = {
    "": 1,
    "d": 1,
    "day": 1,
    "days": 1,
    "week": 7,
    "weeks": 7,
    "month": 30,
    "months": 30,
    "year": 365,
    "years": 365,
}
_DURATION = re.compile(r"(?P<number>\d{1,6})\s*(?P<unit>[a-z]*)\.?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TicketText:
    """``days`` is None where the duration is missing or garbled, ``access_type`` where it is missing or unknown."""

    environment_id: str | None
    days: int | None
    access_type: str | None
    title: str | None
    justification: str | None
    about_access: bool = True
    """Whether any line is labelled as one of a request for access."""

    @property
    def complete(self) -> bool:
        return None not in (self.environment_id, self.days, self.access_type, self.title, self.justification)


def ticket_in(text: str) -> str | None:
    """What stands inside the first ticket block of a message."""
    match = _TICKET.search(text)
    return match["text"].strip() if match else None


def read(text: str) -> TicketText:
    fields = _fields(text)
    asked_type = (fields.get("access_type") or "").casefold()
    return TicketText(
        environment_id=fields.get("environment_id"),
        days=_days(fields.get("duration") or ""),
        access_type=asked_type if asked_type in TYPES else None,
        title=fields.get("title"),
        justification=fields.get("justification"),
        about_access=bool(fields.keys() & {"environment_id", "duration", "access_type"}),
    )


def _fields(text: str) -> Mapping[str, str | None]:
    found: dict[str, str | None] = {}
    for line in text.splitlines():
        said, *rest = _SEPARATOR.split(line, maxsplit=1)
        name = _NAMES.get(re.sub(r"[\s*_-]", "", said).casefold())
        if name and rest:
            value = rest[0].strip()
            # The second of two different values may be an attempt to widen the first: neither counts.
            again = name in found and found[name] != value
            found[name] = None if again or not value else value
    return found


def _days(text: str) -> int | None:
    match = _DURATION.fullmatch(text.strip())
    if match is None or (factor := _DAYS.get(match["unit"].casefold())) is None:
        return None
    return int(match["number"]) * factor or None
