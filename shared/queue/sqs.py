"""The queue port on Amazon SQS."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.errors import DeskhandError, PermanentError
from shared.queue.batches import BATCH
from shared.queue.message import Message, Outgoing
from shared.queue.port import Failed

T = TypeVar("T")

MOST_BYTES = 1_048_576
"""Of all messages of one send (Amazon SQS API reference, "SendMessageBatch")."""

CALLS_AT_ONCE = 8
"""Batches of one call that are under way together; few enough to leave connections to the long polls."""


class SqsQueue:
    """Speaks through an aiobotocore ``sqs`` client, whose read timeout must exceed the long poll of 20 s."""

    def __init__(self, client: Client, url: str, *, new_id: Callable[[], str] = lambda: uuid.uuid4().hex) -> None:
        self._client = client
        self._url = url
        self._new_id = new_id

    @property
    def name(self) -> str:
        return self._url.rsplit("/", 1)[-1]

    @property
    def fifo(self) -> bool:
        return self._url.endswith(".fifo")

    async def receive(self, *, at_most: int, wait_seconds: int, visibility_seconds: int) -> list[Message]:
        parameters: dict[str, Any] = {
            "QueueUrl": self._url,
            "MaxNumberOfMessages": at_most,
            "WaitTimeSeconds": wait_seconds,
            "VisibilityTimeout": visibility_seconds,
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        if self.fifo:
            # The SDK sends a call again whose answer was lost. Without this id the second would find the groups of the
            # first locked until their visibility timeout.
            parameters["ReceiveRequestAttemptId"] = self._new_id()
        with aws_errors():
            answer = await self._client.receive_message(**parameters)
        return [_as_message(entry) for entry in answer.get("Messages", ())]

    async def delete(self, receipt_handles: Sequence[str]) -> list[Failed]:
        async def batch(handles: Sequence[str]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = await self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)],
            )
            return answer

        return await _in_batches(receipt_handles, batch)

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[Failed]:
        async def batch(part: Sequence[tuple[str, int]]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = await self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for index, (handle, seconds) in enumerate(part)
                ],
            )
            return answer

        return await _in_batches(changes, batch)

    async def send(self, messages: Sequence[Outgoing]) -> list[Failed]:
        async def batch(part: Sequence[Outgoing]) -> Mapping[str, Any]:
            answer: Mapping[str, Any] = await self._client.send_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(index), **_as_entry(message)} for index, message in enumerate(part)],
            )
            return answer

        if self.fifo:
            return await _in_order(messages, batch)
        return await _all_at_once(_by_size(range(len(messages)), messages), messages, batch)


Call = Callable[[Sequence[T]], Awaitable[Mapping[str, Any]]]


async def _in_batches(entries: Sequence[T], call: Call[T]) -> list[Failed]:
    parts = [range(start, min(start + BATCH, len(entries))) for start in range(0, len(entries), BATCH)]
    return await _all_at_once(parts, entries, call)


async def _all_at_once(parts: Sequence[Sequence[int]], entries: Sequence[T], call: Call[T]) -> list[Failed]:
    """Carry the parts out side by side; raises only if nothing at all was carried out."""
    free = asyncio.Semaphore(CALLS_AT_ONCE)

    async def one(part: Sequence[int]) -> list[Failed] | DeskhandError:
        async with free:
            return await _one_batch(part, entries, call)

    if len(parts) == 1:
        answers = [await _one_batch(parts[0], entries, call)]
    else:
        answers = list(await asyncio.gather(*(one(part) for part in parts)))
    errors = [answer for answer in answers if isinstance(answer, DeskhandError)]
    if errors and len(errors) == len(answers):
        raise errors[0]
    return sorted(
        (
            failure
            for part, answer in zip(parts, answers, strict=True)
            for failure in (_all_failed(part, answer) if isinstance(answer, DeskhandError) else answer)
        ),
        key=lambda failure: failure.index,
    )


async def _in_order(messages: Sequence[Outgoing], call: Call[Outgoing]) -> list[Failed]:
    """Send so that no message overtakes an earlier one of its group that failed.

    A batch may fail in its middle and store the rest, so no batch holds two messages of a group.
    """
    failed: list[Failed] = []
    errors: list[DeskhandError] = []
    waiting = list(range(len(messages)))
    stored_something = False
    while waiting:
        part = _next_of_each_group(waiting, messages)
        waiting = [index for index in waiting if index not in part]
        answer = await _one_batch(part, messages, call)
        if isinstance(answer, DeskhandError):
            errors.append(answer)
            answer = _all_failed(part, answer)
        stored_something = stored_something or len(answer) < len(part)
        failed.extend(answer)
        stuck = {messages[failure.index].group_id for failure in answer}
        behind = [index for index in waiting if messages[index].group_id in stuck]
        waiting = [index for index in waiting if index not in behind]
        failed.extend(Failed(index, "Behind", "an earlier one of its group failed", False) for index in behind)
    if errors and not stored_something:
        raise errors[0]
    return sorted(failed, key=lambda failure: failure.index)


def _next_of_each_group(waiting: Sequence[int], messages: Sequence[Outgoing]) -> Sequence[int]:
    groups: set[str | None] = set()
    first: list[int] = []
    for index in waiting:
        if messages[index].group_id not in groups:
            groups.add(messages[index].group_id)
            first.append(index)
    return _by_size(first, messages)[0]


def _by_size(indexes: Sequence[int], messages: Sequence[Outgoing]) -> list[Sequence[int]]:
    """Parts of at most ten messages and 1 MiB; a single message above that is for the service to refuse."""
    parts: list[Sequence[int]] = []
    part: list[int] = []
    size = 0
    for index in indexes:
        more = _size(messages[index])
        if part and (len(part) == BATCH or size + more > MOST_BYTES):
            parts.append(part)
            part, size = [], 0
        part.append(index)
        size += more
    return [*parts, part] if part else parts


def _size(message: Outgoing) -> int:
    texts = [message.body, *(text for name, value in message.attributes.items() for text in (name, value, "String"))]
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


async def _one_batch(part: Sequence[int], entries: Sequence[T], call: Call[T]) -> list[Failed] | DeskhandError:
    try:
        with aws_errors():
            answer = await call([entries[index] for index in part])
    except PermanentError as error:
        return error if len(part) == 1 else await _one_by_one(part, entries, call, error)
    except DeskhandError as error:
        return error
    return [
        Failed(
            index=part[int(failure["Id"])],
            code=failure.get("Code", ""),
            text=failure.get("Message", ""),
            sender_fault=bool(failure.get("SenderFault", False)),
        )
        for failure in answer.get("Failed", ())
    ]


async def _one_by_one(
    part: Sequence[int], entries: Sequence[T], call: Call[T], refusal: PermanentError
) -> list[Failed] | DeskhandError:
    """One entry may have made the service refuse the call as a whole: it must not cost the others."""
    failed: list[Failed] = []
    for index in part:
        answer = await _one_batch([index], entries, call)
        failed.extend(_all_failed([index], answer) if isinstance(answer, DeskhandError) else answer)
    return refusal if len(failed) == len(part) else failed


def _all_failed(part: Sequence[int], error: DeskhandError) -> list[Failed]:
    sender_fault = isinstance(error, PermanentError)
    return [Failed(index, type(error).__name__, str(error), sender_fault) for index in part]


def _as_entry(message: Outgoing) -> dict[str, Any]:
    entry: dict[str, Any] = {"MessageBody": message.body}
    # SQS refuses an empty attribute value: an attribute without a value is left out, as "not set".
    attributes = {
        name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items() if value
    }
    if attributes:
        entry["MessageAttributes"] = attributes
    if message.group_id is not None:
        entry["MessageGroupId"] = message.group_id
    if message.deduplication_id is not None:
        entry["MessageDeduplicationId"] = message.deduplication_id
    if message.delay_seconds:
        entry["DelaySeconds"] = message.delay_seconds
    return entry


def _as_message(entry: Mapping[str, Any]) -> Message:
    system: Mapping[str, str] = entry.get("Attributes", {})
    return Message(
        message_id=entry["MessageId"],
        receipt_handle=entry["ReceiptHandle"],
        body=entry.get("Body", ""),
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        sent_at=int(system.get("SentTimestamp", 0)) / 1000,
        first_received_at=int(system.get("ApproximateFirstReceiveTimestamp", 0)) / 1000,
        sender_id=system.get("SenderId", ""),
        attributes={
            name: attribute["StringValue"]
            for name, attribute in entry.get("MessageAttributes", {}).items()
            if "StringValue" in attribute  # Binary attributes have no text; none of our messages has any.
        },
        group_id=system.get("MessageGroupId"),
        deduplication_id=system.get("MessageDeduplicationId"),
    )
