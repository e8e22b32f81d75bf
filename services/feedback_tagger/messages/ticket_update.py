"""Reading what the topic of ticket updates tells: which ticket is in which state since when.

SNS wraps it (SNS developer guide, "Amazon SNS message formats"). Subject and text are for people, and stay unread.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.feedback_tagger.domain.outcome import TicketStatus
from shared.errors import BadInput

# Nine digits: what a column of 32 bits takes.
_STATUS_OF_TICKET = re.compile(r"(.+):([0-9]{1,9})", re.DOTALL)


def read_ticket_update(body: str) -> TicketStatus:
    """The status in one notification; members and attributes that this build does not know are ignored.

    Raises BadInput naming what is missing.
    """
    try:
        envelope: Mapping[str, Any] = json.loads(body)
        attributes: Mapping[str, Any] = envelope["MessageAttributes"]
        values = {name: str(attribute["Value"]) for name, attribute in attributes.items()}
        told_at = datetime.fromisoformat(envelope["Timestamp"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _not_news(f"is no notification with attributes and a time ({type(error).__name__})") from None
    named = _STATUS_OF_TICKET.fullmatch(values.get("notification_id", ""))
    if named is None:
        raise _not_news("has no notification_id of a ticket and its status version")
    if not values.get("status"):
        raise _not_news("has no status")
    return TicketStatus(
        ticket_id=named[1],
        version=int(named[2]),
        state=values["status"],
        employee=values.get("employee"),
        owner=values.get("owner"),
        resolver_group=values.get("resolverGroup"),
        told_at=told_at if told_at.tzinfo else told_at.replace(tzinfo=UTC),
    )


def _not_news(problem: str) -> BadInput:
    return BadInput(
        field="body",
        problem=f"{problem}, so it tells nothing of a ticket",
        remedy="subscribe the queue to the topic of ticket updates alone, without raw message delivery",
    )
