"""The ticket agent's metrics: which line of its log each one stands on."""

from shared.metrics import Metric
from shared.service_metrics import SERVICE_METRICS

METRICS = (
    *SERVICE_METRICS,
    # Tickets
    Metric(
        name="TicketsTakenIn",
        event="ticket_taken_in",
        unit="Count",
        by=("result",),
        says="tickets that came in by the queue, and which of them were there already",
    ),
    Metric(
        name="TicketsEnded",
        event="ticket_ended",
        unit="Count",
        by=("ending",),
        says="tickets that the agent was done with, by the state it left them in",
    ),
    Metric(
        name="TicketMilliseconds",
        event="ticket_ended",
        unit="Milliseconds",
        value="run_ms",
        says="from taking the ticket to its end, in the run that ended it",
    ),
    Metric(
        name="TicketModelMilliseconds",
        event="ticket_ended",
        unit="Milliseconds",
        value="model_ms",
        says="the part of that which was waiting for the model",
    ),
    Metric(
        name="TicketModelCalls", event="ticket_ended", unit="Count", value="model_calls", says="model calls of a ticket"
    ),
    Metric(
        name="TicketToolCalls", event="ticket_ended", unit="Count", value="tool_calls", says="tool calls of a ticket"
    ),
    Metric(
        name="TicketInputTokens",
        event="ticket_ended",
        unit="Count",
        value="input_tokens",
        says="tokens that a ticket's model calls read; its sum over a day is the day's spending",
    ),
    Metric(
        name="TicketOutputTokens",
        event="ticket_ended",
        unit="Count",
        value="output_tokens",
        says="tokens that a ticket's model calls wrote",
    ),
    Metric(
        name="TicketsHandedOver",
        event="ticket_handed_over_before_dead_letter",
        unit="Count",
        says="tickets that a person got because working on them failed again and again",
    ),
    Metric(name="TicketsTold", event="ticket_told", unit="Count", by=("state",), says="notifications about tickets"),
    Metric(
        name="DecisionsSettled",
        event="decision_settled",
        unit="Count",
        by=("outcome",),
        says="people's decisions that were carried out or refused",
    ),
    # The model
    Metric(
        name="ModelAway", event="model_away", unit="Count", says="calls that were throttled or failed, and repeated"
    ),
    Metric(
        name="ModelRefused",
        event="model_refused",
        unit="Count",
        says="tickets that a person got because the model refuses requests for good",
    ),
    Metric(
        name="TicketDayBudgetSpent",
        event="day_budget_spent",
        unit="Count",
        says="tickets that a person got because the day's tokens are used up",
    ),
    # The stream
    *(
        Metric(
            name="IteratorAge",
            event=event,
            unit="Seconds",
            value="age",
            says="how old the stream's records were when they were passed on, and each minute how far a task is behind",
        )
        for event in ("delivered", "stream_age")
    ),
    Metric(
        name="StreamRecords", event="delivered", unit="Count", value="records", says="records of the stream passed on"
    ),
    Metric(
        name="StreamReadsFailed", event="read_failed", unit="Count", says="reads of the stream that failed; they repeat"
    ),
    Metric(
        name="StreamDeliveriesFailed",
        event="delivery_failed",
        unit="Count",
        says="records of the stream that could not be passed on at once; they are tried again",
    ),
    Metric(name="ShardLeasesLost", event="lease_lost", unit="Count", says="shards that another task took over unasked"),
    Metric(
        name="PoisonRecords",
        event="poison_record",
        unit="Count",
        says="tries to set a record aside that cannot be passed on",
    ),
    Metric(
        name="RecordsLost",
        event="records_trimmed",
        unit="Count",
        says="gaps: records were gone from the stream before they were read",
    ),
    Metric(
        name="GapMessages",
        event="gap_filled",
        unit="Count",
        value="messages",
        says="tickets that were sent to work anew by the table, because the stream had a gap",
    ),
    # The sweeper
    Metric(name="SweepsFailed", event="not_swept", unit="Count", says="sweeps that failed; the next one goes on"),
)
