"""`deskhand feedback`: upload a file, follow its run, read the categories: all of it through the bucket alone."""

import time
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast

import typer

from cli.cloud import Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.documents import FAILED, OPEN, bucket_document, bucket_errors, run_document, run_entries
from cli.errors import UserError
from cli.names import DEFAULT_NAME
from cli.output import print_fields, print_json, print_table, say
from cli.quote import SPOOL_BYTES, TaskOption, headers_of, task_of, unpacked
from services.feedback_tagger.domain.headers import Headers
from services.feedback_tagger.domain.reading import Source
from services.feedback_tagger.domain.run import (
    RUNS_PREFIX,
    UPLOADS_PREFIX,
    run_id,
)
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.unpacking import Damaged, TooMuch
from services.feedback_tagger.planner.lane import LANE_METADATA
from services.feedback_tagger.tasks.categorise import CATEGORISE
from services.feedback_tagger.tasks.task import Task


class LaneChoice(StrEnum):
    AUTO = "auto"
    REALTIME = "realtime"
    BATCH = "batch"


feedback = typer.Typer(help="Upload feedback and see how it was labelled.", no_args_is_help=True)

POLL_SECONDS = 1.0
LARGEST_PUT = 5 * 1024**3
COUNTS = ("rows", "stored", "duplicates", "rejected")

RunArgument = Annotated[str | None, typer.Argument(help="A run id; left out: the latest runs, or the latest one.")]


@feedback.command()
def upload(
    file: Annotated[
        Path,
        typer.Argument(help="CSV with a header line that names the column feedback, or JSON Lines; plain or gzip."),
    ],
    task: TaskOption = CATEGORISE.name,
    aliases: Annotated[str, typer.Option("--header-aliases", help="HEADER_ALIASES of the tagger.")] = "",
    lane: Annotated[
        LaneChoice,
        typer.Option(
            "--lane", help="batch: by batch jobs, at about half the price, within a day; auto: the tagger decides."
        ),
    ] = LaneChoice.AUTO,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the run until it is over.")] = False,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Put FILE under the task's prefix in the bucket, which starts a run. The same file again is the same run."""
    asked = task_of(task)
    check_file(file, headers_of(aliases), asked)
    there = open_cloud(cloud, name)
    run = put_file(there, file, asked, lane)
    if watch:
        say(f"uploaded; run {run}")
        _watch(there, run, as_json=as_json)
    elif as_json:
        print_json({"run_id": run, "bucket": there.names.bucket, "key": f"{asked.upload_prefix}{file.name}"})
    else:
        typer.echo(run)
        say(f"uploaded; follow it with: deskhand feedback status {run} --watch")


@feedback.command()
def status(
    run: RunArgument = None,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the run until it is over.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The latest so many runs.")] = 10,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Show runs: state, rows, rejects, labels. Ends with status 1 if a run that was asked for has failed."""
    there = open_cloud(cloud, name)
    if watch:
        _watch(there, run or _latest(there), as_json=as_json)
    elif run is not None:
        found = run_document(there, run)
        if found is None:
            raise UserError(f"there is nothing about run {run} yet", "add --watch to wait for it, or check the run id")
        _show(found, as_json=as_json)
        _end_with(found)
    else:
        _show_latest(there, limit, as_json=as_json)


def category_counts(taxonomy: Mapping[str, Any], labelled: Mapping[str, int]) -> list[tuple[str, int]]:
    """Every category in the taxonomy's order, then other labels of rows: ``unknown``, a category deleted since."""
    names = [str(category["name"]) for category in taxonomy["categories"]]
    others = sorted(set(labelled) - set(names))
    return [(label, labelled.get(label, 0)) for label in (*names, *others)]


def check_file(file: Path, headers: Headers, task: Task) -> None:
    """Refuse here what the tagger would refuse later, in the same words. Raises UserError."""
    try:
        with file.open("rb") as opened, SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            text = unpacked(opened, cast(BinaryIO, spool))
            task.reader(Source(file=text, key=f"{task.upload_prefix}{file.name}", headers=headers))
    except FileNotFoundError:
        raise UserError(f"there is no file {file}", "check the path") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "name a CSV file") from None
    except Damaged as damage:
        raise UserError(f"{file} is a damaged gzip file: {damage}", "compress it again") from None
    except (UnusableFile, TooMuch) as problem:
        what, _, remedy = str(problem).partition("; ")
        raise UserError(f"{file} {what}", remedy or "save it as CSV in UTF-8") from None
    if file.stat().st_size > LARGEST_PUT:
        raise UserError(f"{file} is larger than 5 GB, the most that S3 takes in one piece", "split the file")


def put_file(cloud: Cloud, file: Path, task: Task = CATEGORISE, lane: LaneChoice = LaneChoice.AUTO) -> str:
    """Upload in one piece, as its ETag is part of the run's identity; returns the run id."""
    said = {} if lane is LaneChoice.AUTO else {LANE_METADATA: lane.value}
    bucket, key = cloud.names.bucket, f"{task.upload_prefix}{file.name}"
    with bucket_errors(bucket), file.open("rb") as body:
        answer = cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="text/csv", Metadata=said)
    return run_id(bucket, key, etag=str(answer["ETag"]), version_id=answer.get("VersionId"))


