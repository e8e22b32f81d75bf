"""Reading one row sent alone: strict, since it is a door for users."""

import json
import re
from collections.abc import Mapping
from datetime import datetime

from services.feedback_tagger.domain.dates import Order, moment
from services.feedback_tagger.domain.feedback import (
    COLUMN_OF_HEADER,
    Fault,
    ImpossibleDate,
    Row,
    checked,
    single_identity,
)
from shared.errors import BadInput
from shared.messages import MessageSchema

ITEM = MessageSchema.from_package(__package__, "item.schema.json")

_YEAR_FIRST = re.compile(r"\d{4}\D", re.ASCII)


def task_in(body: str) -> str | None:
    """What a message that is a JSON object says in its field ``task``; nothing else of it is looked at."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    task = message.get("task") if isinstance(message, dict) else None
    return task if isinstance(task, str) else None


def read_item(body: str, message_id: str) -> Row:
    """The row a message holds. Raises BadInput naming the field."""
    message = ITEM.read(body)
    sent: Mapping[str, str] = {name: text for name, text in message.items() if name not in ("version", "task")}
    values = {COLUMN_OF_HEADER[name]: text for name, text in sent.items()}
    headers = {COLUMN_OF_HEADER[name]: name for name in sent}
    feedback = checked(values, headers=headers, read_date=_read_date)
    if isinstance(feedback, Fault):
        problem, _, remedy = feedback.reason.partition("; ")
        raise BadInput(field=feedback.column, problem=problem, remedy=remedy or "see docs/messages.md")
    return Row(line=0, identity=single_identity(feedback, message_id), feedback=feedback)


def _read_date(text: str) -> datetime:
    # One row has no file around it that could tell day from month.
    if text and not _YEAR_FIRST.match(text):
        raise ImpossibleDate("does not begin with the year; write it as 2024-03-25 or 2024-03-25T14:30:00Z")
    return moment(text, Order.DAY_FIRST)
