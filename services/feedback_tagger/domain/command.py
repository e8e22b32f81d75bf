"""A command: what somebody orders, who that is, and how it ended.

The command line writes ``command_document`` under ``COMMANDS_PREFIX``, computes ``command_id`` from what S3 answered,
and reads ``answer_key``. It needs no way to the database.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.feedback_tagger.domain.run import RUNS_PREFIX, UPLOADS_PREFIX

COMMANDS_PREFIX = f"{UPLOADS_PREFIX}commands/"
LARGEST_COMMAND_BYTES = 256 * 1024
DONE, REFUSED, FAILED = "done", "refused", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """``said_by`` is what the document says of its sender; ``principal`` is who put the object there, by S3.

    ``fields`` is the rest of the document.
    """

    command_id: str
    kind: str
    said_by: str
    principal: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def command_id(bucket: str, key: str, *, etag: str, version_id: str | None = None) -> str:
    """The same for every notification about one object version: as a run's, so that a repeat is no second order."""
    version = version_id if version_id not in (None, "", "null") else etag.strip('"')
    return "command-" + hashlib.sha256(f"{bucket}\n{key}\n{version}".encode()).hexdigest()[:24]


def answer_key(command: str) -> str:
    """Where in the bucket the answer is left."""
    return f"{RUNS_PREFIX}{command}.json"


def command_document(kind: str, said_by: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": 1, "kind": kind, "by": said_by, **fields}


def done(**told: Any) -> dict[str, Any]:
    """An outcome; ``told`` says what came of it."""
    return {"status": DONE, **told}


def refused(field_at_fault: str, problem: str, remedy: str) -> dict[str, Any]:
    return {"status": REFUSED, "field": field_at_fault, "problem": problem, "remedy": remedy}
