"""One look at everything that runs: queues, dead letters, leases, the agenda, runs, spending, alarms."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.cloud import Cloud
from cli.deployed import Deployed, Service
from cli.documents import OPEN, bucket_document, run_entries
from cli.redrive import url_of
from cli.tickets import rows_of
from local.provisioning import AGENT, QUEUES, TAGGER, Queue
from shared.aws.items import from_item, to_item
from shared.clock import as_utc_text
from shared.model.spend import day_of

NANO = 1_000_000_000
STREAM = "stream"
OF_A_MODEL = "model-shares/"
"""Items of the table of leases that are none: how the fleet shares a model's quota."""
SCALING = ("-backlog", "-idle")
"""Alarms that drive scaling: at work, not in need of anybody."""
AGENDA_INDEX, ON_AGENDA = "agenda", "due"
"""As the ticket agent writes them: the index of tickets that somebody has to look at."""
METRIC_MINUTES = 15
RUNS_LOOKED_AT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLook:
    """``oldest_seconds`` is CloudWatch's, minutes old; None where it has none."""

    name: str
    visible: int
    in_flight: int
    delayed: int
    dead: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseLook:
    shard: str
    holder: str
    ended: bool
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLook:
    """``written_at`` is when the tagger last wrote about it: for a run that is over, its end."""

    run_id: str
    key: str
    status: str
    rows: int
    stored: int
    rejected: int
    chunks_done: int
    chunks_total: int | None
    waiting_until: str | None
    seconds: float
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendLook:
    """Of one budget of today, spent or set aside; ``limit`` None: there is none."""

    account: str
    unit: str
    spent: float
    limit: float | None

    @property
    def share(self) -> float | None:
        return self.spent / self.limit if self.limit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """``not_seen`` are parts that could not be looked at, and why. ``tickets`` by status is empty unless asked for."""

    at: datetime
    queues: Sequence[QueueLook]
    leases: Sequence[LeaseLook]
    stream_late_seconds: float | None
    awaiting: int
    overdue: int
    tickets: Mapping[str, int]
    runs: Sequence[RunLook]
    spend: Sequence[SpendLook]
    services: Sequence[Service]
    alarms: Sequence[str]
    not_seen: Mapping[str, str]

    def as_document(self) -> dict[str, Any]:
        document = asdict(self)
        document["services"] = [
            {"name": each.name, "wanted": each.wanted, "running": each.running} for each in self.services
        ]
        return document | {"at": self.at.isoformat(), "tickets": dict(self.tickets)}


def snapshot(cloud: Cloud, there: Deployed, *, now: float, overdue_seconds: float, tickets: bool) -> Snapshot:
    """Raises UserError where the installation is not there; what is merely refused or absent goes into ``not_seen``."""
    not_seen: dict[str, str] = {"services": there.unknown} if there.unknown else {}
    embedded = cloud.environment is not None
    # The embedded cloud measures nothing: CloudWatch is for AWS.
    metrics = {} if embedded else _optional(not_seen, "metrics", lambda: _metrics(cloud, now), {})
    alarms = [] if embedded else _optional(not_seen, "alarms", lambda: ringing(cloud), [])
    return Snapshot(
        at=datetime.fromtimestamp(now, UTC),
        queues=_queues(cloud, metrics),
        leases=_leases(cloud),
        stream_late_seconds=metrics.get(STREAM),
        awaiting=_on_agenda(cloud, None),
        overdue=_on_agenda(cloud, now - overdue_seconds),
        tickets=_statuses(cloud) if tickets else {},
        runs=_runs(cloud),
        spend=spending(cloud, there, now),
        services=list(there.services.values()),
        alarms=alarms,
        not_seen=not_seen,
    )


def spending(cloud: Cloud, there: Deployed, now: float) -> list[SpendLook]:
    """Today's budgets (UTC)."""
    agent, tagger = there[AGENT], there[TAGGER]
    tokens, dollars = float(agent.setting("ticket_tokens_per_day")), float(tagger.setting("feedback_usd_per_day"))
    looks = [
        SpendLook(account="tickets", unit="tokens", spent=_counted(cloud, "tickets", now), limit=tokens),
        SpendLook(account="feedback", unit="$", spent=_counted(cloud, "feedback-usd", now) / NANO, limit=dollars),
    ]
    model, a_day = tagger.environment.get("FEEDBACK_MODEL_ID"), tagger.setting("model_tokens_per_day")
    if model and a_day:
        spent = _counted(cloud, f"quota#{model}", now)
        looks.append(SpendLook(account=f"quota of {model}", unit="tokens", spent=spent, limit=float(a_day)))
    return looks


def ringing(cloud: Cloud) -> list[str]:
    """Names of this installation's alarms that ring; those that drive scaling left out."""
    prefix = f"{cloud.names.name}-"
    pages = cloud.client("cloudwatch").get_paginator("describe_alarms")
    kinds = ["MetricAlarm", "CompositeAlarm"]
    found = [
        str(alarm["AlarmName"])
        for page in pages.paginate(AlarmNamePrefix=prefix, StateValue="ALARM", AlarmTypes=kinds)
        for alarm in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ()))
    ]
    return sorted(name for name in found if not name.endswith(SCALING))


