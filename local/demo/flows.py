"""Both flows at once: what the demo sends through users' doors, and how far the services have come with it."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.cloud import Cloud, queue_url
from cli.directory import read_directory, write_row
from cli.documents import run_document
from cli.feedback import put_file
from cli.tickets import send_ticket, ticket_body
from local.demo.progress import Ticker
from local.demo.readings import Database, has_ended, take_notifications
from local.demo.sample import DIRECTORY, FEEDBACK, OTHER_UPLOADS, Case, read_items
from services.feedback_tagger.tasks import TASKS

POLL_SECONDS = 0.25
RUN_RESULTS, TICKET_UPDATES = "run-results", "ticket-updates"


class FlowsTimedOut(Exception):
    """Something did not arrive in time; the text says what is missing."""


@dataclass(slots=True)
class Run:
    """One uploaded file; ``document`` is what the tagger last wrote about it."""

    task: str
    file: str
    run_id: str
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return str(self.document.get("status", ""))

    @property
    def is_over(self) -> bool:
        return self.status not in ("", "open")


@dataclass(slots=True)
class Flows:
    """What has been sent and what has come of it; ``picture`` is read by the progress thread."""

    cloud: Cloud
    database: Database
    mailbox_url: str
    cases: Sequence[Case]
    ticker: Ticker
    items: int = 0
    rows: int = 0
    run: str = ""
    runs: list[Run] = field(default_factory=list)
    sent: set[int] = field(default_factory=set)
    ended: dict[int, str] = field(default_factory=dict)
    stored: int = 0
    rejected: int = 0
    duplicates: int = 0
    notifications: list[dict[str, object]] = field(default_factory=list)

    def picture(self) -> str:
        return (
            f"tickets {len(self.ended)} of {len(self.cases)}, feedback rows {self.accounted_for} of "
            f"{self.rows or '?'}, notifications {len(self.notifications)}"
        )

    @property
    def accounted_for(self) -> int:
        return self.stored + self.rejected + self.duplicates

    def import_directory(self) -> None:
        rows = read_directory(DIRECTORY)
        for row in rows:
            write_row(self.cloud, row)
        self.ticker.line(f"directory imported: {len(rows)} employees, environments and access rows")

    def send_feedback(self, *, rows_in_file: int, rows_of_theme: int) -> None:
        self.run = put_file(self.cloud, FEEDBACK)
        self.runs.append(Run("categorise", FEEDBACK.name, self.run))
        for task, file in OTHER_UPLOADS:
            self.runs.append(Run(task, file.name, put_file(self.cloud, file, TASKS.named(task))))
        items = read_items()
        sqs, url = self.cloud.client("sqs"), queue_url(self.cloud, "feedback-items")
        for item in items:
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(item, ensure_ascii=False))
        self.items, self.rows = len(items), rows_in_file + rows_of_theme + len(items)
        self.ticker.line(f"{FEEDBACK.name} ({rows_in_file} rows) is in the bucket, {self.items} single rows are queued")
        others = ", ".join(f"{file.name} ({task})" for task, file in OTHER_UPLOADS)
        self.ticker.line(f"and so are {others}")

    def advance(self) -> None:
        """Send the tickets that may go, and look at every store once."""
        self._send_tickets()
        for case in self.cases:
            if case.number in self.sent and case.number not in self.ended:
                self._look_at(case)
        self._look_at_feedback()
        for notification in take_notifications(self.cloud, self.mailbox_url):
            self.notifications.append(notification)

    def _send_tickets(self) -> None:
        """In order: a case that waits for another holds back those behind it, and these then run side by side."""
        for case in self.cases:
            if case.number in self.sent:
                continue
            if case.after is not None and case.after not in self.ended:
                return
            send_ticket(self.cloud, ticket_body(case.message))
            self.sent.add(case.number)

    def _look_at(self, case: Case) -> None:
        status = has_ended(self.cloud, case)
        if status is not None:
            self.ended[case.number] = status
            self.ticker.line(f"case {case.number} (employee {case.employee}): {status}")

    def _look_at_feedback(self) -> None:
        for run in self.runs:
            if run.is_over:
                continue
            before, run.document = run.status, run_document(self.cloud, run.run_id) or {}
            if run.status not in ("", before):
                self.ticker.line(f"{run.task} run of {run.file} {run.status}: {run.document['rows']} rows read so far")
        labelling = [run.document for run in self.runs if run.task == "categorise" and run.document]
        self.rejected = sum(int(document["rejected"]) for document in labelling)
        self.duplicates = sum(int(document["duplicates"]) for document in labelling)
        self.stored = self.database.stored()

    def missing(self) -> list[str]:
        """What has not arrived yet, in plain words."""
        open_cases = [str(case.number) for case in self.cases if case.number not in self.ended]
        told = self.told()
        silent = [str(case.number) for case in self.cases if case.ticket_id not in told]
        return [
            *([f"the outcome of case {', '.join(open_cases)}"] if open_cases else []),
            *[f"the end of the {run.task} run of {run.file}" for run in self.runs if not run.is_over],
            *(["feedback rows"] if self.accounted_for < self.rows else []),
            *([f"the notification about case {', '.join(silent)}"] if silent and not open_cases else []),
            *[f"the notification about the run of {run.file}" for run in self.runs if run.run_id not in told],
        ]

    def told(self) -> set[str]:
        """Ticket ids and run ids that a notification came for."""
        return {str(notification["id"]).rpartition(":")[0] for notification in self.notifications}


def until_complete(flows: Flows, *, limit_seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Drive the flows until nothing is missing. Raises FlowsTimedOut."""
    until = time.monotonic() + limit_seconds
    while True:
        flows.advance()
        missing = flows.missing()
        if not missing:
            return
        if time.monotonic() > until:
            raise FlowsTimedOut(f"after {limit_seconds:.0f} s this is still missing: {'; '.join(missing)}")
        flows.ticker.phase(f"waiting for {missing[0]}")
        sleep(POLL_SECONDS)
