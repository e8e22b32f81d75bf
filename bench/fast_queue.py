"""An SQS endpoint for benchmarks whose every operation costs the same at any depth.

Emulators slow down as a queue grows, so a backlog measured against one measures the emulator. This one keeps standard
queues in memory, speaks the JSON protocol (``application/x-amz-json-1.0``) and knows what a consumer needs: long polls,
visibility timeouts, batches. It is no emulator: no FIFO, no dead letters, no checks of what it is sent.

    python -m bench.fast_queue     prints {"url": ...} when ready; ends with its standard input
"""

import asyncio
import hashlib
import heapq
import itertools
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Answer = dict[str, Any]
ACCOUNT = "000000000000"


@dataclass(slots=True)
class Stored:
    """One message; ``handle`` is of its latest receipt, so an older one no longer moves it."""

    message_id: str
    body: str
    md5: str
    sent_at: float
    attributes: dict[str, Any]
    receives: int = 0
    handle: str = ""
    first_received_at: float = 0.0


@dataclass(slots=True)
class FastQueue:
    """``ready`` in order of arrival; ``hidden`` by time of return, with entries that may be out of date."""

    name: str
    visibility: int
    ready: deque[Stored] = field(default_factory=deque)
    held: dict[str, tuple[float, Stored]] = field(default_factory=dict)
    hidden: list[tuple[float, str]] = field(default_factory=list)
    waiting: deque["asyncio.Future[None]"] = field(default_factory=deque)
    handles: "itertools.count[int]" = field(default_factory=itertools.count)
    deleted: int = 0

    def put(self, message: Stored) -> None:
        self.ready.append(message)
        while self.waiting:
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def return_expired(self, now: float) -> None:
        while self.hidden and self.hidden[0][0] <= now:
            due, handle = heapq.heappop(self.hidden)
            entry = self.held.get(handle)
            # A heartbeat moved it on: its own later entry in the heap will bring it back.
            if entry is None or entry[0] > due:
                continue
            del self.held[handle]
            self.put(entry[1])

    def take(self, at_most: int, visibility: int, now: float) -> list[Stored]:
        self.return_expired(now)
        taken: list[Stored] = []
        while self.ready and len(taken) < at_most:
            message = self.ready.popleft()
            message.handle = f"{message.message_id}#{next(self.handles)}"
            message.receives += 1
            message.first_received_at = message.first_received_at or time.time()
            self.hide(message, now + visibility)
            taken.append(message)
        return taken

    def hide(self, message: Stored, until: float) -> None:
        self.held[message.handle] = (until, message)
        heapq.heappush(self.hidden, (until, message.handle))

    def delete(self, handle: str) -> None:
        self.deleted += self.held.pop(handle, None) is not None

    def change_visibility(self, handle: str, seconds: int, now: float) -> bool:
        entry = self.held.get(handle)
        if entry is None:
            return False
        self.hide(entry[1], now + seconds)
        return True


