"""The feedback tagger's metrics: which line of its log each one stands on."""

from typing import Final

from shared.metrics import Metric, Unit
from shared.service_metrics import SERVICE_METRICS

# The lines that say what asking a model came to.
ASKED: Final = ("chunk", "chunk_half_answered", "singles")
DOLLARS: Final = "dollars spent on rows by the dated price file, not AWS's bill; those of a batch job when it is merged"


def _asked(name: str, value: str, says: str, unit: Unit = "Count") -> tuple[Metric, ...]:
    return tuple(Metric(name=name, event=event, unit=unit, value=value, says=says) for event in ASKED)


METRICS = (
    *SERVICE_METRICS,
    # Files and runs
    Metric(name="FileRows", event="file", unit="Count", value="rows", says="rows of files that were read to their end"),
    Metric(
        name="RowsRejected",
        event="file",
        unit="Count",
        value="rejected",
        says="rows of files that cannot be taken as they are",
    ),
    Metric(name="FilesUnusable", event="file_unusable", unit="Count", says="files of which no row can be read"),
    Metric(name="RunsEnded", event="run", unit="Count", by=("status",), says="runs that are over, by how"),
    Metric(
        name="RunsFailed",
        event="run",
        unit="Count",
        only={"status": ("failed",)},
        says="runs that failed: more than a fifth of the rows got no label, or the file could not be read",
    ),
    Metric(name="RunSeconds", event="run", unit="Seconds", value="seconds", says="from a run's opening to its end"),
    Metric(
        name="RunsOpen",
        event="runs_open",
        unit="Count",
        value="open",
        says="runs under way; each task says so once a minute, so its maximum counts",
    ),
    Metric(name="RunsGivenUp", event="run_given_up", unit="Count", says="runs that stood still and were ended short"),
    Metric(
        name="CountsDoNotAddUp",
        event="counts_do_not_add_up",
        unit="Count",
        says="runs with rows that are neither stored nor rejected: a defect of ours",
    ),
    # Chunks and rows
    Metric(
        name="RowsHandled",
        event="chunk",
        unit="Count",
        value="rows",
        says="rows of chunks that were done, those that were stored before included",
    ),
    Metric(name="RowsFailed", event="chunk", unit="Count", value="failed", says="rows that no model would label"),
    Metric(
        name="RowsSuspicious",
        event="chunk",
        unit="Count",
        value="suspicious",
        says="rows that seem to give the model orders",
    ),
    Metric(name="ChunksDead", event="chunk_dead", unit="Count", says="chunks that were given up with all their rows"),
    Metric(
        name="WaitingForBudget",
        event="waiting_for_budget",
        unit="Count",
        says="chunks and single rows that went back to their queue because a day's budget is used up",
    ),
    # Rows sent alone
    Metric(
        name="SinglesStored", event="singles", unit="Count", value="stored", says="rows sent alone that were stored"
    ),
    Metric(
        name="SinglesRefused",
        event="singles",
        unit="Count",
        value="refused",
        says="rows sent alone that no model would label",
    ),
    Metric(
        name="SingleSeconds",
        event="singles",
        unit="Seconds",
        value="seconds_since_sent",
        says="from the sending of a row to its storing",
    ),
    # The model
    *_asked("RowsAsked", "asked", "rows that a model was asked about"),
    *_asked("ModelCalls", "calls", "calls of models that were answered"),
    *_asked("ModelThrottles", "throttles", "calls of models that were turned away, and repeated"),
    *_asked("ModelInputTokens", "input_tokens", "tokens that models read"),
    *_asked("ModelOutputTokens", "output_tokens", "tokens that models wrote"),
    *_asked("ModelDollars", "usd", DOLLARS, unit="None"),
    Metric(name="ModelDollars", event="part", unit="None", value="usd", says=DOLLARS),
    *_asked("UnpricedCalls", "unpriced_calls", "calls of models that the price file does not have"),
    # The database
    Metric(name="DatabaseAway", event="database_away", unit="Count", says="tries to reach the database that failed"),
    Metric(
        name="TurnsFailed", event="turn_failed", unit="Count", says="looks after runs that failed; the next goes on"
    ),
    Metric(
        name="MigrationsApplied", event="migrated", unit="Count", says="migrations of the database that were applied"
    ),
    Metric(
        name="MigrationsStopped",
        event="migration_stopped",
        unit="Count",
        says="migrations that stopped half-way, on MySQL; the next start goes on there",
    ),
    # Tickets
    Metric(
        name="TicketOutcomes",
        event="ticket_outcome",
        unit="Count",
        only={"new": (True,)},
        by=("outcome",),
        says="news of tickets that were kept for the dashboards",
    ),
)
