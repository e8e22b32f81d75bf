"""Which of day and month comes first is a property of a whole file, never of a row.

The rule, in this order:

1. A year in front (2024-03-05, 2024/3/5) and dots (5.3.2024) leave no doubt and say nothing about the other dates.
2. Rows that are dates in one order only (25/3/2024) are evidence; the order with more evidence is the file's.
3. Without evidence, or with equal evidence on both sides, the day comes first.

A row that is no date under the file's order is a reject, also if the other order could read it. Dates without a zone
are UTC; years of two digits are of this century. The day numbers of spreadsheets (45376) are no dates: whether they
count from 1900 or from 1904 is not in the file, and the two are four years apart.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum

from services.feedback_tagger.domain.feedback import ImpossibleDate

_MOMENT = re.compile(
    r"(?P<a>\d{1,4})(?P<separator>[-/.])(?P<b>\d{1,2})(?P=separator)(?P<c>\d{1,4})"
    r"(?:(?:[Tt]|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)
_DAY_NUMBER = re.compile(r"\d{5}(?:[.,]\d+)?", re.ASCII)
_WANTED = "write it as 2024-03-25 or 2024-03-25 14:30"


class Order(Enum):
    DAY_FIRST = "day first"
    MONTH_FIRST = "month first"


@dataclass(frozen=True, slots=True)
class DateRule:
    """The order a file's dates are read in, and what decided it."""

    order: Order
    because: str


@dataclass(slots=True)
class Evidence:
    """What the dates of a file say about its order, counted."""

    day_first: int = 0
    month_first: int = 0
    either: int = 0

    def add(self, text: str) -> None:
        match = _MOMENT.fullmatch(text.strip())
        if match is None or len(match["a"]) > 2 or match["separator"] == ".":
            return
        first, second = int(match["a"]), int(match["b"])
        if first > 12 >= second:
            self.day_first += 1
        elif second > 12 >= first:
            self.month_first += 1
        else:
            self.either += 1


def weighed(texts: Iterable[str]) -> Evidence:
    evidence = Evidence()
    for text in texts:
        evidence.add(text)
    return evidence


def decided(evidence: Evidence) -> DateRule:
    """The file's order by the rule above."""
    if evidence.month_first > evidence.day_first:
        return DateRule(Order.MONTH_FIRST, f"{evidence.month_first} rows can be read in no other order")
    if evidence.day_first > evidence.month_first:
        return DateRule(Order.DAY_FIRST, f"{evidence.day_first} rows can be read in no other order")
    if evidence.day_first:
        return DateRule(Order.DAY_FIRST, "as many rows speak for either order, so the default holds")
    return DateRule(Order.DAY_FIRST, "no row tells the order, so the default holds")


def moment(text: str, order: Order) -> datetime:
    """``text`` as a time with a zone. Raises ImpossibleDate."""
    text = text.strip()
    if not text:
        raise ImpossibleDate(f"is blank; {_WANTED}")
    match = _MOMENT.fullmatch(text)
    if match is None:
        what = "is a spreadsheet's day number" if _DAY_NUMBER.fullmatch(text) else "is not a date"
        raise ImpossibleDate(f"{what}; {_WANTED}")
    year, month, day = _year_month_day(match, order)
    minute, second, fraction, zone = match["minute"], match["second"], match["fraction"], match["zone"]
    try:
        in_utc = datetime(
            year, month, day, _hour(match), int(minute or 0), int(second or 0),
            int(fraction[:6].ljust(6, "0")) if fraction else 0, tzinfo=_zone(zone),
        )  # fmt: skip
        if zone is not None:
            in_utc = in_utc.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ImpossibleDate(f"is no day of the calendar, {order.value}; {_WANTED}") from None
    if not 1900 <= in_utc.year < 2200:
        raise ImpossibleDate(f"has the year {in_utc.year}; {_WANTED}")
    return in_utc


def _year_month_day(match: re.Match[str], order: Order) -> tuple[int, int, int]:
    a, b, c = match["a"], match["b"], match["c"]
    if len(a) == 4 and len(c) <= 2:
        return int(a), int(b), int(c)
    if len(a) > 2 or len(c) not in (2, 4):
        raise ImpossibleDate(f"has no year of four digits; {_WANTED}")
    year = int(c) + (2000 if len(c) == 2 else 0)
    day_first = order is Order.DAY_FIRST or match["separator"] == "."
    return (year, int(b), int(a)) if day_first else (year, int(a), int(b))


def _hour(match: re.Match[str]) -> int:
    hour = int(match["hour"] or 0)
    if not match["half"]:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("a clock of twelve hours has no such hour")
    return hour % 12 + (12 if match["half"][0] in "Pp" else 0)


def _zone(text: str | None) -> timezone:
    if text is None or text[0] not in "+-":
        return UTC
    sign = -1 if text[0] == "-" else 1
    digits = text[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0)))
