"""Running the constant-cost queue endpoint beside a benchmark, filling its queues and reading its counters."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.aws import aws_client
from local.emulator import aws_environment

TASK = "bench"


@contextmanager
def fast_endpoint() -> Iterator[dict[str, str]]:
    """The AWS variables that lead to an endpoint in a process of its own; it ends with the block."""
    command = [sys.executable, "-m", "bench.fast_queue"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield aws_environment(json.loads(process.stdout.readline())["url"])
        finally:
            process.stdin.close()
            process.wait(10)


def body(number: int, *, padding: str) -> str:
    """One message as the peer formats it, so that all variants read the same: args[0] is when it was put."""
    return json.dumps(
        {
            "task_id": f"{number:032x}",
            "task_name": TASK,
            "labels": {},
            "labels_types": {},
            "args": [time.time()],
            "kwargs": {},
            "padding": padding,
        }
    )


PADDING = "x" * 200


def new_queue(environment: dict[str, str], name: str) -> str:
    """Create a queue; its URL."""
    return str(aws_client(environment, "sqs").create_queue(QueueName=name)["QueueUrl"])


def fill(environment: dict[str, str], url: str, messages: int) -> None:
    """Put ``messages`` in, ten a call."""
    sqs = aws_client(environment, "sqs")
    for start in range(0, messages, 10):
        numbers = range(start, min(start + 10, messages))
        entries = [{"Id": str(n - start), "MessageBody": body(n, padding=PADDING)} for n in numbers]
        sqs.send_message_batch(QueueUrl=url, Entries=entries)


async def fill_steadily(environment: dict[str, str], url: str, messages: int, *, per_second: float) -> None:
    """Put one message at a time on a fixed schedule, whether or not anybody keeps up."""
    sqs = aws_client(environment, "sqs")
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(messages):
        await asyncio.sleep(max(0.0, began + number / per_second - clock()))
        await asyncio.to_thread(sqs.send_message, QueueUrl=url, MessageBody=body(number, padding=PADDING))


def left_and_deleted(environment: dict[str, str], url: str) -> tuple[int, int]:
    """(messages still there, messages deleted so far) by the endpoint's own count."""
    found: dict[str, Any] = aws_client(environment, "sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    attributes = found["Attributes"]
    left = int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])
    return left, int(attributes["DeletedSoFar"])
