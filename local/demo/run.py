"""The demo from the first line to the last: start, send, wait, read the stores, judge, show, stop."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.cloud import Cloud
from cli.embedded import ROOT
from cli.names import DEFAULT_NAME, Names
from local.cloud import Cloud as EmbeddedCloud
from local.cloud import running_cloud
from local.demo.export import (
    NOTIFICATIONS,
    READINGS,
    REJECTS,
    REPORT,
    ROWS,
    SUMMARY,
    TICKETS,
    clear,
    write_csv,
    write_json,
)
from local.demo.flows import Flows, FlowsTimedOut, until_complete
from local.demo.new_category import NewCategory, accept_the_theme
from local.demo.other_tasks import TaskReading, read_task
from local.demo.progress import Ticker, demo_console, ticking
from local.demo.readings import (
    Database,
    TicketReading,
    depth,
    read_ledger,
    read_rejects,
    read_ticket,
)
from local.demo.sample import UNKNOWN, Case, read_cases, read_labels, read_rows, read_theme
from local.demo.scoring import FeedbackScore, problems, score_feedback, summary
from local.demo.tables import show_categories, show_new_category, show_tasks, show_tickets, show_where
from local.services import running_services

# Ten times what an idle machine needs: on a busy one the demo shall be late, not wrong.
FLOWS_LIMIT_SECONDS = 180.0
CATEGORY_LIMIT_SECONDS = 90.0
# The service's own pace, a look a minute, would be most of the demo.
DISCOVERY_SECONDS = 2
STAND_IN = (
    "No language model answers here: offline, labels come from small word vectors and a list of words, tool calls from "
    "a planner that follows rules. Both are stand-ins that show the plumbing, not the quality of a model."
)
ROW_COLUMNS = (
    "ref_id", "label", "product_name", "store", "stars", "title", "feedback", "create_date", "run_id", "line_no",
)  # fmt: skip


def run_demo(out: Path) -> int:
    """Run it, leave files under ``out``, and return the exit status: 0 only if everything came out as it should.

    Raises StartFailed if the embedded cloud or a service does not come up.
    """
    began = time.monotonic()
    console = demo_console()
    console.print(
        f"Deskhand demo: six tickets, feedback, reviews, e-mails and product pages through both services. {STAND_IN}\n",
        soft_wrap=True,
    )
    clear(out)
    cases = read_cases()
    progress: dict[str, Flows] = {}

    def picture() -> str:
        return progress["flows"].picture() if progress else ""

    with ticking(console, picture) as ticker:
        found = _through_the_services(out, cases, ticker, progress, began)
        result = {
            **summary(found.tickets, found.feedback, time.monotonic() - began),
            "tasks": [asdict(task) for task in found.tasks],
            "new_category": None if found.category is None else asdict(found.category),
        }
        write_json(out / SUMMARY, result)
    return _show(console, out, found, result)


class Found:
    """Everything that was read from the stores, and what is wrong with it."""

    def __init__(self, flows: Flows, tickets: list[TicketReading], feedback: FeedbackScore, rows: list[Any]) -> None:
        self.tickets = tickets
        self.feedback = feedback
        self.rows = rows
        self.notifications = flows.notifications
        self.run = flows.run
        self.tasks: list[TaskReading] = []
        self.category: NewCategory | None = None
        self.late: list[str] = []
        self.wrong: list[str] = problems(tickets, feedback, told=flows.told(), expected_tickets=len(flows.cases))

    @property
    def problems(self) -> list[str]:
        category = [] if self.category is None else self.category.problems
        tasks = [
            f"{task.task}: {task.stored} of {task.rows} rows of {task.file} are stored, the run ended {task.status!r}"
            for task in self.tasks
            if task.status != "complete"
        ]
        return [*self.late, *self.wrong, *tasks, *category]

    def as_json(self, seconds: float) -> dict[str, Any]:
        """What the report is drawn from. No texts of feedback: charts count, they do not quote."""
        return {
            "seconds": seconds,
            "problems": self.problems,
            "tickets": [
                {**asdict(ticket), "overhead_ms": ticket.overhead_ms, "as_expected": ticket.as_expected}
                for ticket in self.tickets
            ],
            "feedback": {
                "rows": self.feedback.rows,
                "stored": self.feedback.stored,
                "rejected": self.feedback.rejected,
                "duplicates": self.feedback.duplicates,
                "accuracy": self.feedback.accuracy,
                "categories": [{**asdict(score), "accuracy": score.accuracy} for score in self.feedback.categories],
                "confusion": [
                    {"expected": wanted, "label": got, "rows": count}
                    for (wanted, got), count in self.feedback.confusion.items()
                ],
                "rows_drawn": [
                    {
                        "label": row["label"],
                        "month": row["create_date"].strftime("%Y-%m-01"),
                        "stars": row["stars"],
                        "product": row["product_name"],
                    }
                    for row in self.rows
                ],
            },
            "tasks": [asdict(task) for task in self.tasks],
            "new_category": None if self.category is None else asdict(self.category),
            "notifications": len(self.notifications),
            "stand_in": STAND_IN,
        }


def _through_the_services(
    out: Path, cases: Sequence[Case], ticker: Ticker, progress: dict[str, Flows], began: float
) -> Found:
    logs = out / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    ticker.phase("starting the AWS emulator, PostgreSQL and the local Bedrock endpoint")
    with ExitStack() as stack:
        embedded = stack.enter_context(running_cloud(logs, DEFAULT_NAME, progress=ticker.line))
        ticker.phase("starting the ticket agent and the feedback tagger")
        stack.enter_context(
            running_services(
                embedded.ticket_agent(),
                embedded.feedback_tagger(DISCOVERY_SECONDS=str(DISCOVERY_SECONDS)),
                logs,
                progress=ticker.line,
            )
        )
        flows = Flows(
            cloud=cloud_of(embedded),
            database=stack.enter_context(_database(embedded)),
            mailbox_url=embedded.resources.queues["mailbox"],
            cases=cases,
            ticker=ticker,
        )
        progress["flows"] = flows
        found = _both_flows(flows, out)
        write_json(out / READINGS, found.as_json(time.monotonic() - began))
        drawing = _start_drawing(out)
        ticker.phase("stopping the services and the embedded cloud")
    ticker.line("everything has stopped")
    ticker.phase("drawing the report")
    if drawing.wait() != 0:
        found.late.append(f"the report could not be drawn; see {out / 'logs' / 'report.log'}")
    return found


def _both_flows(flows: Flows, out: Path) -> Found:
    flows.import_directory()
    flows.send_feedback(rows_in_file=len(read_rows()), rows_of_theme=len(read_theme()))
    late: list[str] = []
    try:
        until_complete(flows, limit_seconds=FLOWS_LIMIT_SECONDS)
    except FlowsTimedOut as missing:
        late.append(str(missing))
        flows.ticker.line(str(missing))
    flows.ticker.phase("reading the stores")
    found = _read_stores(flows, out)
    found.late = late
    if not late:
        try:
            found.category = accept_the_theme(flows, limit_seconds=CATEGORY_LIMIT_SECONDS)
        except FlowsTimedOut as missing:
            late.append(str(missing))
        found.rows = flows.database.rows()
    write_csv(out / ROWS, found.rows, ROW_COLUMNS)
    write_json(out / NOTIFICATIONS, flows.notifications)
    return found


def _read_stores(flows: Flows, out: Path) -> Found:
    tickets = [read_ticket(flows.cloud, case) for case in flows.cases if case.number in flows.ended]
    rows = flows.database.rows()
    rejects = read_rejects(flows.cloud, flows.run)
    feedback = score_feedback(
        rows=flows.rows,
        stored=rows,
        rejected=len(rejects) + depth(flows.cloud, "feedback-items-dead"),
        duplicates=flows.duplicates,
        # Before the new category: no reader has labelled its rows with it.
        labels={**read_labels(), **{row["id"]: UNKNOWN for row in read_theme()}},
    )
    write_csv(out / REJECTS, rejects, ("line", "column", "reason"))
    write_json(
        out / TICKETS,
        [{**asdict(ticket), "ledger": read_ledger(flows.cloud, f"case-{ticket.case}")} for ticket in tickets],
    )
    found = Found(flows, tickets, feedback, rows)
    found.tasks = [read_task(flows.database, run) for run in flows.runs if run.task != "categorise" and run.is_over]
    return found


def cloud_of(embedded: EmbeddedCloud) -> Cloud:
    """The embedded cloud as the command line's functions take it."""
    names = Names(
        name=embedded.resources.name,
        account=embedded.resources.account,
        region=embedded.environment["AWS_REGION"],
    )
    return Cloud(names=names, session=None, environment=embedded.environment)


