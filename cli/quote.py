"""`deskhand feedback quote`: what labelling a file will cost, by estimate, before any of it leaves this machine."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast

import typer

from cli.cloud import JsonOption
from cli.errors import UserError
from cli.output import print_fields, print_json, print_table, say
from services.feedback_tagger.domain.headers import Headers, read_aliases
from services.feedback_tagger.domain.reading import Source
from services.feedback_tagger.domain.taxonomy import Category, taxonomy_of
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.unpacking import GZIP_MARK, Damaged, TooMuch, Unpacker
from services.feedback_tagger.domain.upload import Rejected
from services.feedback_tagger.planner.agreement import SHARE
from services.feedback_tagger.planner.prompt import PROMPT_TOKENS
from services.feedback_tagger.planner.quote import Counts, Quote, Tally, quote_of
from services.feedback_tagger.tasks import TASKS
from services.feedback_tagger.tasks.categorise import CATEGORISE
from services.feedback_tagger.tasks.task import Task
from shared.model.prices import PRICES, ModelPrice

# The categories that a new installation begins with.
DEFAULT_CATEGORIES = (
    "Application issues",
    "Cloud backup issues",
    "Payment",
    "Package shipment",
    "Hardware failures",
)
# BATCH_TIMEOUT_HOURS of the tagger, where nothing else is set.
BATCH_HOURS = 24
SPOOL_BYTES = 8 * 1024 * 1024
BLOCK_BYTES = 256 * 1024
LARGEST_BYTES = 20 * 1024**3

TaskOption = Annotated[str, typer.Option("--task", help=f"One of {', '.join(task.name for task in TASKS.all)}.")]


def quote(  # noqa: PLR0913, PLR0917  # its options
    file: Annotated[Path, typer.Argument(help="CSV or JSON Lines, as for upload; gzip too.")],
    task: TaskOption = CATEGORISE.name,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model or inference profile; may be repeated. Left out: all with a price."),
    ] = None,
    rows_per_prompt: Annotated[int, typer.Option(min=1, max=200, help="ROWS_PER_PROMPT of the tagger.")] = 20,
    categories: Annotated[
        list[str] | None, typer.Option("--category", help="A category; repeated for each. Left out: the first five.")
    ] = None,
    aliases: Annotated[str, typer.Option("--header-aliases", help="HEADER_ALIASES of the tagger.")] = "",
    tokens_per_minute: Annotated[
        int | None, typer.Option(min=1, help="The model's quota, for the time it takes.")
    ] = None,
    deadline_minutes: Annotated[
        float | None, typer.Option(min=0, help="FEEDBACK_DEADLINE_MINUTES of the tagger.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate tokens, dollars and minutes for FILE, by the price file. Reads the file here and asks nobody.

    PROMPT_TOKENS, AGREEMENT_SHARE and the settings of tasks are taken to be at their defaults.
    """
    asked = task_of(task)
    prices = _prices_of(models)
    counts, rejected = counted(file, headers_of(aliases), asked, rows_per_prompt=rows_per_prompt)
    names = categories or DEFAULT_CATEGORIES
    system = asked.system(taxonomy_of([Category(place, name) for place, name in enumerate(names, start=1)]))
    quotes = [
        quote_of(
            counts,
            model_id=model_id,
            price=price,
            prices_as_of=PRICES.as_of.isoformat(),
            system=system,
            agreement_share=SHARE,
            tokens_per_minute=tokens_per_minute,
            deadline_minutes=deadline_minutes,
            answer_tokens=asked.usual_answer_tokens,
            votes=asked.votes,
        )
        for model_id, price in prices
    ]
    if as_json:
        print_json({"rejected": rejected, "quotes": [each.as_document() for each in quotes]})
        return
    _show(quotes, rejected)


def task_of(name: str) -> Task:
    """Raises UserError."""
    try:
        return TASKS.named(name)
    except KeyError:
        known = ", ".join(task.name for task in TASKS.all)
        raise UserError(f"there is no task {name!r}", f"name one of {known}") from None


