"""The queue consumer over the real SDK: order in a group, retries, dead letters and drain on provisioned queues."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from local.provisioning import Provisioned
from shared.aws.clients import aws_session, open_client
from shared.errors import PermanentError, TransientError
from shared.queue.consumer import Consumer, ConsumerSettings, Handler
from shared.queue.dynamodb_failures import DynamoDbFailureCounts
from shared.queue.message import Message
from shared.queue.sending import send_all
from shared.queue.sqs import SqsQueue
from tests.support.cloud import AwsClients
from tests.support.queues import no_jitter, outgoing, running
from tests.support.waiting import eventually


@asynccontextmanager
async def consuming(resources: Provisioned, handle: Handler, *, max_failures: int = 5) -> AsyncIterator[SqsQueue]:
    """A consumer of the ticket-work queue, composed as a service composes it."""
    settings = resources.ticket_agent()
    session = aws_session()
    async with open_client(session, "sqs") as sqs, open_client(session, "dynamodb") as dynamodb:
        queue = SqsQueue(sqs, settings["TICKET_WORK_QUEUE_URL"])
        consumer = Consumer(
            queue=queue,
            dead_letters=SqsQueue(sqs, settings["TICKET_WORK_DEAD_QUEUE_URL"]),
            handle=handle,
            failures=DynamoDbFailureCounts(dynamodb, settings["IDEMPOTENCY_TABLE"]),
            settings=ConsumerSettings(workers=4, wait_seconds=1, visibility_seconds=6, max_failures=max_failures),
            uniform=no_jitter,
        )
        async with running(consumer):
            yield queue


def left_in(aws: AwsClients, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(attributes[name]) for name in names)


async def test_each_group_is_handled_in_order_across_a_retry(resources: Provisioned, aws: AwsClients) -> None:
    handled: list[str] = []

    async def handle(message: Message) -> None:
        if message.body == "a1" and message.receive_count == 1:
            raise TransientError("busy", retry_after=1)
        handled.append(message.body)

    url = resources.ticket_agent()["TICKET_WORK_QUEUE_URL"]
    async with consuming(resources, handle) as queue:
        await send_all(queue, [outgoing(f"{group}{number}", group=group) for number in range(4) for group in "abc"])

        async def all_handled() -> bool:
            return len(handled) >= 12

        await eventually(all_handled, within=60, what="twelve messages handled")

    for group in "abc":
        assert [body for body in handled if body[0] == group] == [f"{group}{number}" for number in range(4)]
    assert len(handled) == 12
    assert left_in(aws, url) == 0


async def test_a_message_that_keeps_failing_is_dead_lettered_with_its_story(
    resources: Provisioned, aws: AwsClients
) -> None:
    handled: list[str] = []

    async def handle(message: Message) -> None:
        handled.append(message.body)
        if message.body == "bug":
            raise KeyError("days")
        if message.body == "hopeless":
            raise PermanentError("environmentId: is unknown; send one of the table")

    settings = resources.ticket_agent()
    async with consuming(resources, handle, max_failures=2) as queue:
        sent = [outgoing("bug", group="a", attributes={"trace": "7"}), outgoing("hopeless", group="b")]
        await send_all(queue, [*sent, outgoing("well", group="a")])

        async def all_ended() -> bool:
            return "well" in handled and left_in(aws, settings["TICKET_WORK_DEAD_QUEUE_URL"]) == 2

        await eventually(all_ended, within=60, what="two dead letters")

    answer = aws("sqs").receive_message(
        QueueUrl=settings["TICKET_WORK_DEAD_QUEUE_URL"],
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    letters = {letter["Body"]: letter for letter in answer["Messages"]}
    told = {name: value["StringValue"] for name, value in letters["bug"]["MessageAttributes"].items()}
    assert told["reason"] == "failed 2 times, at last: KeyError: 'days'"
    assert (told["error_class"], told["trace"]) == ("KeyError", "7")
    assert told["source_queue"] == queue.name
    assert letters["bug"]["Attributes"]["MessageDeduplicationId"] == told["source_message_id"]
    assert "is unknown" in json.dumps(letters["hopeless"]["MessageAttributes"])
    assert left_in(aws, settings["TICKET_WORK_QUEUE_URL"]) == 0


async def test_a_drain_leaves_what_was_not_begun_visible_and_finishes_the_rest(
    resources: Provisioned, aws: AwsClients
) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()
    handled: list[str] = []

    async def handle(message: Message) -> None:
        begun.set()
        await finish.wait()
        handled.append(message.body)

    url = resources.ticket_agent()["TICKET_WORK_QUEUE_URL"]
    async with consuming(resources, handle) as queue:
        await send_all(queue, [outgoing("a0", group="a"), outgoing("a1", group="a")])
        await begun.wait()
        asyncio.get_running_loop().call_later(0.5, finish.set)

    assert handled in (["a0"], ["a0", "a1"])
    assert left_in(aws, url) == 2 - len(handled)