class FastEndpoint:
    """The operations by their wire name; each takes the request's JSON and returns the answer's."""

    def __init__(self) -> None:
        self.queues: dict[str, FastQueue] = {}
        self.url = ""
        self._ids = itertools.count()

    def create(self, request: Answer) -> Answer:
        name = request["QueueName"]
        visibility = int(request.get("Attributes", {}).get("VisibilityTimeout", 30))
        self.queues.setdefault(name, FastQueue(name, visibility))
        return {"QueueUrl": f"{self.url}/{ACCOUNT}/{name}"}

    def url_of(self, request: Answer) -> Answer:
        return {"QueueUrl": f"{self.url}/{ACCOUNT}/{request['QueueName']}"}

    def attributes(self, request: Answer) -> Answer:
        queue = self._queue(request)
        queue.return_expired(time.monotonic())
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(len(queue.ready)),
                "ApproximateNumberOfMessagesNotVisible": str(len(queue.held)),
                "VisibilityTimeout": str(queue.visibility),
                "QueueArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue.name}",
                "DeletedSoFar": str(queue.deleted),
            }
        }

    def send_batch(self, request: Answer) -> Answer:
        queue = self._queue(request)
        return {"Successful": [{"Id": entry["Id"], **self._store(queue, entry)} for entry in request["Entries"]]}

    def send(self, request: Answer) -> Answer:
        return self._store(self._queue(request), request)

    def delete_batch(self, request: Answer) -> Answer:
        queue = self._queue(request)
        for entry in request["Entries"]:
            queue.delete(entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def delete(self, request: Answer) -> Answer:
        self._queue(request).delete(request["ReceiptHandle"])
        return {}

    def change_batch(self, request: Answer) -> Answer:
        queue, now = self._queue(request), time.monotonic()
        done, failed = [], []
        for entry in request["Entries"]:
            if queue.change_visibility(entry["ReceiptHandle"], int(entry["VisibilityTimeout"]), now):
                done.append({"Id": entry["Id"]})
            else:
                failed.append({"Id": entry["Id"], "Code": "MessageNotInflight", "SenderFault": True})
        return {"Successful": done, "Failed": failed}

    def change(self, request: Answer) -> Answer:
        self._queue(request).change_visibility(
            request["ReceiptHandle"], int(request["VisibilityTimeout"]), time.monotonic()
        )
        return {}

    async def receive(self, request: Answer) -> Answer:
        queue = self._queue(request)
        at_most = int(request.get("MaxNumberOfMessages", 1))
        visibility = int(request.get("VisibilityTimeout", queue.visibility))
        until = time.monotonic() + float(request.get("WaitTimeSeconds", 0))
        while True:
            now = time.monotonic()
            taken = queue.take(at_most, visibility, now)
            if taken or now >= until:
                return {"Messages": [_as_received(message) for message in taken]} if taken else {}
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            queue.waiting.append(waiter)
            returns_at = queue.hidden[0][0] if queue.hidden else until
            await asyncio.wait({waiter}, timeout=max(0.001, min(until, returns_at) - now))

    def _queue(self, request: Answer) -> FastQueue:
        return self.queues[request["QueueUrl"].rsplit("/", 1)[1]]

    def _store(self, queue: FastQueue, entry: Answer) -> Answer:
        body = entry["MessageBody"]
        md5 = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
        message = Stored(f"m{next(self._ids)}", body, md5, time.time(), entry.get("MessageAttributes", {}))
        queue.put(message)
        return {"MessageId": message.message_id, "MD5OfMessageBody": md5}


def _as_received(message: Stored) -> Answer:
    received: Answer = {
        "MessageId": message.message_id,
        "ReceiptHandle": message.handle,
        "MD5OfBody": message.md5,
        "Body": message.body,
        "Attributes": {
            "SenderId": ACCOUNT,
            "SentTimestamp": str(int(message.sent_at * 1000)),
            "ApproximateReceiveCount": str(message.receives),
            "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000)),
        },
    }
    if message.attributes:
        received["MessageAttributes"] = message.attributes
    return received


class Connection(asyncio.Protocol):
    """One keep-alive HTTP connection; requests on it are answered in order, as the SDK sends them."""

    def __init__(self, endpoint: FastEndpoint) -> None:
        self._endpoint = endpoint
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._polls: set[asyncio.Task[None]] = set()
        self._operations: dict[str, Callable[[Answer], Answer]] = {
            "CreateQueue": endpoint.create,
            "GetQueueUrl": endpoint.url_of,
            "GetQueueAttributes": endpoint.attributes,
            "SendMessage": endpoint.send,
            "SendMessageBatch": endpoint.send_batch,
            "DeleteMessage": endpoint.delete,
            "DeleteMessageBatch": endpoint.delete_batch,
            "ChangeMessageVisibility": endpoint.change,
            "ChangeMessageVisibilityBatch": endpoint.change_batch,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            headers = _headers(self._buffer[:end])
            size = int(headers.get(b"content-length", b"0"))
            if len(self._buffer) < end + 4 + size:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + size], self._buffer[end + 4 + size :]
            self._serve(headers.get(b"x-amz-target", b"").rsplit(b".", 1)[-1].decode(), json.loads(body or b"{}"))

    def _serve(self, operation: str, request: Answer) -> None:
        if operation == "ReceiveMessage":
            poll = asyncio.ensure_future(self._poll(request))
            self._polls.add(poll)
            poll.add_done_callback(self._polls.discard)
        elif operation in self._operations:
            self._write(b"200 OK", self._operations[operation](request))
        else:
            self._write(b"400 Bad Request", {"__type": "UnsupportedOperation", "message": operation})

    async def _poll(self, request: Answer) -> None:
        self._write(b"200 OK", await self._endpoint.receive(request))

    def _write(self, status: bytes, answer: Answer) -> None:
        assert self._transport is not None
        body = json.dumps(answer).encode()
        self._transport.write(
            b"HTTP/1.1 %s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s"
            % (status, len(body), body)
        )


def _headers(head: bytes) -> dict[bytes, bytes]:
    lines = head.split(b"\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}


async def serve() -> None:
    endpoint = FastEndpoint()
    running = asyncio.get_running_loop()
    server = await running.create_server(lambda: Connection(endpoint), "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(json.dumps({"url": endpoint.url}), flush=True)
    async with server:
        # The starter holds the other end of standard input: when it is gone, however it went, so are we.
        await running.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
