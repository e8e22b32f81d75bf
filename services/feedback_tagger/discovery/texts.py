"""What a row says to discovery, and the digest by which the text is known everywhere."""

import hashlib

from services.feedback_tagger.planner.prompt import as_one_line
from services.feedback_tagger.store.discovery import UnknownRow


def text_of(row: UnknownRow) -> str:
    """What a row says, as the model was asked about it: one line, whatever its spaces."""
    return as_one_line(row.feedback if row.title is None else f"{row.title}. {row.feedback}")


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def row_digest(row: UnknownRow) -> str:
    return digest_of(text_of(row))
