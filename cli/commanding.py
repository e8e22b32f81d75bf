"""Ordering something of the tagger: a document in the bucket, and the answer that it leaves there."""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.cloud import Cloud
from cli.documents import bucket_document, bucket_errors
from cli.errors import UserError
from cli.output import print_json, say
from services.feedback_tagger.domain.command import (
    COMMANDS_PREFIX,
    DONE,
    REFUSED,
    answer_key,
    command_document,
    command_id,
)

POLL_SECONDS = 0.5

ByOption = Annotated[
    str,
    typer.Option("--by", envvar="DESKHAND_EMPLOYEE", help="Who orders it, for the history; else these credentials."),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the history.")]
WaitOption = Annotated[
    int, typer.Option("--wait", min=0, help="Wait this many seconds for the answer; 0: only say under which id.")
]


def order(cloud: Cloud, kind: str, by: str, fields: Mapping[str, Any], *, wait: int, as_json: bool) -> dict[str, Any]:
    """What the tagger answers; empty without waiting. Raises UserError where it refuses."""
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    document = command_document(kind, by or caller(cloud), given)
    bucket, key = cloud.names.bucket, f"{COMMANDS_PREFIX}{uuid.uuid4()}.json"
    body = json.dumps(document, ensure_ascii=False).encode()
    with bucket_errors(bucket):
        put = cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    identity = command_id(bucket, key, etag=str(put["ETag"]), version_id=put.get("VersionId"))
    if not wait:
        if as_json:
            print_json({"command_id": identity, "answer": f"s3://{bucket}/{answer_key(identity)}"})
        else:
            say(f"ordered; the answer will be s3://{bucket}/{answer_key(identity)}")
        return {}
    answer = _awaited(cloud, identity, wait)
    if as_json:
        print_json(answer)
    if answer["status"] == REFUSED:
        raise UserError(f"it was refused: {answer['field']} {answer['problem']}", answer["remedy"])
    if answer["status"] != DONE:
        raise UserError(f"it could not be carried out: {answer['problem']}", "see the tagger's dead letters")
    return answer


def caller(cloud: Cloud) -> str:
    return str(cloud.client("sts").get_caller_identity()["Arn"])


def _awaited(cloud: Cloud, identity: str, seconds: int) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = bucket_document(cloud, answer_key(identity))
        if answer is not None:
            return answer
        time.sleep(POLL_SECONDS)
    raise UserError(
        f"no answer came within {seconds} s",
        f"is the tagger running? It will leave the answer in s3://{cloud.names.bucket}/{answer_key(identity)}",
    )
