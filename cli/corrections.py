"""`deskhand feedback correct` and `accuracy`: say what labels should have been, and see how good they are."""

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast

import typer

from cli.cloud import Cloud, CloudChoice, CloudOption, JsonOption, NameOption, open_cloud
from cli.commanding import ByOption, ReasonOption, WaitOption, order
from cli.documents import bucket_document, bucket_errors
from cli.errors import UserError
from cli.feedback import LARGEST_PUT
from cli.names import DEFAULT_NAME
from cli.output import print_fields, print_json, print_table, say
from cli.quote import SPOOL_BYTES, unpacked
from services.feedback_tagger.domain.accuracy import ACCURACY_DOCUMENT_KEY
from services.feedback_tagger.domain.category_set import read_set
from services.feedback_tagger.domain.correction_file import CLEAR, layout_of
from services.feedback_tagger.domain.corrections import (
    CORRECTIONS_PREFIX,
    corrections_document_key,
    corrections_id,
)
from services.feedback_tagger.domain.text_file import UnusableFile
from services.feedback_tagger.domain.unpacking import Damaged, TooMuch
from shared.errors import BadInput

POLL_SECONDS = 0.5
WAIT_SECONDS = 600
COUNTS = ("lines", "changed", "cleared", "unchanged", "not_found", "invalid")


def correct(
    file: Annotated[
        Path | None,
        typer.Argument(help=f"CSV or JSON Lines with id or ref_id, and label_correction ({CLEAR} takes one back)."),
    ] = None,
    ref_id: Annotated[str, typer.Option("--ref-id", help="One row, by the id that its sender gave it.")] = "",
    row_id: Annotated[int | None, typer.Option("--id", min=1, help="One row, by the table's own number.")] = None,
    label: Annotated[
        str, typer.Option("--label", help=f"A category; unknown: none fits; {CLEAR}: take the row's correction back.")
    ] = "",
    wait: WaitOption = WAIT_SECONDS,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Say what the labels of rows should be: those of FILE, or of one row. Ends with status 1 if nothing came of it."""
    body, called = _asked_for(file, ref_id, row_id, label)
    there = open_cloud(cloud, name)
    bucket = there.names.bucket
    # A key of its own: sent once more, the same file is a new order.
    key = f"{CORRECTIONS_PREFIX}{uuid.uuid4()}-{called}"
    with bucket_errors(bucket):
        put = there.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    upload_id = corrections_id(bucket, key, etag=str(put["ETag"]), version_id=put.get("VersionId"))
    if not wait:
        found: Mapping[str, Any] = {"corrections_id": upload_id, "document": corrections_document_key(upload_id)}
        print_json(found) if as_json else say(f"sent; the answer will be s3://{bucket}/{found['document']}")
        return
    document = _awaited(there, upload_id, wait)
    if as_json:
        print_json(document)
    else:
        print_fields(correction_fields(document))
    if document["status"] == "failed":
        raise typer.Exit(1)


def accuracy(
    cloud: CloudOption = CloudChoice.AUTO, name: NameOption = DEFAULT_NAME, as_json: JsonOption = False
) -> None:
    """Show how often labels were what people made of them: by category and by month."""
    document = bucket_document(open_cloud(cloud, name), ACCURACY_DOCUMENT_KEY)
    if document is None:
        raise UserError("there are no figures yet", "the tagger writes them when it starts: is it running?")
    if as_json:
        print_json(document)
        return
    if not document["corrected"]:
        raise UserError("nobody has corrected a label yet", "deskhand feedback correct FILE")
    say(f"{document['agreed']} of {document['corrected']} labels were right: {document['basis']}")
    figures = ("tagged so", "right so", "both", "precision", "recall")
    print_table(
        ("category", *figures),
        [
            (
                each["category"],
                each["said"],
                each["right"],
                each["agreed"],
                _share(each, "precision"),
                _share(each, "recall"),
            )
            for each in document["by_category"]
        ],
        right=figures,
    )
    print_table(
        ("month", "corrected", "right", "accuracy"),
        [
            (each["month"] or "(no date)", each["corrected"], each["agreed"], _share(each, "accuracy"))
            for each in document["by_month"]
        ],
        right=("corrected", "right", "accuracy"),
    )


def set_categories(
    file: Annotated[Path, typer.Argument(help="JSON: a list of names, as runs/taxonomy.json has it under categories.")],
    by: ByOption = "",
    reason: ReasonOption = "",
    wait: WaitOption = 60,
    cloud: CloudOption = CloudChoice.AUTO,
    name: NameOption = DEFAULT_NAME,
    as_json: JsonOption = False,
) -> None:
    """Make the categories exactly those of FILE: new ones are added, deleted ones brought back, others deleted."""
    try:
        names = read_set(_read(file).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{file} is not UTF-8", "save it as UTF-8") from None
    except BadInput as error:
        raise UserError(f"{file}: {error.field} {error.problem}", error.remedy) from None
    fields = {"names": list(names), "reason": reason}
    answer = order(open_cloud(cloud, name), "categories.set", by, fields, wait=wait, as_json=as_json)
    if answer and not as_json:
        print_fields([(what, ", ".join(answer[what]) or "none") for what in ("added", "revived", "deleted")])
        say(f"{answer['unchanged']} stayed; rows of a deleted category keep it")


def _asked_for(file: Path | None, ref_id: str, row_id: int | None, label: str) -> tuple[bytes, str]:
    """The bytes to upload and what to call them. Raises UserError."""
    if file is not None:
        if ref_id or row_id is not None or label:
            raise UserError("either a file or one row", "leave out FILE, or --ref-id, --id and --label")
        content = _read(file)
        _check(file)
        return content, file.name
    if not ref_id and row_id is None:
        raise UserError("nothing says which rows are meant", "name a FILE, or --ref-id (or --id) and --label")
    if not label.strip():
        raise UserError("nothing says what the label is", f"add --label CATEGORY, or --label '{CLEAR}'")
    line = {"id": row_id, "ref_id": ref_id or None, "label_correction": label}
    return json.dumps(line, ensure_ascii=False).encode(), "one-row.jsonl"


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_PUT:
            raise UserError(f"{file} is larger than 5 GB, the most that S3 takes in one piece", "split the file")
        return file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"there is no file {file}", "check the path") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})", "name a file") from None


def _check(file: Path) -> None:
    """Refuse here what the tagger would refuse later, in the same words."""
    try:
        with file.open("rb") as opened, SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            layout_of(unpacked(opened, cast(BinaryIO, spool)))
    except (UnusableFile, Damaged, TooMuch) as problem:
        what, _, remedy = str(problem).partition("; ")
        raise UserError(f"{file} {what}", remedy or "save it as CSV in UTF-8") from None


def _awaited(there: Cloud, upload_id: str, seconds: int) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        document = bucket_document(there, corrections_document_key(upload_id))
        if document is not None and document["status"] != "open":
            return document
        time.sleep(POLL_SECONDS)
    where = f"s3://{there.names.bucket}/{corrections_document_key(upload_id)}"
    raise UserError(f"no answer came within {seconds} s", f"is the tagger running? It will leave the answer in {where}")


def correction_fields(document: Mapping[str, Any]) -> list[tuple[str, object]]:
    return [
        ("status", document["status"]),
        *([("problem", document["problem"])] if document["problem"] else []),
        *((name.replace("_", " "), document[name]) for name in COUNTS),
        *(("rejects", f"s3://{document['bucket']}/{key}") for key in document["rejects"]),
    ]


def _share(each: Mapping[str, Any], name: str) -> str:
    return "-" if each[name] is None else f"{each[name]:.1%}"
