"""Reading S3's event notifications: which objects came, and which messages only look like news of one.

Source: Amazon S3 user guide, "Event message structure"; keys are URL-encoded with blanks as plus signs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from shared.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """One object version. ``sequencer`` differs from upload to upload of a key and not between deliveries.

    ``principal`` is who put it there, as S3 names them; empty where the event does not say.
    """

    bucket: str
    key: str
    etag: str
    version_id: str | None
    sequencer: str
    principal: str = ""


def uploads_in(body: str) -> list[Uploaded]:
    """Every created object the message names; none for S3's own test event, for deletions and for folder marks.

    Raises BadInput for a message that is no event of S3.
    """
    try:
        event = json.loads(body)
    except ValueError:
        raise _not_an_event("is not JSON") from None
    if not isinstance(event, dict):
        raise _not_an_event("is not a JSON object")
    if event.get("Event") == "s3:TestEvent":
        return []
    records = event.get("Records")
    if not isinstance(records, list):
        raise _not_an_event("has no Records")
    return [uploaded for record in records if (uploaded := _uploaded(record)) is not None]


def _uploaded(record: Any) -> Uploaded | None:
    try:
        if not str(record["eventName"]).startswith(("ObjectCreated:", "s3:ObjectCreated:")):
            return None
        thing: Mapping[str, Any] = record["s3"]["object"]
        key = unquote_plus(thing["key"])
        if key.endswith("/"):
            return None
        return Uploaded(
            bucket=str(record["s3"]["bucket"]["name"]),
            key=key,
            etag=str(thing.get("eTag", "")).strip('"'),
            version_id=thing.get("versionId"),
            sequencer=str(thing.get("sequencer", "")),
            principal=str((record.get("userIdentity") or {}).get("principalId", "")),
        )
    except (KeyError, TypeError, AttributeError):
        raise _not_an_event("has a record without eventName, bucket or key") from None


def _not_an_event(problem: str) -> BadInput:
    return BadInput(
        field="body",
        problem=f"{problem}, so it is no event notification of S3",
        remedy="put the file under uploads/ in the bucket; rows go to the feedback-items queue",
    )
