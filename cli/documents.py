"""What the tagger leaves in the bucket for readers without a database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from cli.cloud import NOT_INSTALLED, Cloud
from cli.errors import UserError, absent
from services.feedback_tagger.domain.run import RUNS_PREFIX, run_document_key

OPEN, FAILED = "open", "failed"


def run_document(cloud: Cloud, run: str) -> dict[str, Any] | None:
    """What the tagger last wrote about a run; None if it has written nothing."""
    return bucket_document(cloud, run_document_key(run))


def bucket_document(cloud: Cloud, key: str) -> dict[str, Any] | None:
    """A document that the tagger left in the bucket; None if there is none."""
    s3 = cloud.client("s3")
    with bucket_errors(cloud.names.bucket):
        try:
            body = s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            return None
    document: dict[str, Any] = json.loads(body)
    return document


def run_entries(cloud: Cloud) -> list[tuple[datetime, str]]:
    """When the tagger last wrote about each run, and the key of its document; the latest first."""
    with bucket_errors(cloud.names.bucket):
        pages = cloud.client("s3").get_paginator("list_objects_v2")
        entries = [
            (entry["LastModified"], str(entry["Key"]))
            for page in pages.paginate(Bucket=cloud.names.bucket, Prefix=f"{RUNS_PREFIX}run-")
            for entry in page.get("Contents", [])
        ]
    return sorted(entries, reverse=True)


@contextmanager
def bucket_errors(bucket: str) -> Iterator[None]:
    """Say which bucket was meant when it does not exist."""
    try:
        yield
    except ClientError as error:
        if not absent(error):
            raise
        raise UserError(f"there is no bucket {bucket}", NOT_INSTALLED) from None
