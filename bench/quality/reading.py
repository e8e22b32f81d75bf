"""How many of the raw e-mails of a public archive can be read at all, and how long one takes: no model is in it."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bench.quality.packages import opened
from bench.quality.sets import MAILS
from services.feedback_tagger.documents.email_text import UnreadableEmail, read_email

MEMBER_DEPTH = 3
"""package/data/GROUP/MESSAGE.json; a list of all of them lies above."""


def read_emails() -> dict[str, Any]:
    """Raises NoData."""
    read, refused, seconds = 0, Counter[str](), 0.0
    for raw in _raw_emails():
        begin = time.perf_counter()
        try:
            read_email(raw)
            read += 1
        except UnreadableEmail as unreadable:
            refused[str(unreadable).partition(";")[0]] += 1
        seconds += time.perf_counter() - begin
    total = read + refused.total()
    return {
        "data": f"npm {MAILS.spec}: raw e-mails of 2002, all of them",
        "emails": total,
        "read": read,
        "refused": dict(refused),
        "ms_each": round(1000 * seconds / total, 2),
    }


def _raw_emails() -> Iterator[bytes]:
    with opened(MAILS) as archive:
        for entry in archive:
            content = archive.extractfile(entry) if entry.name.endswith(".json") else None
            if content is not None and entry.name.count("/") == MEMBER_DEPTH:
                yield json.loads(content.read())["text"].encode("utf-8", errors="replace")
