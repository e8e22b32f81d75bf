"""The message from ingest to the pool: the rows of one prompt, and where they stand in their run.

Internal: reading ignores fields it does not know, because tasks of two versions run side by side during a deploy.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from json.encoder import encode_basestring as _quoted
from typing import Any

from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.domain.spent import NOTHING, Agreement, Spent
from shared.errors import PermanentError
from shared.fast_json import from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Chunk ``number`` (0 is the first) of a run; the same number holds the same rows however often it is sent.

    ``answered`` are answers that some of its rows, by their places, have from a batch job or an earlier try, which cost
    ``spent`` and showed ``agreement``: the pool asks about the others, and stores and counts all of it together.
    """

    run_id: str
    task: str
    number: int
    rows: tuple[Row, ...]
    answered: Mapping[int, str] = field(default_factory=dict)
    spent: Spent = NOTHING
    agreement: tuple[Agreement, ...] = ()


def row_as_json(row: Row) -> str:
    """One row as it travels. Text stays as it is: escaping it to ASCII would treble what other alphabets need."""
    feedback = row.feedback
    # Written out, as this is a fifth of a row's work: an encoder that looks at types takes thrice as long.
    parts = [f'{{"line":{row.line},"identity":{_quoted(row.identity)},"feedback":{_quoted(feedback.feedback)}']
    if feedback.product_name is not None:
        parts.append(f'"product_name":{_quoted(feedback.product_name)}')
    if feedback.store is not None:
        parts.append(f'"store":{_quoted(feedback.store)}')
    if feedback.ref_id is not None:
        parts.append(f'"ref_id":{_quoted(feedback.ref_id)}')
    if feedback.stars is not None:
        parts.append(f'"stars":{_quoted(feedback.stars)}')
    if feedback.title is not None:
        parts.append(f'"title":{_quoted(feedback.title)}')
    if feedback.create_date is not None:
        parts.append(f'"create_date":"{feedback.create_date.isoformat()}"')
    if feedback.extra:
        extra = (f"{_quoted(name)}:{_quoted(text)}" for name, text in feedback.extra.items())
        parts.append(f'"extra":{{{",".join(extra)}}}')
    return _for_sqs(",".join(parts) + "}")


def _for_sqs(text: str) -> str:
    if text.isascii():
        return text
    # The two characters that JSON passes as they are and SQS refuses (API reference, "SendMessage").
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def chunk_as_json(*, run_id: str, task: str, number: int, rows: Sequence[str]) -> str:
    """``rows`` are the texts of row_as_json: rendering them twice would double the work of a large file."""
    head = json.dumps({"version": 1, "run_id": run_id, "task": task, "chunk": number}, separators=(",", ":"))
    return f'{head[:-1]},"rows":[{",".join(rows)}]}}'


def with_answers(body: str, answered: Mapping[int, str], spent: Spent, agreement: Sequence[Agreement]) -> str:
    """A chunk's message with the answers that some of its rows have."""
    more: dict[str, Any] = {}
    if answered:
        more["answered"] = {str(place): answer for place, answer in answered.items()}
    if spent != NOTHING:
        more["spent"] = {name: count for name, count in asdict(spent).items() if count}
    if agreement:
        more["agreement"] = [asdict(each) for each in agreement]
    if not more:
        return body
    text = _for_sqs(json.dumps(more, ensure_ascii=False, separators=(",", ":")))
    return f"{body[:-1]},{text[1:]}"


def read_chunk(body: str) -> Chunk:
    """Raises PermanentError for a body that no ingest of ours has written."""
    try:
        message = from_json(body)
        return Chunk(
            run_id=str(message["run_id"]),
            task=str(message["task"]),
            number=int(message["chunk"]),
            rows=tuple(_row(row) for row in message["rows"]),
            answered={int(place): str(answer) for place, answer in message.get("answered", {}).items()},
            spent=Spent(**_known(Spent, message.get("spent", {}))),
            agreement=tuple(Agreement(**_known(Agreement, each)) for each in message.get("agreement", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PermanentError(f"body: is no chunk of rows ({type(error).__name__}: {error})") from None


def _known(kind: type[Spent | Agreement], values: Mapping[str, Any]) -> dict[str, int]:
    """Without what a newer build may count besides."""
    return {each.name: int(values[each.name]) for each in fields(kind) if each.name in values}


def _row(values: dict[str, Any]) -> Row:
    date = values.get("create_date")
    return Row(
        line=int(values["line"]),
        identity=str(values["identity"]),
        feedback=Feedback(
            feedback=values["feedback"],
            product_name=values.get("product_name"),
            store=values.get("store"),
            ref_id=values.get("ref_id"),
            stars=values.get("stars"),
            title=values.get("title"),
            create_date=datetime.fromisoformat(date) if date else None,
            extra=values.get("extra") or {},
        ),
    )
