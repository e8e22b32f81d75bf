"""`deskhand feedback evaluate`: how good the answers are on a file whose right answers are known."""

import os
import signal
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Annotated, BinaryIO, cast

import typer

from cli.cloud import CloudChoice, JsonOption, uses_embedded
from cli.embedded import ROOT
from cli.errors import UserError
from cli.evaluate import Terminated, terminate
from cli.loading import loaded
from cli.output import print_json, print_table, say
from cli.quote import SPOOL_BYTES, TaskOption, headers_of, task_of, unpacked
from services.feedback_tagger.domain.headers import Headers
from services.feedback_tagger.domain.reading import Source
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.unpacking import Damaged, TooMuch
from services.feedback_tagger.tasks.categorise import CATEGORISE
from services.feedback_tagger.tasks.task import Task
from shared.model.prices import PRICES

if TYPE_CHECKING:
    from services.feedback_tagger.evaluation.labelled import LabelledFile
    from services.feedback_tagger.evaluation.report import Report

LOGS = ROOT / "build" / "evaluate"


def evaluate(  # noqa: PLR0913, PLR0917  # its options
    file: Annotated[Path, typer.Argument(help="CSV or JSON Lines, as for upload; gzip too.")],
    label_column: Annotated[str, typer.Option("--label-column", help="The column with the right answers.")],
    task: TaskOption = CATEGORISE.name,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", envvar="FEEDBACK_MODEL_ID", help="A model on AWS; may be repeated."),
    ] = None,
    rows_per_prompt: Annotated[int, typer.Option(min=1, max=200, help="ROWS_PER_PROMPT of the tagger.")] = 20,
    categories: Annotated[
        list[str] | None, typer.Option("--category", help="A category; repeated for each. Left out: the file's labels.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many labelled rows, drawn by hash.")] = None,
    aliases: Annotated[str, typer.Option("--header-aliases", help="HEADER_ALIASES of the tagger.")] = "",
    tokens_per_minute: Annotated[int | None, typer.Option(min=1, help="Keep each model to this quota.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one page to this file.")] = None,
    cloud: Annotated[
        CloudChoice,
        typer.Option(
            "--cloud", envvar="DESKHAND_CLOUD", help="Whose model: auto takes AWS's if credentials are set, else ours."
        ),
    ] = CloudChoice.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Ask about every labelled row of FILE as the tagger would, and compare the answers with the labels.

    The rows go through the tagger's own reading, packing, asking and agreement check; nothing is stored and no queue,
    bucket or database is touched. Where AWS credentials are set, Bedrock there is asked, at its price: each --model in
    turn about all rows. Elsewhere a stand-in answers whose figures say nothing about a model.

    Labels: a category's name; positive, negative, mixed or none, or delivery-,price+ (sentiment);
    department/priority/language, parts may be empty (email_routing); a JSON object of facts (product_facts).
    """
    # Imported here: the other commands are not to wait for it.
    from cli.asked_models import Wish, ask_models  # noqa: PLC0415
    from services.feedback_tagger.evaluation.labelled import NoLabels, drawn  # noqa: PLC0415
    from services.feedback_tagger.evaluation.report import Report  # noqa: PLC0415
    from services.feedback_tagger.evaluation.run import question_of  # noqa: PLC0415

    loaded()
    asked = task_of(task)
    wish = Wish(
        models=tuple(dict.fromkeys(models or ())),
        rows_per_prompt=rows_per_prompt,
        offline=uses_embedded(cloud, running=True, environ=os.environ),
        logs=LOGS,
        tokens_per_minute=tokens_per_minute,
        own=dict(os.environ),
    )
    try:
        found = labelled_file(file, headers_of(aliases), asked, label_column)
        question = question_of(asked, drawn(found.rows, limit), categories or ())
    except NoLabels as problem:
        what, _, remedy = str(problem).rpartition("; ")
        raise UserError(f"{file} {what}", remedy) from None
    say(f"deskhand: {len(question.rows)} rows, task {task}. {wish.source}")
    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        results = ask_models(wish, question, say)
    except Terminated:
        say("stopped by SIGTERM; nothing is left running")
        raise typer.Exit(143) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
    report = Report(
        file=file.name,
        task=task,
        label=f"its column {label_column!r}",
        source=wish.source,
        stand_in=wish.stand_in,
        unlabelled=found.unlabelled,
        rejected=found.rejected,
        prices_as_of=PRICES.as_of.isoformat(),
        models=tuple(results),
    )
    _show(report, html, as_json=as_json)


def labelled_file(file: Path, headers: Headers, task: Task, label_column: str) -> "LabelledFile":
    """Raises UserError or NoLabels."""
    from services.feedback_tagger.evaluation.labelled import read_labelled  # noqa: PLC0415

    try:
        with file.open("rb") as packed, SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            text = unpacked(packed, cast(BinaryIO, spool))
            source = Source(file=text, key=f"{task.upload_prefix}{file.name}", headers=headers)
            return read_labelled(source, task, label_column)
    except FileNotFoundError:
        raise UserError(f"there is no file {file}", "check the path") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "name a file") from None
    except (UnusableFile, Damaged, TooMuch) as problem:
        what, _, remedy = str(problem).partition("; ")
        raise UserError(f"{file} {what}", remedy or "save it as CSV in UTF-8") from None


def _show(report: "Report", html: Path | None, *, as_json: bool) -> None:
    from services.feedback_tagger.evaluation.report import (  # noqa: PLC0415
        CLASS_COLUMNS,
        COLUMNS,
        as_html,
        as_rows,
        as_sentences,
        class_rows,
    )
    from services.feedback_tagger.evaluation.report import as_json as document  # noqa: PLC0415

    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(as_html(report), encoding="utf-8")
    if as_json:
        print_json(document(report))
    else:
        print_table(COLUMNS, as_rows(report), right=COLUMNS[2:])
        for model in report.models:
            for each in model.fields:
                if not each.open:
                    title = f"{model.model_id}: {each.name}"
                    print_table(CLASS_COLUMNS, class_rows(each.figures), title=title, right=CLASS_COLUMNS[1:])
        for sentence in as_sentences(report):
            typer.echo(sentence)
    if report.stand_in:
        say(report.stand_in)
    if html is not None:
        say(f"report: {html}")
