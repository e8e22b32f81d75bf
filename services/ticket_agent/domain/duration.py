"""How many days a ticket asks for: a whole number of days or weeks, anything else is not understood.

Months and years have no fixed number of days, and words ("a few days", "permanent") no number at all. Guessing at the
edge of a limit would grant what the policy does not: such a ticket goes to a person.
"""

import re

DAYS_PER_UNIT = {"day": 1, "days": 1, "week": 7, "weeks": 7}

# Four digits are 27 years; more is no duration but noise. ASCII digits only: \d takes every script's.
_DURATION = re.compile(r"([0-9]{1,4})\s*([a-z]+)\.?", re.IGNORECASE)


def days_in(text: str) -> int | None:
    """``8 days`` is 8, ``2 weeks`` is 14; None if the text is not a positive whole number of days or weeks."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    days = int(match[1]) * DAYS_PER_UNIT.get(match[2].lower(), 0)
    return days or None
