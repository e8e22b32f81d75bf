"""The `deskhand` command's parts: one group a job, the same commands on the embedded cloud and on AWS."""

import typer

from cli.categories import categories
from cli.corrections import accuracy, correct, set_categories
from cli.cost import cost
from cli.decisions import approve, decline, reassign
from cli.demo import demo
from cli.directory import directory
from cli.doctor import doctor
from cli.errors import DeskhandGroup
from cli.evaluate import evaluate
from cli.feedback import feedback
from cli.forget import forget
from cli.policy import policy
from cli.quality import evaluate as evaluate_feedback
from cli.quote import quote
from cli.redrive import redrive
from cli.runs import runs
from cli.status import status
from cli.tickets import tickets
from cli.trace import trace
from cli.up import down, up

app = typer.Typer(
    name="deskhand",
    cls=DeskhandGroup,
    help="IT tickets resolved or assigned, customer feedback labelled.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold texts of tickets and feedback
)
app.command()(demo)
app.command()(up)
app.command()(down)
app.command("eval")(evaluate)
app.command()(status)
app.command()(redrive)
app.command()(cost)
app.command()(forget)
app.command()(doctor)
tickets.command()(trace)
for decide in (approve, decline, reassign):
    tickets.command()(decide)
feedback.command()(quote)
for command in (correct, accuracy):
    feedback.command()(command)
categories.command("set")(set_categories)
feedback.command("evaluate")(evaluate_feedback)
feedback.add_typer(categories, name="categories")
app.add_typer(tickets, name="tickets")
app.add_typer(feedback, name="feedback")
app.add_typer(runs, name="runs")
app.add_typer(directory, name="directory")
app.add_typer(policy, name="policy")
