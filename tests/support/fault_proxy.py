"""A bad network between a service and its endpoint: cut connections, lost answers, 5xx and throttles, by a seeded die.

The lost answer is the cruel one: the request was carried out and the caller cannot know. Next to it stands the batch
of which one entry failed: the caller that looks at the status alone believes that all went well.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

HOP_BY_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})

THROTTLE_CODES = {
    "DynamoDB_20120810": "ProvisionedThroughputExceededException",
    "DynamoDBStreams_20120810": "LimitExceededException",
    "AmazonSQS": "RequestThrottled",
}

BATCHES = frozenset({"SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"})


@dataclass(slots=True)
class Faults:
    """The share of requests, 0 to 1, that meets each fault; ``calm()`` ends them all.

    ``partial`` is the share of SQS batches of which one entry, chosen by the die, is not carried out.
    """

    cut_before: float = 0.0
    cut_after: float = 0.0
    server_error: float = 0.0
    throttle: float = 0.0
    partial: float = 0.0

    def calm(self) -> None:
        self.cut_before = self.cut_after = self.server_error = self.throttle = self.partial = 0.0


@dataclass(slots=True)
class Hold:
    """One request that is kept on the way: ``caught`` when it is there, and it goes on when ``let_go`` is set."""

    mark: bytes
    operations: frozenset[str]
    caught: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class FaultProxy:
    """``url`` stands in for ``target``; ``met`` counts what was done to requests."""

    target: str
    faults: Faults
    die: random.Random
    url: str = ""
    met: Counter[str] = field(default_factory=Counter)
    _open: dict[int, web.Request] = field(default_factory=dict)
    _holds: list[Hold] = field(default_factory=list)

    def hold_next(self, mark: bytes, *operations: str) -> Hold:
        """Keep the next request of these operations whose body contains ``mark``: a write that arrives late."""
        hold = Hold(mark, frozenset(operations))
        self._holds.append(hold)
        return hold

    def cut_connections(self) -> int:
        """Cut every connection that waits for an answer, however far its request has come; returns how many."""
        waiting = list(self._open.values())
        for request in waiting:
            _cut(request)
        self.met["cut_at_once"] += len(waiting)
        return len(waiting)

    async def answer(self, request: web.Request, upstream: ClientSession) -> web.StreamResponse:
        self._open[id(request)] = request
        try:
            return await self._answer(request, upstream)
        finally:
            del self._open[id(request)]

    async def _answer(self, request: web.Request, upstream: ClientSession) -> web.StreamResponse:
        body = await request.read()
        service, _, operation = request.headers.get("x-amz-target", "").rpartition(".")
        hold = next((hold for hold in self._holds if operation in hold.operations and hold.mark in body), None)
        if hold is not None:
            self._holds.remove(hold)
            hold.caught.set()
            await hold.let_go.wait()
            # Its sender may have given up on it, as a real network does not know.
            status, content, headers = await self._forward(request, upstream, body)
            hold.arrived.set()
            return web.Response(status=status, body=content, headers=headers)
        fault = self._fault(operation)
        self.met[fault] += 1
        match fault:
            case "cut_before":
                return _cut(request)
            case "server_error":
                return _error(500, "InternalServerError")
            case "throttle":
                return _error(400, THROTTLE_CODES.get(service, "ThrottlingException"))
            case "partial":
                return await self._all_but_one(request, upstream, body)
        status, content, headers = await self._forward(request, upstream, body)
        if fault == "cut_after":
            return _cut(request)
        return web.Response(status=status, body=content, headers=headers)

    def _fault(self, operation: str) -> str:
        shares = ["cut_before", "server_error", "throttle", "cut_after"]
        if operation in BATCHES:
            shares.append("partial")
        roll = self.die.random()
        for name in shares:
            share = getattr(self.faults, name)
            if roll < share:
                return name
            roll -= share
        return "passed"

    async def _all_but_one(self, request: web.Request, upstream: ClientSession, body: bytes) -> web.StreamResponse:
        batch = json.loads(body)
        left_out = batch["Entries"].pop(self.die.randrange(len(batch["Entries"])))
        answer: dict[str, Any] = {}
        if batch["Entries"]:
            status, content, _ = await self._forward(request, upstream, json.dumps(batch).encode())
            answer = json.loads(content)
            if status != 200:
                return web.Response(status=status, body=content)
        failed = {"Id": left_out["Id"], "Code": "InternalError", "Message": "injected", "SenderFault": False}
        answer = {"Successful": [], **answer, "Failed": [*answer.get("Failed", ()), failed]}
        return web.json_response(answer, content_type="application/x-amz-json-1.0")

    async def _forward(
        self, request: web.Request, upstream: ClientSession, body: bytes
    ) -> tuple[int, bytes, Mapping[str, str]]:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        url = self.target + request.raw_path
        async with upstream.request(request.method, url, headers=headers, data=body) as reply:
            content = await reply.read()
        kept = {key: value for key, value in reply.headers.items() if key.lower() not in HOP_BY_HOP}
        return reply.status, content, kept


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _error(status: int, code: str) -> web.Response:
    return web.Response(
        status=status,
        body=json.dumps({"__type": code, "message": "injected"}).encode(),
        headers={"content-type": "application/x-amz-json-1.0", "x-amzn-errortype": code},
    )


@asynccontextmanager
async def fault_proxy(target: str, faults: Faults, die: random.Random) -> AsyncIterator[FaultProxy]:
    """A proxy to ``target`` (a URL without a path) on a free port of loopback."""
    proxy = FaultProxy(target, faults, die)
    # auto_decompress off: what the endpoint compressed must reach the caller as it came.
    async with ClientSession(
        connector=TCPConnector(limit=0), timeout=ClientTimeout(total=60), auto_decompress=False
    ) as upstream:

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await proxy.answer(request, upstream)
            except (ConnectionError, TimeoutError, ClientError):
                return _cut(request)

        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            await runner.cleanup()
