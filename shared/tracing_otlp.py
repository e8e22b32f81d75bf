"""The tracing port on OpenTelemetry's SDK: spans in batches, by OTLP over HTTP, from a thread of its own.

Sampler, headers, batches and resource come from the SDK's own ``OTEL_...`` variables. An endpoint that is away costs
spans and a warning in the log, never a message.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.tracing import TRACEPARENT, Attributes, Kind, Span

CLOSE_SECONDS = 3.0
"""For the last batch: after the drain, inside the 10 s between its limit and the kill."""

KINDS: Final = {
    "internal": trace.SpanKind.INTERNAL,
    "client": trace.SpanKind.CLIENT,
    "consumer": trace.SpanKind.CONSUMER,
}
_W3C = TraceContextTextMapPropagator()


class OtlpTracer:
    """The Tracer port. Spans go where ``provider`` sends them."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("deskhand")

    @classmethod
    def to(cls, endpoint: str, *, service: str, deployment: str) -> "OtlpTracer":
        """Sends to ``endpoint``, the whole address."""
        return cls.through(BatchSpanProcessor(OTLPSpanExporter(endpoint)), service=service, deployment=deployment)

    @classmethod
    def through(cls, processor: SpanProcessor, *, service: str, deployment: str) -> "OtlpTracer":
        ours = Resource({"service.name": service, "service.namespace": deployment})
        # What the environment says of itself (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) goes before.
        provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        provider.add_span_processor(processor)
        return cls(provider)

    @contextmanager
    def span(self, name: str, kind: Kind, attributes: Attributes, parent: str | None) -> Iterator[Span]:
        # A parent that cannot be read leaves the empty context, so a trace of its own begins.
        context = _W3C.extract({TRACEPARENT: parent}, Context()) if parent else None
        with self._tracer.start_as_current_span(
            name,
            context,
            KINDS[kind],
            attributes,
            # Both would take the exception's words along, which may quote a message.
            record_exception=False,
            set_status_on_exception=False,
        ) as begun:
            span = _Span(begun)
            try:
                yield span
            except BaseException as error:
                span.failed(type(error).__name__)
                raise

    def current(self) -> tuple[str, str]:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return "", ""
        carried: dict[str, str] = {}
        _W3C.inject(carried)
        return trace.format_trace_id(context.trace_id), carried[TRACEPARENT]

    def note(self, attributes: Attributes) -> None:
        trace.get_current_span().set_attributes(attributes)

    def close(self) -> None:
        # The SDK itself would wait for half a minute for an endpoint that is away.
        closing = threading.Thread(target=self._provider.shutdown, name="close tracing", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def failed(self, error_class: str) -> None:
        self._span.set_attribute("error.type", error_class)
        self._span.set_status(trace.StatusCode.ERROR)
