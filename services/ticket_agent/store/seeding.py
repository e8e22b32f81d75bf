"""A directory file into the tables: set what it says of a row, leave the rest of the row, remove nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import yaml

from services.ticket_agent.domain.directory_file import KINDS, DirectoryRow, directory_rows
from shared.aws.clients import Client
from shared.aws.errors import aws_errors
from shared.aws.items import to_item
from shared.errors import BadInput, DeskhandError, PermanentError

Written: TypeAlias = Literal["added", "changed", "unchanged"]

AT_ONCE = 16
LARGEST_BYTES = 8 * 1024 * 1024
"""Some 100,000 rows; parsed, a file takes fifty times its size of the task's memory."""


def rows_in(body: bytes, source: str) -> list[DirectoryRow]:
    """The rows of a file in YAML, or in JSON, which is YAML too. Raises BadInput naming what cannot be taken."""
    try:
        document = yaml.safe_load(body)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        remedy = "local/sample/directory.yaml shows the form"
        raise BadInput(field=source, problem=f"is not YAML ({problem})", remedy=remedy) from None
    return directory_rows(document, source)


def update_request(row: DirectoryRow, table: str) -> dict[str, Any]:
    """The arguments of ``UpdateItem``; asked twice it changes nothing."""
    values = dict(row.values)
    request: dict[str, Any] = {"TableName": table, "Key": to_item(row.key), "ReturnValues": "ALL_OLD"}
    if not values:
        return request  # DynamoDB refuses an empty expression; the key alone makes the row.
    return {
        **request,
        "UpdateExpression": "SET " + ", ".join(f"#{index} = :{index}" for index in range(len(values))),
        "ExpressionAttributeNames": {f"#{index}": attribute for index, attribute in enumerate(values)},
        "ExpressionAttributeValues": to_item({f":{index}": value for index, value in enumerate(values.values())}),
    }


def written(row: DirectoryRow, answer: Mapping[str, Any]) -> Written:
    """What the update came to, by the row that was there before."""
    before = answer.get("Attributes")
    if not before:
        return "added"
    same = all(before.get(attribute) == {"S": value} for attribute, value in row.values.items())
    return "unchanged" if same else "changed"


async def read_file(s3: Client, uri: str) -> bytes:
    """The object at ``s3://BUCKET/KEY``. Raises DeskhandError with what to do about it."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        with aws_errors():
            answer = await s3.get_object(Bucket=bucket, Key=key)
            async with answer["Body"] as body:
                content = bytes(await body.read(LARGEST_BYTES + 1))
    except DeskhandError as error:
        # A missing object is refused like a forbidden one to a role that may not list the bucket.
        raise PermanentError(f"{uri} cannot be read ({error}); put it there: aws s3 cp FILE {uri}") from error
    if len(content) > LARGEST_BYTES:
        raise BadInput(field=uri, problem=f"is larger than {LARGEST_BYTES} bytes", remedy="load it in several files")
    return content


async def write_rows(
    dynamodb: Client, rows: Sequence[DirectoryRow], tables: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    """How many rows of each part were added, changed, unchanged. Raises DeskhandError; then some may be written."""
    counts = {kind.part: {"added": 0, "changed": 0, "unchanged": 0} for kind in KINDS}

    async def write(row: DirectoryRow) -> None:
        with aws_errors():
            answer = await dynamodb.update_item(**update_request(row, tables[row.kind.table]))
        counts[row.kind.part][written(row, answer)] += 1

    for first in range(0, len(rows), AT_ONCE):
        await asyncio.gather(*(write(row) for row in rows[first : first + AT_ONCE]))
    return counts
