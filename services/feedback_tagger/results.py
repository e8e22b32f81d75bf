"""A run's result as a notification: the document that also lies in the bucket, under a subject that sums it up."""

import json
from collections.abc import Mapping
from typing import Any

from shared.notifications.port import Notification


def run_notification(document: Mapping[str, Any], *, notification_id: str) -> Notification:
    """``notification_id`` names the run and its revision, so that a second delivery shows."""
    in_store = document["stored"] + document["duplicates"]
    name = str(document["key"]).rsplit("/", 1)[-1]
    return Notification(
        notification_id=notification_id,
        subject=f"Feedback {document['status']}: {in_store} of {document['rows']} rows of {name}",
        body=json.dumps(document, ensure_ascii=False),
        attributes={"run_id": document["run_id"], "status": document["status"], "task": document["task"]},
    )