def _queues(cloud: Cloud, metrics: Mapping[str, float]) -> list[QueueLook]:
    cloud.client("sqs")  # made once, before threads ask for it
    with ThreadPoolExecutor(max_workers=8) as threads:
        counts = list(threads.map(lambda queue: (_counts(cloud, queue), _counts(cloud, queue.dead_letter)), QUEUES))
    return [
        QueueLook(
            name=queue.name,
            visible=own["ApproximateNumberOfMessages"],
            in_flight=own["ApproximateNumberOfMessagesNotVisible"],
            delayed=own["ApproximateNumberOfMessagesDelayed"],
            dead=dead["ApproximateNumberOfMessages"] + dead["ApproximateNumberOfMessagesNotVisible"],
            oldest_seconds=metrics.get(queue.name),
        )
        for queue, (own, dead) in zip(QUEUES, counts, strict=True)
    ]


def _counts(cloud: Cloud, queue: Queue) -> Mapping[str, int]:
    names = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]
    url = url_of(cloud, queue)
    answer = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return {name: int(answer["Attributes"].get(name, 0)) for name in names}


def _metrics(cloud: Cloud, now: float) -> dict[str, float]:
    """The newest age of each queue's oldest message, and of the stream's records, in seconds."""
    prefix = cloud.names.name
    wanted = [
        (queue.name, "AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": queue.full_name(prefix)})
        for queue in QUEUES
    ]
    wanted.append((STREAM, "Deskhand", "IteratorAge", {"deployment": prefix, "service": AGENT}))
    end = datetime.fromtimestamp(now, UTC)
    answer = cloud.client("cloudwatch").get_metric_data(
        StartTime=end - timedelta(minutes=METRIC_MINUTES),
        EndTime=end,
        ScanBy="TimestampDescending",
        MetricDataQueries=[
            {
                "Id": f"m{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": namespace,
                        "MetricName": metric,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                    },
                    "Period": 60,
                    "Stat": "Maximum",
                },
            }
            for number, (_, namespace, metric, dimensions) in enumerate(wanted)
        ],
    )
    newest = {result["Id"]: result["Values"][0] for result in answer["MetricDataResults"] if result["Values"]}
    return {name: float(newest[f"m{number}"]) for number, (name, *_) in enumerate(wanted) if f"m{number}" in newest}


def _leases(cloud: Cloud) -> list[LeaseLook]:
    rows = rows_of(cloud, "Lease", "scan")
    return [
        LeaseLook(
            shard=str(row["leaseKey"]).partition("/")[2],
            holder=str(row.get("leaseOwner", "")),
            ended=row.get("checkpoint") == "SHARD_END",
            checkpoint=str(row.get("checkpoint", "")),
        )
        for row in sorted(rows, key=lambda row: str(row["leaseKey"]))
        if "/" in row["leaseKey"] and not str(row["leaseKey"]).startswith(OF_A_MODEL)
    ]


def _on_agenda(cloud: Cloud, due_before: float | None) -> int:
    """Tickets that somebody still has to look at, or those that were due by then."""
    dynamodb = cloud.client("dynamodb")
    condition, values = "agenda = :on", {":on": ON_AGENDA}
    if due_before is not None:
        condition, values = f"{condition} AND dueAt <= :then", {**values, ":then": as_utc_text(due_before)}
    pages = dynamodb.get_paginator("query").paginate(
        TableName=cloud.names.table("Ticket"),
        IndexName=AGENDA_INDEX,
        KeyConditionExpression=condition,
        ExpressionAttributeValues=to_item(values),
        Select="COUNT",
    )
    return sum(int(page["Count"]) for page in pages)


def _statuses(cloud: Cloud) -> dict[str, int]:
    rows = rows_of(cloud, "Ticket", "scan", ProjectionExpression="assignStatus")
    return dict(Counter(str(row.get("assignStatus", "")) for row in rows).most_common())


def _runs(cloud: Cloud) -> list[RunLook]:
    """The runs that the tagger wrote about last, the latest first."""
    latest = run_entries(cloud)[:RUNS_LOOKED_AT]
    with ThreadPoolExecutor(max_workers=8) as threads:
        documents = list(threads.map(lambda entry: bucket_document(cloud, entry[1]), latest))
    return [_run(document, at) for (at, _), document in zip(latest, documents, strict=True) if document is not None]


def _run(document: Mapping[str, Any], written_at: datetime) -> RunLook:
    chunks = document.get("chunks", {})
    return RunLook(
        run_id=str(document["run_id"]),
        key=str(document["key"]),
        status=str(document["status"]),
        rows=int(document["rows"]),
        stored=int(document["stored"]) + int(document["duplicates"]),
        rejected=int(document["rejected"]),
        chunks_done=int(chunks.get("done", 0)),
        chunks_total=chunks.get("total"),
        waiting_until=document.get("waiting_until") if document["status"] == OPEN else None,
        seconds=float(document["seconds"]),
        written_at=written_at,
    )


def _counted(cloud: Cloud, account: str, now: float) -> int:
    key = to_item({"idempotencyKey": f"spend#{account}#{day_of(now)}"})
    table = cloud.names.table("Idempotency")
    answer = cloud.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)
    return int(from_item(answer["Item"])["tokens"]) if "Item" in answer else 0


def _optional(not_seen: dict[str, str], part: str, look: Callable[[], Any], otherwise: Any) -> Any:
    """What ``look`` finds; where it is refused, ``otherwise`` and a word about it."""
    try:
        return look()
    except ClientError as error:
        not_seen[part] = str(error.response.get("Error", {}).get("Code", error))
    except BotoCoreError as error:
        not_seen[part] = str(error)
    return otherwise