def _latest(cloud: Cloud) -> str:
    entries = run_entries(cloud)
    if not entries:
        raise UserError("there are no runs yet", "upload a file first: deskhand feedback upload FILE")
    _, key = entries[0]
    return key.removeprefix(RUNS_PREFIX).removesuffix(".json")


def _show_latest(cloud: Cloud, limit: int, *, as_json: bool) -> None:
    found = [document for _, key in run_entries(cloud)[:limit] if (document := bucket_document(cloud, key)) is not None]
    if as_json:
        print_json(found)
        return
    print_table(
        ("run", "file", "status", *COUNTS, "seconds"),
        [
            (run["run_id"], str(run["key"]).removeprefix(UPLOADS_PREFIX), run["status"], *_counts(run), run["seconds"])
            for run in found
        ],
        right=(*COUNTS, "seconds"),
    )


def _watch(cloud: Cloud, run: str, *, as_json: bool) -> None:
    for found in changes(lambda: run_document(cloud, run), time.sleep):
        if found is None:
            say("waiting for the tagger to begin")
        else:
            chunks = found["chunks"]
            counts = ", ".join(f"{count} {name}" for name, count in zip(COUNTS, _counts(found), strict=True))
            say(f"{found['status']}: {counts}; chunks {chunks['done']} of {chunks['total'] or '?'}")
            if found["status"] != OPEN:
                _show(found, as_json=as_json)
                _end_with(found)
                return


def changes(
    read: Callable[[], dict[str, Any] | None], sleep: Callable[[float], None]
) -> Iterator[dict[str, Any] | None]:
    """What ``read`` returns, first and whenever it differs from before."""
    before: dict[str, Any] | None = {}
    while True:
        now = read()
        if now != before:
            yield now
            before = now
        sleep(POLL_SECONDS)


def _show(run: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(run)
        return
    print_fields(
        [
            ("run", run["run_id"]),
            ("file", str(run["key"]).removeprefix(UPLOADS_PREFIX)),
            ("task", run["task"]),
            ("status", run["status"]),
            *([("problem", run["problem"])] if run["problem"] else []),
            *zip(COUNTS, _counts(run), strict=True),
            ("read as", f"{run['encoding']}, dates {run['date_order']}"),
            *[("rejects", f"s3://{run['bucket']}/{key}") for key in run["rejects"]],
            *asking_fields(run),
            ("seconds", run["seconds"]),
        ]
    )
    labelled = sorted(run["by_label"].items(), key=lambda entry: -entry[1])
    print_table(("label", "rows"), labelled, right=("rows",))


def asking_fields(run: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What asking the model came to. A document of an older task has fewer fields, and shows fewer."""
    fields: list[tuple[str, Any]] = []
    if run.get("waiting_until"):
        fields.append(("waiting", f"a budget is used up; goes on at {run['waiting_until']}"))
    if cost := run.get("cost"):
        fields.append(("cost", cost_text(cost)))
        tokens = run["tokens"]
        fields.append(("tokens", f"{tokens['input']} in, {tokens['output']} out, in {tokens['calls']} calls"))
        fields.append(("throttled", f"{run['throttles']} calls, tried again"))
        fields.append(("tier", run["tier"]))
    fields += [(f"batch job {part['part'] + 1}", part_text(part)) for part in run.get("batch", ())]
    if run.get("rows_per_prompt"):
        fields.append(("rows a prompt", run["rows_per_prompt"]))
    for each in run.get("agreement", ()):
        if each["checked"]:
            said = f"{each['agreed']} of {each['checked']} rows kept their label when asked again ({each['share']:.1%})"
            fields.append((f"agreement at {each['rows_per_prompt']}", said))
    return fields


def part_text(part: Mapping[str, Any]) -> str:
    """``InProgress: 120 of 5000 prompts, 0 of 5000 chunks merged``, with the reason where a job did not do its work."""
    records, chunks = part["records"], part["chunks"]
    said = f"{part['status'] or part['state']}: {records['processed']} of {records['total']} prompts"
    said += f", {chunks['merged']} of {chunks['total']} chunks merged"
    if chunks["asked_again"]:
        said += f", {chunks['asked_again']} of them asked at once"
    return f"{said} ({part['reason']})" if part["reason"] else said


def cost_text(cost: Mapping[str, Any]) -> str:
    """``$0.0421 by prices of 2026-11-01 (quoted: about $0.0400)``; what is not known is never shown as nothing."""
    if cost["usd"] is None:
        said = f"unknown: the price file lacks the model ({cost['unpriced_calls']} calls)"
    else:
        dated = f" by prices of {cost['prices_as_of']}" if cost["prices_as_of"] else ""
        said = f"${cost['usd']:.4f}{dated}"
        if cost["unpriced_calls"]:
            said += f", and {cost['unpriced_calls']} calls without a price"
    return said if cost["quoted_usd"] is None else f"{said} (quoted: about ${cost['quoted_usd']:.4f})"


def _counts(run: Mapping[str, Any]) -> list[int]:
    return [int(run[name]) for name in COUNTS]


def _end_with(run: Mapping[str, Any]) -> None:
    if run["status"] == FAILED:
        raise typer.Exit(1)
