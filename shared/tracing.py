"""Traces of what a message caused: spans, and the context that joins them across queues, tables and tasks.

Services trace through this port alone and never import the SDK. Without an endpoint there is no tracer: a span is one
shared object that does nothing, no message carries a context, and nothing of OpenTelemetry is imported.

Names are those of OpenTelemetry's conventions for generative AI, messaging and databases. A span holds ids, counts,
states and the classes of errors, never a text: a trace may leave the account.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, Protocol, TypeAlias

from pydantic import Field

from shared.settings import Settings

Value: TypeAlias = str | bool | int | float | Sequence[str]
Attributes: TypeAlias = Mapping[str, Value]
Kind: TypeAlias = Literal["internal", "client", "consumer"]

TRACEPARENT: Final = "traceparent"
"""Where the context travels: an attribute of messages, notifications and tickets (W3C Trace Context, "traceparent")."""

PROVIDER: Final[Attributes] = {"gen_ai.provider.name": "aws.bedrock"}


class TracingSettings(Settings):
    """The base of a service's settings. Whatever else is set by ``OTEL_...`` variables (headers, sampler, batches,
    resource) the SDK reads from the environment itself, under OpenTelemetry's own names."""

    otel_exporter_otlp_endpoint: str | None = Field(
        default=None,
        pattern="^https?://",
        description="where traces are sent by OTLP over HTTP, less /v1/traces; none: nothing is traced",
    )
    otel_exporter_otlp_traces_endpoint: str | None = Field(
        default=None, pattern="^https?://", description="the same with its path, if it ends otherwise"
    )

    @property
    def traces_endpoint(self) -> str | None:
        if self.otel_exporter_otlp_traces_endpoint is not None:
            return self.otel_exporter_otlp_traces_endpoint
        base = self.otel_exporter_otlp_endpoint
        return None if base is None else f"{base.rstrip('/')}/v1/traces"


class Span(Protocol):
    """One step under way; it ends with its ``with`` block, as failed if that raises."""

    def note(self, attributes: Attributes) -> None: ...

    def failed(self, error_class: str) -> None:
        """It has failed although nothing was raised. The error's words stay out: they may quote a message."""
        ...


class Tracer(Protocol):
    def span(
        self, name: str, kind: Kind, attributes: Attributes, parent: str | None
    ) -> AbstractContextManager[Span]: ...

    def current(self) -> tuple[str, str]:
        """Trace id and traceparent of the span that runs here; both empty outside of any."""
        ...

    def note(self, attributes: Attributes) -> None:
        """Note something on the span that runs here."""
        ...

    def close(self) -> None:
        """Send what is not sent yet, for a few seconds at most."""
        ...


class _NoSpan:
    def note(self, attributes: Attributes) -> None: ...

    def failed(self, error_class: str) -> None: ...


NO_STEP: Final[AbstractContextManager[Span]] = nullcontext(_NoSpan())
"""What every step is while nothing is traced."""
_NOTHING: Final[Attributes] = {}
# One a process, as the log is: a tracer handed to every loop and adapter would be in every constructor.
_tracer: Tracer | None = None


def start_tracing(service: str, settings: TracingSettings, *, deployment: str) -> None:
    """Trace from here on if the settings name an endpoint; call once, in the composition root."""
    if settings.traces_endpoint is not None:
        from shared.tracing_otlp import OtlpTracer  # noqa: PLC0415  only whoever traces has it in memory

        install(OtlpTracer.to(settings.traces_endpoint, service=service, deployment=deployment))


def stop_tracing() -> None:
    if _tracer is not None:
        _tracer.close()
        install(None)


def install(tracer: Tracer | None) -> None:
    global _tracer  # noqa: PLW0603  see above
    _tracer = tracer


def is_on() -> bool:
    return _tracer is not None


def span(
    name: str, kind: Kind = "internal", attributes: Attributes = _NOTHING, *, parent: str | None = None
) -> AbstractContextManager[Span]:
    """A step inside the one that runs here, or after the one that ``parent``, a traceparent, names."""
    return NO_STEP if _tracer is None else _tracer.span(name, kind, attributes, parent)


def note(attributes: Attributes) -> None:
    if _tracer is not None:
        _tracer.note(attributes)


def trace_id() -> str:
    return "" if _tracer is None else _tracer.current()[0]


def carrier() -> dict[str, str]:
    """What takes the context along: nothing, or ``traceparent`` and its value."""
    here = "" if _tracer is None else _tracer.current()[1]
    return {TRACEPARENT: here} if here else {}


def model_call(model_id: str, *, operation: str = "chat", **more: Value) -> AbstractContextManager[Span]:
    """A call of a model on Bedrock. ``more`` are further attributes of the request by their last names."""
    if _tracer is None:
        return NO_STEP
    attributes = {
        **PROVIDER,
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": model_id,
        **{f"gen_ai.request.{name}": value for name, value in more.items()},
    }
    return span(f"{operation} {model_id}", "client", attributes)


def agent_call(agent_id: str, **more: Value) -> AbstractContextManager[Span]:
    """A call of an agent that Bedrock hosts, which asks its model by itself."""
    if _tracer is None:
        return NO_STEP
    attributes = {
        **PROVIDER,
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.id": agent_id,
        **{f"gen_ai.request.{name}": value for name, value in more.items()},
    }
    return span("invoke_agent", "client", attributes)


def answered(*, input_tokens: int, output_tokens: int | None = None, finish_reason: str = "") -> Attributes:
    """What a model's answer adds to its call."""
    if _tracer is None:
        return _NOTHING
    return {
        "gen_ai.usage.input_tokens": input_tokens,
        **({} if output_tokens is None else {"gen_ai.usage.output_tokens": output_tokens}),
        **({"gen_ai.response.finish_reasons": [finish_reason]} if finish_reason else {}),
    }


def transaction(system: str, name: str, *, writes: int) -> AbstractContextManager[Span]:
    """A transaction of a database: ``system`` as the conventions name it, how many things it writes at once."""
    if _tracer is None:
        return NO_STEP
    attributes: Attributes = {
        "db.system.name": system,
        "db.operation.name": name,
        "db.operation.batch.size": writes,
    }
    return span(name, "client", attributes)
