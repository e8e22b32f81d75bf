"""`deskhand runs show`: what became of files of feedback, one in full or the latest in a table."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from cli.cloud import Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.documents import OPEN, bucket_document, run_document, run_entries
from cli.errors import UserError
from cli.feedback import RunArgument, asking_fields
from cli.names import DEFAULT_NAME
from cli.output import print_fields, print_json, print_table, say
from services.feedback_tagger.domain.run import UPLOADS_PREFIX

runs = typer.Typer(help="What became of files of feedback, and what it cost.", no_args_is_help=True)


@runs.callback()
def _group() -> None:
    """Without it, a group of one command would be that command."""


@runs.command()
def show(
    run: RunArgument = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The latest so many runs.")] = 20,
    status: Annotated[str, typer.Option("--status", help="Only runs that are open, complete, partial, failed.")] = "",
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Show a run in full: totals, rejects, categories, cost, throttles, seconds. Without RUN: the latest runs."""
    there = open_cloud(cloud, name)
    if run is not None:
        found = run_document(there, run)
        if found is None:
            raise UserError(f"there is nothing about run {run}", "see the ids with `deskhand runs show`")
        print_json(found) if as_json else _show(found)
        return
    listed = []
    for written_at, document in latest_runs(there):
        if not status or document["status"] == status:
            listed.append((written_at, document))
        if len(listed) == limit:
            break
    if as_json:
        print_json([{**document, "written_at": written_at} for written_at, document in listed])
        return
    figures = ("rows", "stored", "rejected", "$", "seconds")
    print_table(
        ("run", "task", "file", "status", *figures),
        [_row(document) for _, document in listed],
        right=figures,
        whole=("run",),
    )
    say(f"{len(listed)} runs; in full: deskhand runs show RUN")


def latest_runs(cloud: Cloud) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Runs with the moment at which the tagger last wrote about them, the latest first."""
    for written_at, key in run_entries(cloud):
        document = bucket_document(cloud, key)
        if document is not None:
            yield written_at, document


def usd_per_thousand(run: Mapping[str, Any]) -> float | None:
    """Dollars for a thousand rows of those that a model was asked about; None where that is not known."""
    usd, asked = run.get("cost", {}).get("usd"), run.get("answers", {}).get("model") or 0
    return None if usd is None or not asked else 1000 * usd / asked


def off_by(run: Mapping[str, Any]) -> float | None:
    """How much more than quoted the run cost, as a share of the quote; None if either is unknown."""
    usd, quoted = run.get("cost", {}).get("usd"), run.get("cost", {}).get("quoted_usd")
    return None if usd is None or not quoted else usd / quoted - 1


def dollars(usd: float | None) -> str:
    return "-" if usd is None else f"{usd:,.4f}"


def _row(run: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        run["run_id"],
        run["task"],
        str(run["key"]).removeprefix(UPLOADS_PREFIX),
        run["status"],
        run["rows"],
        run["stored"] + run["duplicates"],
        run["rejected"],
        dollars(run.get("cost", {}).get("usd")),
        run["seconds"],
    )


def _show(run: Mapping[str, Any]) -> None:
    chunks, off = run["chunks"], off_by(run)
    answers = run.get("answers", {})
    print_fields(
        [
            ("run", run["run_id"]),
            ("file", f"s3://{run['bucket']}/{run['key']}"),
            ("task", run["task"]),
            ("status", run["status"]),
            *([("problem", run["problem"])] if run["problem"] else []),
            (
                "rows",
                f"{run['rows']} = {run['stored']} stored + {run['duplicates']} duplicates + {run['rejected']} rejected",
            ),
            ("answered", f"{answers.get('model', 0)} by a model, {answers.get('known', 0)} without one"),
            *([("failed", f"{run['failed']} of the rejected, on their way to a label")] if run["failed"] else []),
            *(("rejects", f"s3://{run['bucket']}/{key}") for key in run["rejects"]),
            ("chunks", f"{chunks['done']} of {chunks['total'] or '?'}, {chunks['dead']} dead"),
            ("read as", f"{run['encoding']}, dates {run['date_order']}"),
            *([("model", run["model"])] if run.get("model") else []),
            *asking_fields(run),
            *([("$ / 1,000 rows", dollars(per_thousand))] if (per_thousand := usd_per_thousand(run)) else []),
            *([("beside the quote", f"{off:+.0%}")] if off is not None and run["status"] != OPEN else []),
            *([("uploaded again", f"{run['repeats']} times")] if run["repeats"] else []),
            ("seconds", run["seconds"]),
        ]
    )
    labelled = sorted(run["by_label"].items(), key=lambda entry: -entry[1])
    total = sum(run["by_label"].values()) or 1
    print_table(
        ("label", "rows", "share"),
        [(label, rows, f"{rows / total:.1%}") for label, rows in labelled],
        right=("rows", "share"),
    )
