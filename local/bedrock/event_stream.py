"""Frames of ``application/vnd.amazon.eventstream``: what the SDK decodes on the other side.

    total length, length of the headers, CRC-32 of both; headers; payload; CRC-32 of everything before it

as botocore's ``eventstream`` module reads it; every header here is a string (type 7).
"""

import json
import struct
from collections.abc import Mapping
from typing import Any
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_AROUND = 16  # prelude with its checksum, and the checksum at the end


def event(name: str, payload: Mapping[str, Any]) -> bytes:
    """One event of the operation's output; ``name`` is the member of its event stream."""
    headers = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
    return _frame(headers, json.dumps(payload, ensure_ascii=False).encode(errors="replace"))


def exception(name: str, message: str) -> bytes:
    """A failure in the middle of the stream: the HTTP status said 200 long before."""
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return _frame(headers, json.dumps({"message": message}).encode())


def _frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", _AROUND + len(head) + len(payload), len(head))
    unsigned = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return unsigned + struct.pack("!I", crc32(unsigned))


def _header(name: str, value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(encoded)) + encoded
