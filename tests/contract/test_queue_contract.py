"""What every queue promises (shared/queue/port.py), asked of each implementation.

The memory queue runs on virtual time; SqsQueue runs on the clouds of tests/support/contract_clouds.py. Where the
emulator differs from AWS, the test says so.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest

from shared.aws.clients import aws_session, open_client
from shared.aws.sqs_calls import open_sqs
from shared.errors import PermanentError
from shared.queue.memory import MemoryQueue
from shared.queue.message import Message, Outgoing
from shared.queue.port import Queue
from shared.queue.sqs import SqsQueue
from tests.support.contract_clouds import CLOUDS, use_cloud
from tests.support.queues import outgoing

NewQueue: TypeAlias = Callable[[str], Awaitable[Queue]]
"""Makes an empty queue: ``await new_queue("standard")`` or ``"fifo"``."""

BACKENDS = [
    pytest.param(("memory", ""), marks=pytest.mark.looptime, id="memory"),
    *(pytest.param((cloud, calls), id=f"{cloud}-{calls}") for cloud in CLOUDS for calls in ("sdk", "ours")),
]


@pytest.fixture(params=BACKENDS)
def backend_and_calls(request: pytest.FixtureRequest) -> tuple[str, str]:
    backend, calls = request.param
    return backend, calls


@pytest.fixture
def backend(backend_and_calls: tuple[str, str]) -> str:
    return backend_and_calls[0]


@pytest.fixture
async def new_queue(backend_and_calls: tuple[str, str], request: pytest.FixtureRequest) -> AsyncIterator[NewQueue]:
    backend, calls = backend_and_calls
    if backend == "memory":

        async def in_memory(kind: str) -> Queue:
            return MemoryQueue("contract.fifo" if kind == "fifo" else "contract")

        yield in_memory
        return
    use_cloud(backend, request)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_client(aws_session(), "sqs"))
        used = client
        if calls == "ours":
            used = await stack.enter_async_context(open_sqs(aws_session(), connections=8))

        async def on_sqs(kind: str) -> Queue:
            url = await _create(client, kind)
            stack.push_async_callback(client.delete_queue, QueueUrl=url)
            return SqsQueue(used, url)

        yield on_sqs


async def _create(client: Any, kind: str) -> str:
    name = f"contract-{secrets.token_hex(6)}"
    if kind == "standard":
        answer = await client.create_queue(QueueName=name)
    else:
        high_throughput = {
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
        answer = await client.create_queue(QueueName=f"{name}.fifo", Attributes=high_throughput)
    return str(answer["QueueUrl"])


async def received(queue: Queue, *, at_most: int = 10, wait: int = 5, visibility: int = 60) -> list[Message]:
    return await queue.receive(at_most=at_most, wait_seconds=wait, visibility_seconds=visibility)


async def drained(queue: Queue, count: int) -> list[Message]:
    """Receive until ``count`` messages came: a standard queue may return fewer than it has."""
    messages: list[Message] = []
    while len(messages) < count and (more := await received(queue)):
        messages.extend(more)
    return messages


def bodies(messages: list[Message]) -> list[str]:
    return [message.body for message in messages]


@pytest.mark.parametrize("kind", ["standard", "fifo"])
async def test_a_message_arrives_as_it_was_sent(new_queue: NewQueue, kind: str) -> None:
    queue = await new_queue(kind)
    sent = outgoing("Grüße 👋\n{}", attributes={"reason": "späť", "count": "7"}, group="g" if kind == "fifo" else None)

    assert await queue.send([sent]) == []
    [message] = await received(queue)

    assert message.body == sent.body
    assert message.attributes == sent.attributes
    assert (message.group_id, message.deduplication_id) == (sent.group_id, sent.deduplication_id)
    assert message.receive_count == 1
    assert message.first_received_at >= message.sent_at
    assert message.message_id
    assert message.sender_id


async def test_a_message_keeps_its_body_and_handle_out_of_its_repr(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("a secret")])

    [message] = await received(queue)

    assert "a secret" not in repr(message)
    assert message.receipt_handle not in repr(message)


async def test_an_attribute_without_a_value_is_left_out(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")

    assert await queue.send([outgoing("a", attributes={"empty": "", "full": "x"})]) == []

    [message] = await received(queue)
    assert message.attributes == {"full": "x"}


async def test_a_received_message_comes_again_when_its_visibility_ends(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("a")])

    [first] = await received(queue, visibility=1)
    assert await received(queue, wait=0) == []
    [again] = await received(queue)

    assert again.message_id == first.message_id
    assert again.receive_count == 2
    assert again.receipt_handle != first.receipt_handle
    assert again.first_received_at == first.first_received_at


async def test_an_extended_message_stays_away(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("a")])
    [message] = await received(queue, visibility=1)

    assert await queue.change_visibility([(message.receipt_handle, 60)]) == []

    assert await received(queue, wait=2) == []


async def test_visibility_zero_gives_a_message_back_at_once(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("a")])
    [message] = await received(queue)

    assert await queue.change_visibility([(message.receipt_handle, 0)]) == []

    assert bodies(await received(queue)) == ["a"]


async def test_a_deleted_message_never_comes_again(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("a")])
    [message] = await received(queue, visibility=1)

    assert await queue.delete([message.receipt_handle]) == []

    assert await received(queue, wait=2) == []


async def test_deleting_a_message_again_is_no_failure(new_queue: NewQueue, backend: str) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("a")])
    [message] = await received(queue)
    await queue.delete([message.receipt_handle])

    again = await queue.delete([message.receipt_handle])

    if backend == "emulator":  # It refuses the second delete; AWS does not.
        assert [failure.index for failure in again] == [0]
    else:
        assert again == []


async def test_the_handle_of_a_message_that_is_gone_cannot_be_extended(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("a")])
    [first] = await received(queue, visibility=1)
    [second] = await received(queue)
    await queue.delete([second.receipt_handle])

    [failure] = await queue.change_visibility([(first.receipt_handle, 60)])

    assert failure.index == 0
    assert failure.sender_fault


@pytest.mark.parametrize("operation", ["delete", "change_visibility"])
async def test_one_bad_handle_fails_alone(new_queue: NewQueue, operation: str) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("a"), outgoing("b")])
    first, second = await drained(queue, 2)
    handles = [first.receipt_handle, "no-handle-at-all", second.receipt_handle]

    if operation == "delete":
        failed = await queue.delete(handles)
    else:
        failed = await queue.change_visibility([(handle, 0) for handle in handles])

    assert [(failure.index, failure.sender_fault) for failure in failed] == [(1, True)]
    assert len(await drained(queue, 2)) == (0 if operation == "delete" else 2)


async def test_batches_of_any_length_are_taken(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    sent = [f"message {number}" for number in range(23)]

    assert await queue.send([outgoing(body) for body in sent]) == []
    messages = await drained(queue, len(sent))
    assert sorted(bodies(messages)) == sorted(sent)
    assert await queue.change_visibility([(message.receipt_handle, 30) for message in messages]) == []
    assert await queue.delete([message.receipt_handle for message in messages]) == []

    assert await received(queue, wait=0) == []


async def test_empty_batches_are_no_call_at_all(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")

    assert await queue.send([]) == []
    assert await queue.delete([]) == []
    assert await queue.change_visibility([]) == []


async def test_a_receive_returns_at_most_what_was_asked_for(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing(f"{number}") for number in range(5)])

    assert len(await received(queue, at_most=2)) in (1, 2)


async def test_a_poll_of_an_empty_queue_returns_empty_handed(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")

    assert await received(queue, wait=1) == []


async def test_a_delayed_message_comes_late(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    await queue.send([outgoing("late", delay_seconds=2), outgoing("soon")])

    assert bodies(await received(queue, wait=1)) == ["soon"]
    assert bodies(await received(queue)) == ["late"]


# aiohttp warns of bodies above 1 MiB, which no message is that SQS takes.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_message_that_is_too_long_is_refused_alone(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")

    failed = await queue.send([outgoing("a"), outgoing("x" * 1_048_577), outgoing("b")])

    assert [(failure.index, failure.sender_fault) for failure in failed] == [(1, True)]
    assert sorted(bodies(await drained(queue, 2))) == ["a", "b"]


async def test_messages_that_fill_more_than_one_call_are_all_sent(new_queue: NewQueue) -> None:
    queue = await new_queue("standard")
    long = ["a" * 600_000, "b" * 600_000, "c" * 400_000]

    assert await queue.send([outgoing(body) for body in long]) == []

    assert sorted(bodies(await drained(queue, 3))) == long


async def test_a_fifo_queue_keeps_the_order_of_a_group(new_queue: NewQueue) -> None:
    queue = await new_queue("fifo")
    await queue.send([outgoing(f"{group}{number}", group=group) for number in range(3) for group in "ab"])

    messages = await drained(queue, 6)

    for group in "ab":
        in_group = [message.body for message in messages if message.group_id == group]
        assert in_group == [f"{group}0", f"{group}1", f"{group}2"]


async def test_a_group_is_locked_while_one_of_its_messages_is_in_flight(new_queue: NewQueue) -> None:
    queue = await new_queue("fifo")
    await queue.send([outgoing("a0", group="a"), outgoing("a1", group="a"), outgoing("b0", group="b")])

    [first] = await received(queue, at_most=1)
    assert first.body == "a0"
    assert bodies(await received(queue)) == ["b0"]

    await queue.delete([first.receipt_handle])
    assert bodies(await received(queue)) == ["a1"]


async def test_what_was_given_back_with_a_retried_message_does_not_overtake_it(new_queue: NewQueue) -> None:
    queue = await new_queue("fifo")
    await queue.send([outgoing("a0", group="a"), outgoing("a1", group="a"), outgoing("b0", group="b")])
    messages = {message.body: message.receipt_handle for message in await drained(queue, 3)}

    assert await queue.change_visibility([(messages["a0"], 2), (messages["a1"], 0), (messages["b0"], 0)]) == []

    assert bodies(await received(queue, wait=1)) == ["b0"]
    assert bodies(await drained(queue, 2)) == ["a0", "a1"]


async def test_a_fifo_queue_takes_a_deduplication_id_once(new_queue: NewQueue) -> None:
    queue = await new_queue("fifo")

    assert await queue.send([outgoing("first", group="a", deduplication_id="1")]) == []
    assert await queue.send([outgoing("again", group="a", deduplication_id="1")]) == []
    assert await queue.send([outgoing("other", group="a", deduplication_id="2")]) == []

    assert bodies(await drained(queue, 2)) == ["first", "other"]
    assert await received(queue, wait=0) == []


async def test_a_fifo_queue_refuses_a_message_without_a_group(new_queue: NewQueue) -> None:
    queue = await new_queue("fifo")

    try:
        [failure] = await queue.send([Outgoing(body="a", deduplication_id="1")])
    except PermanentError:
        return
    assert failure.sender_fault


async def test_an_expired_fifo_receipt_neither_deletes_nor_extends(new_queue: NewQueue, backend: str) -> None:
    if backend == "emulator":
        pytest.skip("the emulator lets an expired receipt of a FIFO queue delete and extend; AWS refuses")
    queue = await new_queue("fifo")
    await queue.send([outgoing("a0", group="a"), outgoing("a1", group="a")])
    [expired] = await received(queue, at_most=1, visibility=1)
    [current] = await received(queue, at_most=1)
    assert current.body == "a0"

    [not_extended] = await queue.change_visibility([(expired.receipt_handle, 60)])
    await queue.delete([expired.receipt_handle])

    assert not_extended.sender_fault
    assert await queue.change_visibility([(current.receipt_handle, 0)]) == []
    assert bodies(await received(queue, at_most=1)) == ["a0"]
