"""Sending until everything is stored, on virtual time; and SqsQueue's batches against a scripted client."""

from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from shared.errors import PermanentError, TransientError
from shared.queue.memory import MemoryQueue
from shared.queue.message import Outgoing
from shared.queue.sending import NotAllSent, SendRefused, send_all
from shared.queue.sqs import SqsQueue
from tests.support.queues import no_jitter, outgoing

pytestmark = pytest.mark.looptime


def bodies(messages: Sequence[Outgoing]) -> list[str]:
    return [message.body for message in messages]


async def test_what_failed_in_part_is_sent_again_and_the_rest_is_not() -> None:
    queue = MemoryQueue("work")
    queue.faults.fail_in_part("send", [0, 2], times=2)

    await send_all(queue, [outgoing("a"), outgoing("b"), outgoing("c"), outgoing("d")], uniform=no_jitter)

    assert sorted(bodies(queue.stored)) == ["a", "b", "c", "d"]


async def test_a_call_that_failed_is_made_again() -> None:
    queue = MemoryQueue("work")
    queue.faults.fail("send", times=4)

    await send_all(queue, [outgoing("a")], uniform=no_jitter)

    assert bodies(queue.stored) == ["a"]


async def test_what_still_fails_at_the_last_attempt_is_named() -> None:
    queue = MemoryQueue("work")
    queue.faults.fail_in_part("send", [1], times=1)
    queue.faults.fail_in_part("send", [0], times=4)

    with pytest.raises(NotAllSent) as raised:
        await send_all(queue, [outgoing("a"), outgoing("b")], uniform=no_jitter)

    assert bodies(raised.value.unsent) == ["b"]
    assert bodies(queue.stored) == ["a"]


async def test_what_will_never_be_taken_is_named_at_once() -> None:
    queue = MemoryQueue("work")

    with pytest.raises(SendRefused) as raised:
        await send_all(queue, [outgoing("a"), outgoing(""), outgoing("b")], uniform=no_jitter)

    assert bodies(raised.value.refused) == [""]
    assert bodies(queue.stored) == ["a", "b"]
    assert queue.faults.calls == ["send"]


async def test_order_in_a_group_survives_a_partial_failure() -> None:
    queue = MemoryQueue("work.fifo")
    queue.faults.fail_in_part("send", [0])

    await send_all(queue, [outgoing("a0", group="a"), outgoing("b0", group="b"), outgoing("a1", group="a")])

    assert bodies(queue.stored) == ["b0", "a0", "a1"]


async def test_nothing_to_send_is_no_call() -> None:
    queue = MemoryQueue("work")

    await send_all(queue, [])

    assert queue.faults.calls == []


class ScriptedSqs:
    """Answers each batch call with the next of ``answers``: ids that fail, or an error to raise; then all succeed."""

    def __init__(self, *answers: dict[str, bool] | Exception) -> None:
        self._answers = list(answers)
        self.batches: list[list[str]] = []

    async def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        return self._answer([entry["MessageBody"] for entry in Entries])

    async def delete_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        return self._answer([entry["ReceiptHandle"] for entry in Entries])

    def _answer(self, batch: list[str]) -> dict[str, Any]:
        self.batches.append(batch)
        answer = self._answers.pop(0) if self._answers else {}
        if isinstance(answer, Exception):
            raise answer
        return {
            "Successful": [],
            "Failed": [
                {"Id": number, "Code": "Code", "Message": "Text", "SenderFault": fault}
                for number, fault in answer.items()
            ],
        }


REFUSED_CONNECTION = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
TOO_LONG = ClientError({"Error": {"Code": "BatchRequestTooLong", "Message": "too long"}}, "SendMessageBatch")


async def test_failed_entries_keep_the_callers_index_across_batches() -> None:
    queue = SqsQueue(ScriptedSqs({"3": False}, {"0": True}), "http://sqs/1/work")

    failed = await queue.delete([f"handle {number}" for number in range(12)])

    assert [(failure.index, failure.sender_fault) for failure in failed] == [(3, False), (10, True)]


async def test_one_batch_that_fails_as_a_whole_leaves_the_others_done() -> None:
    queue = SqsQueue(ScriptedSqs({}, REFUSED_CONNECTION), "http://sqs/1/work")

    failed = await queue.delete([f"handle {number}" for number in range(12)])

    assert [(failure.index, failure.sender_fault) for failure in failed] == [(10, False), (11, False)]


async def test_a_call_that_does_nothing_at_all_raises() -> None:
    with pytest.raises(TransientError):
        await SqsQueue(ScriptedSqs(REFUSED_CONNECTION), "http://sqs/1/work").delete(["handle"])
    with pytest.raises(PermanentError):
        await SqsQueue(ScriptedSqs(TOO_LONG, TOO_LONG, TOO_LONG), "http://sqs/1/work").send(
            [outgoing("a"), outgoing("b")]
        )


async def test_an_entry_that_spoils_a_call_costs_itself_alone() -> None:
    client = ScriptedSqs(TOO_LONG, {}, TOO_LONG)

    failed = await SqsQueue(client, "http://sqs/1/work").send([outgoing("a"), outgoing("bad"), outgoing("b")])

    assert client.batches == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]
    assert [(failure.index, failure.sender_fault) for failure in failed] == [(1, True)]


async def test_no_batch_is_longer_than_ten_messages_or_one_mebibyte() -> None:
    client = ScriptedSqs()

    await SqsQueue(client, "http://sqs/1/work").send(
        [*(outgoing(f"{number}") for number in range(11)), outgoing("ü" * 500_000), outgoing("y" * 100_000)]
    )

    assert [len(batch) for batch in client.batches] == [10, 2, 1]


async def test_messages_of_one_group_go_in_separate_calls_and_wait_for_the_earlier() -> None:
    client = ScriptedSqs({"0": False})
    sent = [outgoing(body, group=body[0]) for body in ("a0", "a1", "b0", "a2", "b1")]

    failed = await SqsQueue(client, "http://sqs/1/work.fifo").send(sent)

    assert client.batches == [["a0", "b0"], ["b1"]]
    assert [failure.index for failure in failed] == [0, 1, 3]


@pytest.mark.parametrize(("url", "name", "fifo"), [("http://x/1/a", "a", False), ("http://x/1/a.fifo", "a.fifo", True)])
def test_the_url_says_name_and_kind(url: str, name: str, fifo: bool) -> None:
    queue = SqsQueue(ScriptedSqs(), url)

    assert (queue.name, queue.fifo) == (name, fifo)
