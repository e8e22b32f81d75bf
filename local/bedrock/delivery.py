"""How a finished reply leaves: whole, or damaged in the way a fault says."""

from collections.abc import Sequence

from aiohttp import web

from local.bedrock.event_stream import CONTENT_TYPE
from local.bedrock.settings import Fault
from local.bedrock.work import Reply, Stream


class Lost(Exception):
    """The connection is to be cut and nothing said."""


def response(reply: Reply, request_id: str) -> web.Response:
    return web.Response(
        body=reply.body, headers={**reply.headers, "x-amzn-RequestId": request_id}, content_type="application/json"
    )


async def deliver(
    request: web.Request, reply: Reply | Stream, fault: Fault | None, request_id: str
) -> web.StreamResponse:
    kind = None if fault is None else fault.kind
    if isinstance(reply, Stream):
        return await _streamed(request, reply, fault, request_id)
    match kind:
        case "drop_after_reading":
            raise Lost
        case "cut_connection":
            return await _half_sent(request, reply)
        case "truncated_json":
            return response(Reply(reply.body[: len(reply.body) // 2], reply.headers), request_id)
        case "garbled_body":
            # Bits flipped throughout: neither JSON nor, mostly, UTF-8.
            return response(Reply(bytes(byte ^ 0xA5 for byte in reply.body), reply.headers), request_id)
        case "missing_parts":
            return response(Reply(b"{}", reply.headers), request_id)
        case _:
            return response(reply, request_id)


async def _half_sent(request: web.Request, reply: Reply) -> web.StreamResponse:
    """Promises the whole length, sends half, closes."""
    cut = web.StreamResponse(headers={**reply.headers, "Content-Length": str(len(reply.body))})
    cut.content_type = "application/json"
    await cut.prepare(request)
    await cut.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut


async def _streamed(request: web.Request, reply: Stream, fault: Fault | None, request_id: str) -> web.StreamResponse:
    kind = None if fault is None else fault.kind
    if kind == "drop_after_reading":
        raise Lost
    response = web.StreamResponse(headers={**reply.headers, "x-amzn-RequestId": request_id})
    response.content_type = CONTENT_TYPE
    await response.prepare(request)
    for part in reply.frames if fault is None else _as_damaged(reply.frames, fault):
        await response.write(part)
    if kind == "cut_connection" and request.transport is not None:
        # Before the end of the body is said: to the client the stream breaks off.
        request.transport.close()
    return response


def _as_damaged(frames: Sequence[bytes], fault: Fault) -> Sequence[bytes]:
    whole = b"".join(frames)
    match fault.kind:
        case "cut_connection" | "truncated_json":
            return [whole[: len(whole) * fault.keep_percent // 100]]
        case "garbled_body":
            return [bytes(byte ^ 0xA5 for byte in whole)]
        case "missing_parts":
            return []
        case _:
            return frames


def abandoned(request: web.Request) -> web.Response:
    """Cuts the connection; the response returned has nowhere to go."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
