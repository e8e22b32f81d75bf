"""Which alarms are made to ring and to stop by a test, which cannot be here, and what a proof consists of.

``watching`` is the proof: a test that makes something break inside of it fails unless each of the alarms that it names
rang meanwhile and had stopped at the end.
"""

import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import structlog

from services.feedback_tagger import metrics as feedback_tagger
from services.ticket_agent import metrics as ticket_agent
from shared.metrics import EmbeddedMetrics
from tests.support.alarms import Alarms, Watch
from tests.support.terraform import Whole

NAME: Final = "deskhand"
QUEUES: Final = (
    "ticket-intake",
    "ticket-decisions",
    "ticket-work",
    "ticket-updates",
    "feedback-files",
    "feedback-chunks",
    "feedback-items",
    "ticket-outcomes",
)
TABLES: Final = ("Environment", "Idempotency", "Lease", "Ledger", "ResolverGroup", "Ticket", "User", "UserAccess")

NOBODY_RUNS: Final = (
    "ticket-agent-gone",
    "feedback-tagger-asleep",
    "ticket-agent-backlog",
    "feedback-tagger-backlog",
    "ticket-agent-idle",
    "feedback-tagger-idle",
    *(f"oldest-message-{queue}" for queue in QUEUES),
    *(f"dead-letters-{queue}" for queue in QUEUES),
)
STREAM_LATE: Final = ("stream-late",)
RECORDS_LOST: Final = ("records-lost",)
POISON_RECORD: Final = ("poison-record",)
MODEL_REFUSED: Final = ("model-refused",)
TICKET_DAY_BUDGET: Final = ("ticket-day-budget",)
MODEL_THROTTLED: Final = ("model-throttled-tickets", "model-throttled-feedback")
MODEL_ERRORS: Final = ("model-errors-tickets", "model-errors-feedback")
ROWS_GIVEN_UP: Final = ("chunks-dead", "runs-failed")
RUN_GIVEN_UP: Final = ("runs-given-up",)
COUNTS: Final = ("counts-do-not-add-up",)
FEEDBACK_DAY_BUDGET: Final = ("feedback-day-budget",)
DATABASE_AWAY: Final = ("database-away",)
MIGRATION_STOPPED: Final = ("migration-stopped",)
CRASHES: Final = ("ticket-agent-crashes", "feedback-tagger-crashes", "crashes")

PROVOKED: Final = (
    *NOBODY_RUNS,
    *STREAM_LATE,
    *RECORDS_LOST,
    *POISON_RECORD,
    *MODEL_REFUSED,
    *TICKET_DAY_BUDGET,
    *MODEL_THROTTLED,
    *MODEL_ERRORS,
    *ROWS_GIVEN_UP,
    *RUN_GIVEN_UP,
    *COUNTS,
    *FEEDBACK_DAY_BUDGET,
    *DATABASE_AWAY,
    *MIGRATION_STOPPED,
    *CRASHES,
)

NOT_PROVOKED: Final[Mapping[str, str]] = {
    **{
        f"table-throttled-{table}-{side}": "DynamoDB alone counts what it turns away; the embedded one never does"
        for table in TABLES
        for side in ("read", "write")
    },
    **{
        f"{service}-memory": "ECS measures a task against its limit; what runs here has none"
        for service in ("ticket-agent", "feedback-tagger")
    },
    **{
        f"database-{what}": "RDS measures its instance, and there is none here"
        for what in ("cpu", "storage", "connections")
    },
}
"""Why not, by name."""


def every_metric(service: str) -> EmbeddedMetrics:
    metrics = {"ticket_agent": ticket_agent.METRICS, "feedback_tagger": feedback_tagger.METRICS}[service]
    return EmbeddedMetrics(metrics, now=time.time)


@contextmanager
def watching(whole: Whole, *names: str, service: str = "ticket_agent") -> Iterator[Watch]:
    """Watch these alarms over what ``service`` logs meanwhile, with the metrics that it defines on its lines."""
    watch = Watch(Alarms.of(whole), [f"{NAME}-{name}" for name in names], [])
    embed = every_metric(service)

    def keep(logger: Any, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        watch.lines.append(dict(embed(logger, method, {**line, "deployment": NAME, "service": service})))
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep], cache_logger_on_first_use=False)
    try:
        yield watch
    finally:
        structlog.reset_defaults()
    assert sorted(watch.unproven()) == []


def alarms_named(*names: str) -> set[str]:
    return {f"{NAME}-{name}" for name in names}
