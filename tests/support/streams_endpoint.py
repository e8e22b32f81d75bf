"""DynamoDB Streams over HTTP (JSON 1.0), from a stream in memory: what no emulator shows, as the real SDK sees it.

Shards split, roll over and are trimmed on command, listings come in pages, iterators expire, and any call can be made
to fail: the wire shapes are those of botocore's service model, which parses and checks them on the other side.
"""

import json
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from shared.aws.items import to_item
from shared.stream.lineage import Shard
from shared.stream.memory import MemoryStream
from shared.stream.port import IteratorExpired, RecordsTrimmed, ShardGone
from shared.stream.record import Record

STREAM_ARN = "arn:aws:dynamodb:eu-central-1:000000000000:table/Scripted/stream/2026-01-01T00:00:00.000"
CONTENT_TYPE = "application/x-amz-json-1.0"


class _Refusal(Exception):
    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


class StreamsEndpoint:
    """``faults`` are used up one a call: (operation, error code, HTTP status), or (operation, "disconnect", 0)."""

    def __init__(self, stream: MemoryStream, *, page_size: int = 2) -> None:
        self.stream = stream
        self.page_size = page_size
        self.faults: deque[tuple[str, str, int]] = deque()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.url = ""

    def count(self, operation: str) -> int:
        return sum(name == operation for name, _ in self.calls)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        version, _, operation = request.headers["x-amz-target"].partition(".")
        assert version == "DynamoDBStreams_20120810"
        parameters: dict[str, Any] = json.loads(await request.text())
        self.calls.append((operation, parameters))
        try:
            self._fail_if_scripted(request, operation)
            return _as_response(await self._operation(operation, parameters))
        except _Refusal as refusal:
            return _as_error(refusal.code, refusal.status)
        except IteratorExpired:
            return _as_error("ExpiredIteratorException", 400)
        except RecordsTrimmed:
            return _as_error("TrimmedDataAccessException", 400)
        except ShardGone:
            return _as_error("ResourceNotFoundException", 400)

    def _fail_if_scripted(self, request: web.Request, operation: str) -> None:
        if not self.faults or self.faults[0][0] != operation:
            return
        _, code, status = self.faults.popleft()
        if code == "disconnect":
            assert request.transport is not None
            request.transport.abort()
        raise _Refusal(code, status or 500)

    async def _operation(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "DescribeStream":
                return await self._describe(parameters)
            case "GetShardIterator":
                return await self._get_iterator(parameters)
            case "GetRecords":
                return await self._get_records(parameters)
            case _:
                raise _Refusal("UnknownOperationException")

    async def _describe(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["StreamArn"] != STREAM_ARN:
            raise _Refusal("ResourceNotFoundException")
        shards = await self.stream.shards()
        ids = [shard.shard_id for shard in shards]
        begin = ids.index(parameters["ExclusiveStartShardId"]) + 1 if "ExclusiveStartShardId" in parameters else 0
        page = shards[begin : begin + min(self.page_size, parameters["Limit"])]
        more = {"LastEvaluatedShardId": page[-1].shard_id} if page and page[-1].shard_id != ids[-1] else {}
        description = {
            "StreamArn": STREAM_ARN,
            "StreamStatus": "ENABLED",
            "Shards": [_as_wire(s) for s in page],
            **more,
        }
        return {"StreamDescription": description}

    async def _get_iterator(self, parameters: dict[str, Any]) -> dict[str, Any]:
        after = parameters.get("SequenceNumber")
        if (parameters["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER") != (after is not None):
            raise _Refusal("ValidationException")
        shard_id = parameters["ShardId"]
        return {"ShardIterator": f"{shard_id} {await self.stream.iterator(shard_id, after=after)}"}

    async def _get_records(self, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["Limit"] > 1_000:
            raise _Refusal("LimitExceededException")
        shard_id, iterator = parameters["ShardIterator"].split(" ")
        batch = await self.stream.read(shard_id, iterator, at_most=parameters["Limit"])
        # The end of a shard is a missing iterator, not an empty one.
        onward = {"NextShardIterator": f"{shard_id} {batch.next_iterator}"} if batch.next_iterator else {}
        return {"Records": [_as_wire_record(record) for record in batch.records], **onward}


def _as_wire(shard: Shard) -> dict[str, Any]:
    ending = {"EndingSequenceNumber": "900000000000000000000"} if shard.closed else {}
    parent = {"ParentShardId": shard.parents[0]} if shard.parents else {}
    numbers = {"StartingSequenceNumber": "100000000000000000000", **ending}
    return {"ShardId": shard.shard_id, "SequenceNumberRange": numbers, **parent}


def _as_wire_record(record: Record) -> dict[str, Any]:
    images = {"NewImage": record.new, "OldImage": record.old}
    return {
        "eventID": record.event_id,
        "eventName": record.change,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": {
            "ApproximateCreationDateTime": record.created_at,
            "Keys": to_item(record.keys),
            "SequenceNumber": record.sequence_number,
            "SizeBytes": 100,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **{name: to_item(image) for name, image in images.items() if image is not None},
        },
    }


def _as_response(body: dict[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(body, default=_as_base64).encode(), content_type=CONTENT_TYPE)


def _as_base64(binary: Any) -> str:
    return b64encode(bytes(getattr(binary, "value", binary))).decode()


def _as_error(code: str, status: int) -> web.Response:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "as scripted"}
    return web.Response(body=json.dumps(body).encode(), status=status, content_type=CONTENT_TYPE)


@asynccontextmanager
async def serving(endpoint: StreamsEndpoint) -> AsyncIterator[StreamsEndpoint]:
    """Serve ``endpoint`` on a free port of loopback; its ``url`` is set."""
    application = web.Application()
    application.router.add_post("/", endpoint.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield endpoint
    finally:
        await runner.cleanup()
