"""The message from ingest to the pool: the rows of one prompt, and where they stand in their run.

Internal: reading ignores fields it does not know, because tasks of two versions run side by side during a deploy.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring as _quoted
from typing import Any

from services.feedback_tagger.domain.feedback import Feedback, Row
from shared.errors import PermanentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Chunk ``number`` (0 is the first) of a run; the same number holds the same rows however often it is sent."""

    run_id: str
    task: str
    number: int
    rows: tuple[Row, ...]


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
    text = ",".join(parts) + "}"
    if text.isascii():
        return text
    # The two characters that JSON passes as they are and SQS refuses (API reference, "SendMessage").
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def chunk_as_json(*, run_id: str, task: str, number: int, rows: Sequence[str]) -> str:
    """``rows`` are the texts of row_as_json: rendering them twice would double the work of a large file."""
    head = json.dumps({"version": 1, "run_id": run_id, "task": task, "chunk": number}, separators=(",", ":"))
    return f'{head[:-1]},"rows":[{",".join(rows)}]}}'


def read_chunk(body: str) -> Chunk:
    """Raises PermanentError for a body that no ingest of ours has written."""
    try:
        message = json.loads(body)
        return Chunk(
            run_id=str(message["run_id"]),
            task=str(message["task"]),
            number=int(message["chunk"]),
            rows=tuple(_row(row) for row in message["rows"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PermanentError(f"body: is no chunk of rows ({type(error).__name__}: {error})") from None


def _row(fields: dict[str, Any]) -> Row:
    date = fields.get("create_date")
    return Row(
        line=int(fields["line"]),
        identity=str(fields["identity"]),
        feedback=Feedback(
            feedback=fields["feedback"],
            product_name=fields.get("product_name"),
            store=fields.get("store"),
            ref_id=fields.get("ref_id"),
            stars=fields.get("stars"),
            title=fields.get("title"),
            create_date=datetime.fromisoformat(date) if date else None,
            extra=fields.get("extra") or {},
        ),
    )
