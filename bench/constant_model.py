"""A Bedrock endpoint for throughput alone: every row gets category 1, after a fixed time, at as little cost as can be.

The embedded cloud's own Bedrock endpoint (local/bedrock) judges every request by botocore's models, which costs it more
than an answer costs a client: measured against it, a client waits for the judge. This one answers ``Converse`` in the
same wire shape and checks nothing; only benchmarks use it. Tokens are the estimate of four bytes each.

    python -m bench.constant_model LATENCY_MS     prints {"url": ...} when ready; ends with its standard input
"""

import asyncio
import json
import re
import sys

# A row of a prompt is "number|text" on a line of its own; as JSON the line break before it is an escape.
ROW = re.compile(rb"\\n(\d+)\|")
BYTES_PER_TOKEN = 4
HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


def answer_to(body: bytes) -> bytes:
    """The whole HTTP response to one Converse request."""
    text = "\n".join(f"{int(number)}:1" for number in ROW.findall(body)) or "1:1"
    input_tokens, output_tokens = len(body) // BYTES_PER_TOKEN, -(-len(text) // BYTES_PER_TOKEN)
    reply = json.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": input_tokens,
                "outputTokens": output_tokens,
                "totalTokens": input_tokens + output_tokens,
            },
            "metrics": {"latencyMs": 0},
        }
    ).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nx-amzn-RequestId: bench\r\n\r\n"
    return head % len(reply) + reply


class Connection(asyncio.Protocol):
    """One keep-alive connection; a client has one request on it at a time."""

    def __init__(self, latency_seconds: float) -> None:
        self._latency_seconds = latency_seconds
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end]
        length = LENGTH.search(head)
        size = int(length[1]) if length else 0
        if len(self._buffer) < end + len(HEAD_END) + size:
            return
        body, self._buffer = self._buffer[end + len(HEAD_END) :], b""
        asyncio.get_running_loop().call_later(self._latency_seconds, self._write, answer_to(body))

    def _write(self, answer: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(answer)


async def serve(latency_ms: str) -> None:
    running = asyncio.get_running_loop()
    seconds = float(latency_ms) / 1000
    server = await running.create_server(lambda: Connection(seconds), "127.0.0.1", 0)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    async with server:
        # The starter holds the other end of standard input: when it is gone, however it went, so are we.
        await running.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
