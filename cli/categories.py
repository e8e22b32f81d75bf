"""`deskhand feedback categories`: what there is, what is proposed, and what people decide about it."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.cloud import Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.commanding import ByOption, ReasonOption, WaitOption, order
from cli.documents import bucket_document, run_entries
from cli.errors import UserError
from cli.feedback import category_counts
from cli.names import DEFAULT_NAME
from cli.output import print_fields, print_json, print_table, say
from services.feedback_tagger.discovery.documents import HISTORY_DOCUMENT_KEY, PROPOSALS_DOCUMENT_KEY
from services.feedback_tagger.domain.run import TAXONOMY_DOCUMENT_KEY
from services.feedback_tagger.tasks.categorise import CATEGORISE

categories = typer.Typer(
    help="See the categories and what is proposed; decide about them.", invoke_without_command=True
)

WAIT_SECONDS = 60
NOT_THERE = "the tagger writes them when it starts: is it running?"

NumberArgument = Annotated[int, typer.Argument(min=1, help="The number of a proposal; see: proposals.")]
CategoryArgument = Annotated[str, typer.Argument(help="A category, whatever its capital letters.")]


@categories.callback()
def overview(
    context: typer.Context,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Without a command: show the categories, and how many rows the runs in the bucket have put under each."""
    if context.invoked_subcommand is None:
        _list(open_cloud(cloud, name), as_json=as_json)


@categories.command("list")
def list_(cloud: CloudOption = CloudChoice.AUTO, name: NameOption = DEFAULT_NAME, as_json: JsonOption = False) -> None:
    """Show the categories, and how many rows the runs in the bucket have put under each."""
    _list(open_cloud(cloud, name), as_json=as_json)


@categories.command()
def proposals(
    cloud: CloudOption = CloudChoice.AUTO, name: NameOption = DEFAULT_NAME, as_json: JsonOption = False
) -> None:
    """Show what rows without a category are about, with examples, and what finding it has cost."""
    found = _read(open_cloud(cloud, name), PROPOSALS_DOCUMENT_KEY, "proposals")
    if as_json:
        print_json(found)
        return
    for each in found["proposals"]:
        print_fields(proposal_fields(each))
        typer.echo()
    print_fields(discovery_fields(found["discovery"]))
    if found["proposals"]:
        say("decide with: deskhand feedback categories accept|reject|rename|merge|split NUMBER")


@categories.command()
def history(
    cloud: CloudOption = CloudChoice.AUTO, name: NameOption = DEFAULT_NAME, as_json: JsonOption = False
) -> None:
    """Show who changed the categories, when and why, the latest first."""
    found = _read(open_cloud(cloud, name), HISTORY_DOCUMENT_KEY, "events")
    if as_json:
        print_json(found["events"])
        return
    print_table(
        ("version", "when", "what", "name", "by", "why"),
        [
            (
                each["version"],
                datetime.fromtimestamp(each["happened_at"], UTC).strftime("%Y-%m-%d %H:%M"),
                each["kind"],
                each["name"] or (f"proposal {each['proposal_id']}" if each["proposal_id"] else ""),
                each["said_by"],
                each["reason"],
            )
            for each in found["events"]
        ],
        right=("version",),
    )


