"""Structured logs: one JSON object a line on standard output, one canonical line per unit of work.

Never pass a ticket's or a feedback row's text to a logger: ids, counts, states and reasons are enough to find it.
"""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import structlog

from shared import tracing
from shared.fast_json import as_ascii_json
from shared.metrics import EmbeddedMetrics, Metric


def configure_logs(
    service: str, level: str = "INFO", *, deployment: str = "deskhand", metrics: Iterable[Metric] = ()
) -> None:
    """Set structlog up for this process; call once, in the composition root.

    ``deployment`` tells two installations in one account apart. Lines that ``metrics`` are defined on carry them.
    """
    shared_steps: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without the local variables that it shows by default: they hold tickets and feedback.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
    ]
    structlog.configure(
        processors=[
            *shared_steps,
            EmbeddedMetrics(metrics, now=time.time),
            structlog.processors.JSONRenderer(as_ascii_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(deployment=deployment, service=service)
    # Libraries log through the standard library; only what they call a warning is worth a line here.
    from_libraries = logging.StreamHandler(sys.stdout)
    from_libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared_steps],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(as_ascii_json),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[from_libraries], force=True)


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of one loop or adapter; ``name`` is bound as ``component``."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(component=name))


# Beside what structlog keeps, which takes a walk through the whole context to read: once a message, that is too dear.
_unit: "ContextVar[dict[str, Any] | None]" = ContextVar("unit", default=None)


def unit_begins() -> dict[str, Any]:
    """Keeps what this unit of work is said to be about, from here on and until the next one begins in this task."""
    ids: dict[str, Any] = {}
    _unit.set(ids)
    return ids


def about(**ids: str | int) -> None:
    """What this unit of work is about: every line that it writes from here on carries ``ids``, and its span does.

    The consumer of its message takes them off again when the message is settled.
    """
    structlog.contextvars.bind_contextvars(**ids)
    unit = _unit.get()
    if unit is not None:
        unit.update(ids)
    if tracing.is_on():
        tracing.note({f"deskhand.{name}": value for name, value in ids.items()})


@contextmanager
def unit_of_work(name: str, *, parent: str | None = None, **ids: str | int) -> Iterator[None]:
    """One that no message brought, after the step that ``parent``, a traceparent, names."""
    with tracing.span(name, parent=parent):
        traced = {"trace_id": tracing.trace_id()} if tracing.is_on() else {}
        with structlog.contextvars.bound_contextvars(**ids, **traced):
            about(**ids)
            yield
