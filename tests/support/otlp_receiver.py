"""A collector on loopback: takes spans by OTLP over HTTP, as any back end for traces would, and keeps them."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    failed: bool


@dataclass(slots=True)
class Collector:
    """``spans`` in the order of arrival; ``raw`` is all that was sent, as it was sent."""

    url: str
    spans: list[ReceivedSpan] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)

    def take(self, body: bytes) -> None:
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {entry.key: _value(entry.value) for entry in resource.resource.attributes}
            self.spans += [
                ReceivedSpan(
                    service=about["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes={entry.key: _value(entry.value) for entry in span.attributes},
                    failed=span.status.code == 2,  # STATUS_CODE_ERROR
                )
                for scope in resource.scope_spans
                for span in scope.spans
            ]

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def one(self, name: str, **attributes: Any) -> ReceivedSpan:
        """The one span of that name with these attributes; a dot in a name is written as two underscores."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        found = [span for span in self.spans if span.name == name and wanted.items() <= span.attributes.items()]
        assert len(found) == 1, f"{len(found)} spans {name} with {wanted}: {sorted({span.name for span in self.spans})}"
        return found[0]


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(each) for each in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@contextmanager
def running_collector() -> Iterator[Collector]:
    """It listens at ``url``, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/v1/traces":
                self.send_error(404)
                return
            collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield collector
        finally:
            server.shutdown()
            serving.join()
