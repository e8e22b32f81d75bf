"""A run's document in the bucket, as the finaliser leaves it: for commands that read it without a run."""

import json
from typing import Any

from local.provisioning import Provisioned
from services.feedback_tagger.domain.run import RunState, Terms, document, run_document_key

NO_TERMS = Terms()
PARTIAL: dict[str, Any] = {
    "key": "uploads/feedback.csv",
    "task": "categorise",
    "status": "partial",
    "revision": 1,
    "started_at": 1.0,
    "finished_at": 2.0,
    "rows_read": 3,
    "rows_rejected": 1,
    "total_chunks": 1,
    "chunks_done": 1,
    "stored": 2,
    "by_label": {"Payment": 1, "unknown": 1},
}


def put_run(resources: Provisioned, run_id: str, *, terms: Terms = NO_TERMS, **changes: Any) -> None:
    """A partial run of three rows, but for ``changes``."""
    state = RunState(**{"run_id": run_id, "bucket": resources.bucket, **PARTIAL, **changes})
    body = json.dumps(document(state, now=3.0, unknown="unknown", terms=terms)).encode()
    resources.client("s3").put_object(Bucket=resources.bucket, Key=run_document_key(run_id), Body=body)
