"""The metrics of what both services are made of: tasks that start and drain, messages that go wrong, a shared quota."""

from shared.metrics import Metric

QUEUE = ("queue",)

SERVICE_METRICS = (
    Metric(name="TasksStarted", event="started", unit="Count", says="tasks that began to serve"),
    Metric(
        name="TasksStopped",
        event="stopped",
        unit="Count",
        says="tasks that came to their end; where more were started, some were killed",
    ),
    Metric(
        name="DrainSeconds",
        event="drained",
        unit="Seconds",
        value="seconds",
        says="from the signal to the end of the last loop; the limit is DRAIN_SECONDS",
    ),
    # Messages that end well are in SQS's own NumberOfMessagesDeleted: a series for each queue would say the same again.
    Metric(
        name="MessagesRetried",
        event="message",
        unit="Count",
        only={"outcome": ("retry",)},
        by=QUEUE,
        says="tries of a message that failed and are made again",
    ),
    Metric(
        name="MessagesDeadLettered",
        event="message",
        unit="Count",
        only={"outcome": ("dead_letter",)},
        by=QUEUE,
        says="messages that were given up, each with its reason among the dead letters",
    ),
    Metric(
        name="MessagesLost",
        event="message",
        unit="Count",
        only={"outcome": ("lost",)},
        by=QUEUE,
        says="messages whose visibility ran out while a task had them; another task may do them too",
    ),
    Metric(name="PollsFailed", event="poll_failed", unit="Count", says="receives that SQS did not answer"),
    Metric(
        name="SharesAway",
        event="shares_away",
        unit="Count",
        says="times that a task could not see how the fleet shares a model's quota, and went on with its last share",
    ),
)
