"""Tracing: nothing at all where it is off, contexts that travel where it is on, and never an error's words."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.ticket_agent.bridge import route
from shared import tracing
from shared.errors import PermanentError
from shared.logs import about, unit_of_work
from shared.queue.memory import MemoryQueue
from shared.queue.message import Outgoing
from shared.queue.sending import send_all
from shared.stream.record import Record
from shared.tracing import TRACEPARENT, TracingSettings
from shared.tracing_otlp import OtlpTracer

SENT_BEFORE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Tracing is on; what ended is in the exporter."""
    exporter = InMemorySpanExporter()
    tracing.install(OtlpTracer.through(SimpleSpanProcessor(exporter), service="a-service", deployment="desk"))
    yield exporter
    tracing.stop_tracing()
    structlog.contextvars.clear_contextvars()


def one(spans: InMemorySpanExporter) -> ReadableSpan:
    (span,) = spans.get_finished_spans()
    return span


async def sent(*messages: Outgoing) -> list[dict[str, str]]:
    """The attributes that messages have when they are received."""
    queue = MemoryQueue("work")
    await send_all(queue, messages)
    received = await queue.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
    return [dict(message.attributes) for message in received]


async def test_off_no_message_carries_a_context_and_a_step_is_always_the_same_object() -> None:
    with tracing.span("a step") as step:
        step.note({"a": 1})
        assert await sent(Outgoing(body="x")) == [{}]
        assert (tracing.carrier(), tracing.trace_id()) == ({}, "")
    assert (
        tracing.span("a step") is tracing.model_call("a-model", max_tokens=1) is tracing.transaction("x", "y", writes=1)
    )


def test_off_neither_service_has_anything_of_opentelemetry_in_memory() -> None:
    settings = "from shared import tracing; tracing.start_tracing('x', tracing.TracingSettings(), deployment='x')"
    look = "import sys; print([name for name in sys.modules if name.startswith(('opentelemetry', 'google.protobuf'))])"
    services = "import services.ticket_agent.main, services.feedback_tagger.main"
    ended = subprocess.run(
        [sys.executable, "-c", f"{services}; {settings}; {look}"], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_an_endpoint_of_all_signals_gets_the_path_of_traces_and_one_of_traces_is_taken_as_it_is() -> None:
    assert TracingSettings().traces_endpoint is None
    both = TracingSettings(otel_exporter_otlp_endpoint="http://collector:4318/")
    assert both.traces_endpoint == "http://collector:4318/v1/traces"
    own = TracingSettings(
        otel_exporter_otlp_endpoint="http://collector:4318", otel_exporter_otlp_traces_endpoint="https://xray/v1/spans"
    )
    assert own.traces_endpoint == "https://xray/v1/spans"


async def test_a_message_carries_the_step_that_sends_it_unless_it_has_a_context_or_no_room(
    spans: InMemorySpanExporter,
) -> None:
    full = {f"a{number}": "x" for number in range(10)}
    with tracing.span("a step"):
        here = tracing.carrier()
        attributes = await sent(
            Outgoing(body="1", attributes={"task": "x"}),
            Outgoing(body="2", attributes={TRACEPARENT: SENT_BEFORE}),
            Outgoing(body="3", attributes=full),
        )
    assert attributes == [{"task": "x", **here}, {TRACEPARENT: SENT_BEFORE}, full]
    assert await sent(Outgoing(body="4")) == [{}]


def test_a_step_goes_on_with_the_trace_that_it_is_given(spans: InMemorySpanExporter) -> None:
    with tracing.span("a step", parent=SENT_BEFORE):
        assert tracing.trace_id() == "0af7651916cd43dd8448eb211c80319c"
    span = one(spans)
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"


@pytest.mark.parametrize("parent", ["", "nonsense", "00-0-0-01", "00-" + "0" * 32 + "-b7ad6b7169203331-01"])
def test_a_context_that_cannot_be_read_begins_a_trace_of_its_own(spans: InMemorySpanExporter, parent: str) -> None:
    with tracing.span("a step", parent=parent):
        pass
    assert one(spans).parent is None


def test_a_step_that_raises_is_failed_and_keeps_the_errors_words_to_itself(spans: InMemorySpanExporter) -> None:
    with pytest.raises(PermanentError), tracing.span("a step"):
        raise PermanentError("the customer's own words")
    span = one(spans)
    assert dict(span.attributes or {}) == {"error.type": "PermanentError"}
    assert not span.status.is_ok
    assert "own words" not in span.to_json()


def test_what_a_unit_of_work_is_about_is_on_its_span_and_off_its_log_afterwards(spans: InMemorySpanExporter) -> None:
    with unit_of_work("a unit", run_id="r-1"):
        about(chunk=2)
        bound = structlog.contextvars.get_contextvars()
        assert (bound["run_id"], bound["trace_id"]) == ("r-1", tracing.trace_id())
    assert dict(one(spans).attributes or {}) == {"deskhand.run_id": "r-1", "deskhand.chunk": 2}
    assert not {"run_id", "trace_id"} & set(structlog.contextvars.get_contextvars())


@pytest.mark.parametrize(("item", "carried"), [({TRACEPARENT: SENT_BEFORE}, {TRACEPARENT: SENT_BEFORE}), ({}, {})])
def test_a_ticket_takes_its_trace_through_the_stream(item: dict[str, str], carried: dict[str, str]) -> None:
    keys = {"ticketId": "T-1", "employeeId": "111"}
    record = Record(
        event_id="e-1",
        change="INSERT",
        shard_id="s",
        sequence_number="1",
        created_at=0.0,
        keys=keys,
        new={**keys, **item},
    )
    routed = route(record)
    assert routed is not None
    assert routed.message.attributes == carried