@contextmanager
def _database(embedded: EmbeddedCloud) -> Iterator[Database]:
    database = Database(embedded.database_url)
    try:
        yield database
    finally:
        database.close()


def _start_drawing(out: Path) -> "subprocess.Popen[bytes]":
    """Draw while the services stop, in a process of its own: bundling the chart library holds the interpreter for
    seconds, and progress would pause."""
    with (out / "logs" / "report.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "local.demo.report", str(out.resolve() / READINGS), str(out.resolve() / REPORT)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _show(console: Console, out: Path, found: Found, result: Mapping[str, Any]) -> int:
    show_tickets(console, found.tickets)
    show_categories(console, found.feedback)
    if found.category is not None:
        show_new_category(console, found.category)
    show_tasks(console, found.tasks)
    told = len({notification["id"] for notification in found.notifications})
    feedback = result["feedback"]
    console.print(
        f"{feedback['rows']} rows = {feedback['stored']} stored + {feedback['rejected']} rejected"
        f" + {feedback['duplicates']} duplicates; {told} notifications received; {result['seconds']:.0f} s",
        soft_wrap=True,
    )
    console.print(f"\n{STAND_IN}\n", soft_wrap=True)
    show_where(console, out)
    for problem in found.problems:
        console.print(f"FAILED: {problem}", style="bold red", soft_wrap=True)
    if not found.problems:
        console.print("\nEvery ticket ended as expected, and every row is accounted for.", style="bold green")
    return 1 if found.problems else 0
