"""How a finished reply leaves: whole, or damaged in the way a fault says."""

from aiohttp import web

from local.bedrock.settings import Fault
from local.bedrock.work import Reply


class Lost(Exception):
    """The connection is to be cut and nothing said."""


def response(reply: Reply, request_id: str) -> web.Response:
    return web.Response(
        body=reply.body, headers={**reply.headers, "x-amzn-RequestId": request_id}, content_type="application/json"
    )


async def deliver(request: web.Request, reply: Reply, fault: Fault | None, request_id: str) -> web.StreamResponse:
    kind = None if fault is None else fault.kind
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


def abandoned(request: web.Request) -> web.Response:
    """Cuts the connection; the response returned has nowhere to go."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
