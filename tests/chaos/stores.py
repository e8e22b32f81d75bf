"""The stores of a run, read and written directly, around the faults: the driver's own hands must not shake."""

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from tests.chaos.findings import Letter

RECEIVE_SECONDS = 30


def send(sqs: Any, url: str, bodies: Sequence[dict[str, Any]]) -> None:
    """Store the bodies, each as a new message, ten a call; in a FIFO queue in order, grouped by their ``lane``."""
    for start in range(0, len(bodies), 10):
        entries = [
            {"Id": str(index), "MessageBody": json.dumps(body), **_fifo_fields(url, body["lane"])}
            for index, body in enumerate(bodies[start : start + 10])
        ]
        failed = sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")
        assert not failed, failed


def _fifo_fields(url: str, lane: str) -> dict[str, str]:
    if not url.endswith(".fifo"):
        return {}
    return {"MessageGroupId": lane, "MessageDeduplicationId": uuid.uuid4().hex}


def counts(sqs: Any, url: str) -> tuple[int, int]:
    """(visible or delayed, in flight)."""
    names = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    )
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
    waiting, delayed, in_flight = (int(found.get(name, 0)) for name in names)
    return waiting + delayed, in_flight


def drain(sqs: Any, url: str) -> Iterator[dict[str, Any]]:
    """Receive and delete until nothing is visible."""
    while found := sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=0,
        VisibilityTimeout=RECEIVE_SECONDS,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    ).get("Messages"):
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield message


def as_letter(message: dict[str, Any]) -> Letter:
    """A received dead letter; its body is one of ours."""
    attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
    return Letter(json.loads(message["Body"])["id"], attributes)


def scan(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:
    """Every item of a table, as it is on the wire."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def stream_records(streams: Any, stream_arn: str) -> Iterator[dict[str, Any]]:
    """Every record of a stream, oldest first, up to its tip."""
    for shard in streams.describe_stream(StreamArn=stream_arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(
            StreamArn=stream_arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            answer = streams.get_records(ShardIterator=iterator, Limit=1000)
            if not answer["Records"]:
                break
            yield from answer["Records"]
            iterator = answer.get("NextShardIterator")