@categories.command()
def accept(
    proposal: NumberArgument,
    new_name: Annotated[
        str, typer.Option("--as", help="Another name than the proposed one, or an existing category.")
    ] = "",
    by: ByOption = "",
    reason: ReasonOption = "",
    wait: WaitOption = WAIT_SECONDS,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Make PROPOSAL a category and give it to its rows, and to no other."""
    there, fields = open_cloud(cloud, name), {"proposal": proposal, "name": new_name, "reason": reason}
    answer = order(there, "categories.accept", by, fields, wait=wait, as_json=as_json)
    if answer and not as_json:
        what = "a new category" if answer["new"] else "part of a category that was there"
        typer.echo(f"{answer['category']}: {what}; the rows of {answer['texts']} texts get it now")


@categories.command()
def reject(
    proposal: NumberArgument,
    by: ByOption = "",
    reason: ReasonOption = "",
    wait: WaitOption = WAIT_SECONDS,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Turn PROPOSAL down: its rows stay unknown, and its subject is not proposed again."""
    there, fields = open_cloud(cloud, name), {"proposal": proposal, "reason": reason}
    answer = order(there, "categories.reject", by, fields, wait=wait, as_json=as_json)
    if answer and not as_json:
        typer.echo(f"proposal {proposal} is rejected")


@categories.command()
def merge(
    one: Annotated[str, typer.Argument(help="A category or the number of a proposal: it becomes part of the other.")],
    into: Annotated[str, typer.Argument(metavar="INTO", help="A category or the number of a proposal.")],
    by: ByOption = "",
    reason: ReasonOption = "",
    wait: WaitOption = WAIT_SECONDS,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Make ONE part of INTO: two proposals, a proposal and a category, or two categories with their rows."""
    kind, fields = merging(one, into)
    answer = order(open_cloud(cloud, name), kind, by, {**fields, "reason": reason}, wait=wait, as_json=as_json)
    if answer and not as_json:
        typer.echo(f"{one} is part of {answer.get('category') or 'proposal ' + str(answer['proposal'])} now")


@categories.command()
def split(
    proposal: NumberArgument,
    by: ByOption = "",
    reason: ReasonOption = "",
    wait: WaitOption = WAIT_SECONDS,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Put two proposals in the place of PROPOSAL, where its texts are about two subjects."""
    there, fields = open_cloud(cloud, name), {"proposal": proposal, "reason": reason}
    answer = order(there, "categories.split", by, fields, wait=wait, as_json=as_json)
    if answer and not as_json:
        parts = zip(answer["parts"], answer["texts"], strict=True)
        said = " and ".join(f"proposal {number} ({texts} texts)" for number, texts in parts)
        typer.echo(f"proposal {proposal} is {said} now; their names follow with the next look")


@categories.command()
def rename(
    old: Annotated[str, typer.Argument(help="A category, or the number of a proposal.")],
    new: Annotated[str, typer.Argument(help="Its name from now on.")],
    by: ByOption = "",
    reason: ReasonOption = "",
    wait: WaitOption = WAIT_SECONDS,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Give a category, with all rows that have it, or a proposal another name."""
    if old.isdecimal():
        kind, fields = "categories.name", {"proposal": int(old), "name": new}
    else:
        kind, fields = "categories.rename", {"category": old, "name": new}
    answer = order(open_cloud(cloud, name), kind, by, {**fields, "reason": reason}, wait=wait, as_json=as_json)
    if answer and not as_json:
        typer.echo(f"{old} is called {new} now")


@categories.command()
def add(
    new: Annotated[str, typer.Argument(help="The name of a new category, or of a deleted one.")],
    by: ByOption = "",
    reason: ReasonOption = "",
    wait: WaitOption = WAIT_SECONDS,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Add a category by hand; rows that are stored keep their labels."""
    there, fields = open_cloud(cloud, name), {"name": new, "reason": reason}
    answer = order(there, "categories.add", by, fields, wait=wait, as_json=as_json)
    if answer and not as_json:
        typer.echo(f"{answer['category']} is a category now")


@categories.command()
def delete(
    category: CategoryArgument,
    by: ByOption = "",
    reason: ReasonOption = "",
    wait: WaitOption = WAIT_SECONDS,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Stop using CATEGORY; rows that have it keep it, and adding it again brings it back."""
    there, fields = open_cloud(cloud, name), {"category": category, "reason": reason}
    answer = order(there, "categories.delete", by, fields, wait=wait, as_json=as_json)
    if answer and not as_json:
        typer.echo(f"{answer['category']} is used no more")


def merging(one: str, into: str) -> tuple[str, dict[str, Any]]:
    """Which command a merge is. Raises UserError for a category into a proposal."""
    match one.isdecimal(), into.isdecimal():
        case True, True:
            return "categories.merge", {"proposal": int(one), "into_proposal": int(into)}
        case True, False:
            return "categories.accept", {"proposal": int(one), "name": into}
        case False, False:
            return "categories.combine", {"category": one, "into_category": into}
        case _:
            raise UserError("a category cannot become part of a proposal", "merge the proposal into the category")


def proposal_fields(each: Mapping[str, Any]) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [
        ("proposal", each["proposal"]),
        ("name", each["name"] or "(not named yet)"),
        *([("about", each["description"])] if each["description"] else []),
        ("rows", f"{each['rows']} ({each['share']:.1%} of the unknown), {each['texts']} different texts"),
    ]
    if each["extends"]:
        fields.append(("looks like", f"{each['extends']}: accepted, it becomes part of it"))
    if each["near"]:
        fields.append(("near", f"proposal {each['near']}: merge them if they are one subject"))
    if each.get("part_of"):
        fields.append(("part of", f"proposal {each['part_of']}, which was split"))
    if parts := each.get("parts"):
        fields.append(("holds", f"two subjects, it seems, of {parts[0]} and {parts[1]} texts: split it, and see"))
    fields += [("example", f"{example['id']}: {example['text']}") for example in each["examples"]]
    return fields


def discovery_fields(summary: Mapping[str, Any]) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [
        ("unknown rows seen", f"{summary['row_count']}, {summary['texts']} different texts"),
        ("in proposals", f"{summary['placed']} texts; {summary['waiting']} wait for their first look"),
        ("cost", f"${summary['usd']:.6f} in {summary['calls']} calls, {summary['input_tokens']} tokens in"),
    ]
    if summary["unpriced_calls"]:
        fields.append(("without a price", f"{summary['unpriced_calls']} calls"))
    if latest := summary["latest_pass"]:
        fields.append(("latest look", f"quoted ${latest['quoted_usd']:.6f}, cost ${latest['usd']:.6f}"))
    fields.append(("labels changed", f"{summary['labels_changed']}; {summary['labels_under_way']} changes under way"))
    return fields


def labelled_rows(there: Cloud) -> Counter[str]:
    """How many rows the runs in the bucket have put under each category; other tasks' answers are none."""
    labelled: Counter[str] = Counter()
    for _, key in run_entries(there):
        run = bucket_document(there, key)
        if run is not None and run["task"] == CATEGORISE.name:
            labelled.update(run["by_label"])
    return labelled


def _list(there: Cloud, *, as_json: bool) -> None:
    taxonomy = _read(there, TAXONOMY_DOCUMENT_KEY, "categories")
    counted = category_counts(taxonomy, labelled_rows(there))
    if as_json:
        print_json([{"category": label, "rows": rows} for label, rows in counted])
        return
    total = sum(rows for _, rows in counted)
    print_table(
        ("category", "rows", "share"),
        [(label, rows, f"{rows / total:.1%}" if total else "") for label, rows in counted],
        right=("rows", "share"),
    )


def _read(there: Cloud, key: str, what: str) -> dict[str, Any]:
    document = bucket_document(there, key)
    if document is None:
        raise UserError(f"there are no {what} yet", NOT_THERE)
    return document
