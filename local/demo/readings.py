"""What the stores say after the flows: tables, database, bucket and mailbox, read as anybody with access could."""

import asyncio
import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from cli.cloud import Cloud
from cli.documents import run_document
from cli.tickets import plain, rows_of, ticket_row
from local.demo.sample import Case, outcome_text
from local.demo.steps import Step, steps_of
from shared.aws.items import to_item

STATUS_ENTRY_PREFIX = "status#"
LABELS_QUERY = """
    select ref_id, product_name, store, stars, title, feedback, create_date, run_id, line_no,
           coalesce(nullif(label_correction, ''), nullif(label_post_processing, ''), nullif(label_llm, '')) as label
    from customer_feedback
    order by id
"""


@dataclass(frozen=True, slots=True)
class TicketReading:
    """One ticket as its table and its ledger have it. ``total_ms`` lies between the times that they record: the
    ticket was put into the table, and its outcome was written. ``entries`` counts what the ledger chains."""

    case: int
    employee: str
    outcome: str
    expected: str
    owner: str
    told: str
    tool_calls: int
    total_ms: int
    model_ms: int
    asked: str = ""
    steps: Sequence[Step] = ()
    entries: int = 0

    @property
    def overhead_ms(self) -> int:
        return max(0, self.total_ms - self.model_ms)

    @property
    def as_expected(self) -> bool:
        return self.outcome == self.expected


def read_ticket(cloud: Cloud, case: Case) -> TicketReading:
    """Raises LookupError if the ticket or its outcome is not there."""
    row = ticket_row(cloud, case.ticket_id)
    if row is None:
        raise LookupError(f"ticket {case.ticket_id} is not in the table")
    entries = read_ledger(cloud, case.ticket_id)
    ended = [entry for entry in entries if entry["entry"].startswith(STATUS_ENTRY_PREFIX)]
    if not ended:
        raise LookupError(f"ticket {case.ticket_id} has no outcome in the ledger")
    last = ended[-1]
    return TicketReading(
        case=case.number,
        employee=str(row["employeeId"]),
        outcome=outcome_text(str(row["assignStatus"]), granted=has_grant(cloud, case)),
        expected=case.expected,
        owner=str(last.get("owner") or last.get("assignee") or ""),
        told=str(row.get("communication", "")),
        tool_calls=int(last["toolCalls"]),
        total_ms=_milliseconds(str(row["createdAt"]), str(last["at"])),
        model_ms=int(last["modelMs"]),
        asked=case.content,
        steps=steps_of(entries),
        entries=sum("chainNumber" in entry for entry in entries),
    )


def read_ledger(cloud: Cloud, ticket_id: str) -> list[dict[str, Any]]:
    """Every entry of the ticket's ledger, in the order of their keys."""
    found = rows_of(
        cloud,
        "Ledger",
        "query",
        KeyConditionExpression="ticketId = :ticket",
        ExpressionAttributeValues=to_item({":ticket": ticket_id}),
    )
    return [plain(row) for row in found]


def has_grant(cloud: Cloud, case: Case) -> bool:
    """Whether the access table holds a grant that names this ticket."""
    rows = rows_of(
        cloud,
        "UserAccess",
        "query",
        KeyConditionExpression="employeeId = :employee",
        ExpressionAttributeValues=to_item({":employee": case.employee}),
    )
    return any(row.get("ticketId") == case.ticket_id for row in rows)


def has_ended(cloud: Cloud, case: Case) -> str | None:
    """The status of a ticket that has ended; None while it is open or not there yet."""
    row = ticket_row(cloud, case.ticket_id)
    status = str(row.get("assignStatus", "")) if row else ""
    return status if status not in ("", "unassigned") else None


def _milliseconds(begin: str, end: str) -> int:
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds() * 1000)


class Database:
    """The tagger's database, read through one connection of our own."""

    def __init__(self, dsn: str) -> None:
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(dsn))

    def close(self) -> None:
        self._runner.run(self._connection.close())
        self._runner.close()

    def stored(self) -> int:
        return int(self._runner.run(self._connection.fetchval("select count(*) from customer_feedback")))

    def rows(self) -> list[dict[str, Any]]:
        """Every stored row with its effective label; NULL stays None, as a missing label must show."""
        return self.read(LABELS_QUERY)

    def read(self, query: str) -> list[dict[str, Any]]:
        return [dict(row) for row in self._runner.run(self._connection.fetch(query))]

    def run_counts(self, run: str) -> dict[str, int]:
        """What the run's and its chunks' records add up to."""
        row = self._runner.run(
            self._connection.fetchrow(
                "select r.rows_read, r.rows_rejected, coalesce(sum(c.duplicates), 0) as duplicates,"
                " coalesce(sum(c.row_count) filter (where c.state = 'dead'), 0) as dead,"
                " coalesce(sum(c.calls), 0) as calls"
                " from feedback_run r left join feedback_chunk c using (run_id) where r.run_id = $1"
                " group by r.run_id",
                run,
            )
        )
        return {name: int(value) for name, value in row.items()} if row else {}


def read_rejects(cloud: Cloud, run: str) -> list[dict[str, str]]:
    """Every row of the rejects files that the run names."""
    document: Mapping[str, Any] = run_document(cloud, run) or {"rejects": []}
    s3 = cloud.client("s3")
    found: list[dict[str, str]] = []
    for key in document["rejects"]:
        text = s3.get_object(Bucket=cloud.names.bucket, Key=key)["Body"].read().decode("utf-8-sig")
        found.extend(csv.DictReader(io.StringIO(text, newline="")))
    return found


def take_notifications(cloud: Cloud, mailbox_url: str) -> list[dict[str, Any]]:
    """What lies in the mailbox now, taken out of it: topic, id, subject and body of each notification."""
    sqs = cloud.client("sqs")
    taken: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=mailbox_url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get(
        "Messages"
    ):
        for message in messages:
            taken.append(as_notification(message["Body"]))
            sqs.delete_message(QueueUrl=mailbox_url, ReceiptHandle=message["ReceiptHandle"])
    return taken


def as_notification(body: str) -> dict[str, Any]:
    """SNS's envelope opened."""
    envelope = json.loads(body)
    attributes = {name: given["Value"] for name, given in envelope.get("MessageAttributes", {}).items()}
    return {
        "topic": str(envelope["TopicArn"]).rpartition(":")[2],
        "id": attributes.get("notification_id", ""),
        "subject": envelope.get("Subject", ""),
        "attributes": attributes,
        "body": envelope["Message"],
    }


def depth(cloud: Cloud, queue: str) -> int:
    """How many messages a queue holds, hidden ones included."""
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=cloud.names.queue(queue))["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(
        int(value) for value in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()
    )
