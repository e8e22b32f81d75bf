"""The demo's last words on a terminal: tickets, categories, and where everything lies."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from local.demo.export import NOTIFICATIONS, REJECTS, REPORT, ROWS, SUMMARY, TICKETS
from local.demo.new_category import NewCategory
from local.demo.other_tasks import TaskReading
from local.demo.readings import TicketReading
from local.demo.scoring import FeedbackScore


def show_tickets(console: Console, tickets: Sequence[TicketReading]) -> None:
    table = _table("Tickets")
    for name in ("case", "employee", "outcome", "as expected", "owner"):
        table.add_column(name)
    for name in ("tool calls", "ms without model", "ms in model"):
        table.add_column(name, justify="right")
    for ticket in tickets:
        table.add_row(
            str(ticket.case),
            ticket.employee,
            ticket.outcome,
            "yes" if ticket.as_expected else f"NO: {ticket.expected}",
            ticket.owner,
            str(ticket.tool_calls),
            str(ticket.overhead_ms),
            str(ticket.model_ms),
        )
    console.print(table)
    console.print("ms: from the ticket's row in its table to its outcome in the ledger.\n", style="dim")


def show_categories(console: Console, feedback: FeedbackScore) -> None:
    table = _table("Feedback by category")
    table.add_column("category")
    for name in ("rows", "share", "by hand", "accuracy"):
        table.add_column(name, justify="right")
    for score in feedback.categories:
        table.add_row(
            score.label,
            str(score.stored),
            _percent(score.stored / feedback.stored if feedback.stored else None),
            str(score.expected),
            _percent(score.accuracy),
        )
    table.add_section()
    by_hand = sum(score.expected for score in feedback.categories)
    table.add_row("all stored rows", str(feedback.stored), "", str(by_hand), _percent(feedback.accuracy))
    console.print(table)


def show_new_category(console: Console, category: NewCategory) -> None:
    table = _table("A new category")
    table.add_column("label")
    for name in ("rows before", "rows after"):
        table.add_column(name, justify="right")
    for label in category.after:
        table.add_row(label, str(category.before.get(label, 0)), str(category.after[label]))
    console.print(table)
    console.print(
        f"Proposed as {category.proposed!r}, a name by the stand-in, and accepted as {category.accepted!r}: "
        f"{category.changed} rows changed, {category.changed_planted} of the {category.planted} planted ones.\n",
        style="dim",
        soft_wrap=True,
    )


def show_tasks(console: Console, tasks: Sequence[TaskReading]) -> None:
    table = _table("The other tasks")
    for name in ("task", "file", "finds"):
        table.add_column(name)
    for name in ("rows", "stored", "no model asked", "as by hand"):
        table.add_column(name, justify="right")
    for task in tasks:
        right = f"{task.right} of {task.by_hand}"
        table.add_row(task.task, task.file, task.what, str(task.rows), str(task.stored), str(task.known), right)
    console.print(table)


def show_where(console: Console, out: Path) -> None:
    console.print("Where everything lies:")
    for name, what in (
        (REPORT, "the report, with charts; opens in any browser, offline"),
        (SUMMARY, "the figures above for programs"),
        (ROWS, "every stored row with its label, from PostgreSQL"),
        (REJECTS, "the rows that could not be taken: line, column, reason; from the bucket"),
        (TICKETS, "the tickets with their whole ledger, from DynamoDB"),
        (NOTIFICATIONS, "what subscribers were told, from SNS"),
        ("logs", "the logs of both services and of the embedded cloud"),
    ):
        console.print(f"  {_shown(out / name):36} {what}", soft_wrap=True)


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
