"""Uploaded files read from S3 over HTTP: what memory doubles promise about sizes, blocks and early ends holds there."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.provisioning import Provisioned
from services.feedback_tagger.bucket.s3 import S3Bucket
from services.feedback_tagger.messages.chunk import read_chunk
from shared.aws.clients import aws_session, open_client
from shared.queue.sqs import SqsQueue
from tests.support.feedback import a_file, many_rows
from tests.support.ingesting import Desk, packed
from tests.support.malformed_files import MALFORMED_FILES, MalformedFile

# Of each kind a few: what differs from the memory doubles is how the bytes come, not what they say.
SAMPLE = [file for place, file in enumerate(MALFORMED_FILES) if place % 12 == 0]


class OnS3(Desk):
    """The desk's runs and queue beside a real bucket."""

    def __init__(self, bucket: S3Bucket, s3: Any) -> None:
        super().__init__()
        self._bucket, self._s3 = bucket, s3

    async def read_from_s3(self, name: str, body: bytes, **changes: Any) -> None:
        stored = await self._s3.put_object(Bucket=self._bucket.name, Key=f"uploads/{name}", Body=body)
        news = self.uploaded(name, body)
        told = news.body.replace('"name": "bucket"', f'"name": "{self._bucket.name}"')
        assert self.bucket.etag(f"uploads/{name}") == stored["ETag"].strip('"')
        ingest = self.an_ingest(**changes)
        object.__setattr__(ingest, "bucket", self._bucket)
        object.__setattr__(news, "body", told)
        await ingest.handle(news)

    async def rejects_on_s3(self) -> list[list[str]]:
        listed = await self._s3.list_objects_v2(Bucket=self._bucket.name, Prefix="rejects/")
        for entry in listed.get("Contents", []):
            found = await self._s3.get_object(Bucket=self._bucket.name, Key=entry["Key"])
            self.bucket.objects[entry["Key"]] = await found["Body"].read()
        return self.rejects


@pytest.fixture
async def on_s3(resources: Provisioned) -> AsyncIterator[OnS3]:
    async with open_client(aws_session(), "s3", connections=2) as s3:
        yield OnS3(S3Bucket(s3, resources.bucket), s3)


@pytest.mark.parametrize("file", SAMPLE, ids=lambda file: file.name)
async def test_a_malformed_file_on_s3_costs_its_bad_rows_alone(on_s3: OnS3, file: MalformedFile) -> None:
    await on_s3.read_from_s3("a", file.build())
    assert on_s3.outcome.problem.startswith(file.problem)
    assert on_s3.texts == list(file.good)
    assert [(int(line), column) for line, column, _ in await on_s3.rejects_on_s3()] == list(file.rejects)


async def test_a_file_of_many_blocks_arrives_whole_plain_and_packed(on_s3: OnS3) -> None:
    rows = many_rows(9_000)
    body = a_file(rows)
    assert len(body) > 900_000
    await on_s3.read_from_s3("a.csv", body)
    assert on_s3.texts == [row["feedback"] for row in rows]
    plain = [chunk.rows for chunk in on_s3.chunks]
    on_s3.queue.bodies.clear()
    await on_s3.read_from_s3("a.csv.gz", packed(body))
    assert [chunk.rows for chunk in on_s3.chunks] == plain


async def test_a_connection_serves_others_after_a_file_that_was_too_large_was_left(on_s3: OnS3) -> None:
    """What: bodies that are not read to their end. How: more of them than the client has connections."""
    body = a_file(many_rows(9_000))
    for number in range(5):
        await on_s3.read_from_s3(f"{number}.csv", body, largest_file_bytes=len(body) - 1)
    problems = {noted.problem for noted in on_s3.runs.noted.values()}
    assert len(problems) == 1
    assert problems.pop().startswith(f"has {len(body):,} bytes, more than the")
    await on_s3.read_from_s3("small.csv", a_file(many_rows(3)))
    assert len(on_s3.texts) == 3


async def test_chunks_are_messages_that_the_queue_takes_and_gives_back_as_they_were(
    on_s3: OnS3, resources: Provisioned
) -> None:
    text = "\ufffe and \uffff, \x01 and \U0001f600 and \u2028 '\"\\"
    body = f'feedback,note\n"{text.replace(chr(34), chr(34) * 2)}",x\n'.encode()
    async with open_client(aws_session(), "sqs") as sqs:
        queue = SqsQueue(sqs, resources.queues["feedback-chunks"])
        on_s3.queue = queue  # type: ignore[assignment]
        await on_s3.read_from_s3("a.csv", body)
        (message,) = await queue.receive(at_most=10, wait_seconds=1, visibility_seconds=30)
    (row,) = read_chunk(message.body).rows
    assert (row.feedback.feedback, dict(row.feedback.extra)) == (text, {"note": "x"})