def counted(file: Path, headers: Headers, task: Task, *, rows_per_prompt: int) -> tuple[Counts, int]:
    """What ingest would send to the model, and how many rows it would reject. Raises UserError."""
    tally = Tally(rows_per_prompt=rows_per_prompt, prompt_tokens=PROMPT_TOKENS)
    rejected = 0
    try:
        with file.open("rb") as packed, SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            text = unpacked(packed, cast(BinaryIO, spool))
            # Counting how often a text comes would hold all of them; which of its twins a row is costs nothing.
            contents = task.reader(Source(file=text, key=f"{task.upload_prefix}{file.name}", headers=headers))
            for entry in contents.rows(lambda _: 1):
                if isinstance(entry, Rejected):
                    rejected += 1
                elif task.known(entry.feedback) is None:
                    tally.add(task.question(entry.feedback))
    except FileNotFoundError:
        raise UserError(f"there is no file {file}", "check the path") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "name a CSV file") from None
    except (UnusableFile, Damaged, TooMuch) as problem:
        what, _, remedy = str(problem).partition("; ")
        raise UserError(f"{file} {what}", remedy or "save it as CSV in UTF-8") from None
    return tally.counts(), rejected


def unpacked(file: BinaryIO, spool: BinaryIO) -> BinaryIO:
    """``file``, or its text in ``spool`` if it is gzip. Raises Damaged or TooMuch."""
    packed = file.read(len(GZIP_MARK)) == GZIP_MARK
    file.seek(0)
    if not packed:
        return file
    unpacker = Unpacker(LARGEST_BYTES)
    while block := file.read(BLOCK_BYTES):
        for out in unpacker.feed(block):
            spool.write(out)
    unpacker.finish()
    spool.seek(0)
    return spool


def headers_of(aliases: str) -> Headers:
    """Raises UserError."""
    try:
        return read_aliases(aliases) if aliases else Headers()
    except ValueError as problem:
        raise UserError(f"--header-aliases: {problem}", "write them as HEADER_ALIASES has them") from None


def _prices_of(models: Sequence[str] | None) -> list[tuple[str, ModelPrice]]:
    if not models:
        today = datetime.now(UTC).date()
        return [(price.model_id, price) for price in PRICES.models if price.output and not price.ended(today)]
    found = [(model_id, PRICES.of(model_id)) for model_id in models]
    for model_id, price in found:
        if price is None:
            known = ", ".join(price.model_id for price in PRICES.models)
            raise UserError(f"the price file has no model {model_id}", f"name one of {known}, or a profile of one")
    return [(model_id, price) for model_id, price in found if price is not None]


def _show(quotes: Sequence[Quote], rejected: int) -> None:
    first = quotes[0]
    print_fields(
        [
            ("rows", first.rows),
            ("rejected", rejected),
            ("asked", f"{first.asked} (equal rows of a prompt once)"),
            ("asked alone", f"{first.suspicious} (they seem to speak to the model)"),
            ("prompts", f"{first.prompts}, {first.agreement_prompts} of them to check agreement"),
            ("input tokens", f"{first.input_tokens} (estimate)"),
            ("output tokens", f"{first.output_tokens} (estimate)"),
        ]
    )
    timed = first.minutes is not None
    figures = ("default $", "flex $", "batch $", *(("minutes", "of a day's quota") if timed else ()))
    rows = [(each.model_id, *_dollars(each), *(_time(each) if timed else ())) for each in quotes]
    print_table(("model", *figures), rows, right=figures)
    if any((each.usd or {}).get("batch") is not None for each in quotes):
        say(_batch_text(first.prompts))
    say(f"Prices of {first.prices_as_of}; token counts are estimates. The run's result has what it really cost.")


def _batch_text(prompts: int) -> str:
    """When a batch price can be had, and when its result is there. The file's limits are the same for its models."""
    limits = PRICES.models[0].batch_limits
    if limits is not None and prompts < limits.least_records:
        return f"At the batch price: not this file; a batch job takes at least {limits.least_records:,} prompts."
    return f"At the batch price the result takes up to {BATCH_HOURS} hours: deskhand feedback upload FILE --lane batch"


def _dollars(quote: Quote) -> list[str]:
    usd: dict[str, Any] = dict(quote.usd or {})
    return ["-" if usd.get(tier) is None else f"{usd[tier]:.4f}" for tier in ("default", "flex", "batch")]


def _time(quote: Quote) -> list[str]:
    return [f"{quote.minutes or 0:.1f}", f"{quote.share_of_a_day or 0:.1%}"]
