"""Chunks carry their run as message group on the wire: on a standard queue a hint to be fair between runs."""

import json
from typing import Any

from local.provisioning import Provisioned
from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.messages.chunk import chunk_as_json, row_as_json
from shared.aws.clients import aws_session, open_client
from shared.queue.message import Outgoing
from shared.queue.sending import send_all
from shared.queue.sqs import SqsQueue


async def test_the_group_of_a_chunk_is_in_what_goes_out_and_the_queue_takes_it(resources: Provisioned) -> None:
    sent: list[dict[str, Any]] = []
    row = row_as_json(Row(line=2, identity="i", feedback=Feedback(feedback="late")))
    chunks = [
        Outgoing(body=chunk_as_json(run_id=run, task="categorise", number=0, rows=[row]), group_id=run)
        for run in ("run-1", "run-2")
    ]
    async with open_client(aws_session(), "sqs") as sqs:

        def remember(request: Any, **_: Any) -> None:
            if b"SendMessageBatch" in bytes(request.headers["X-Amz-Target"]):
                sent.extend(json.loads(request.body)["Entries"])

        sqs.meta.events.register("before-send.sqs", remember)
        queue = SqsQueue(sqs, resources.queues["feedback-chunks"])
        await send_all(queue, chunks)
        received = await queue.receive(at_most=10, wait_seconds=1, visibility_seconds=30)
    assert [(entry["MessageGroupId"], "MessageDeduplicationId" in entry) for entry in sent] == [
        ("run-1", False),
        ("run-2", False),
    ]
    assert {json.loads(message.body)["run_id"] for message in received} == {"run-1", "run-2"}
