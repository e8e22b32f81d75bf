"""Batch jobs as the adapter creates, follows and stops them at the local endpoint, on the emulator's S3."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from local.aws import aws_client
from local.bedrock import validate, wire
from local.bedrock_endpoint import BedrockEndpoint
from local.emulator import Emulator
from shared.aws.clients import aws_session, open_client
from shared.errors import PermanentError
from shared.model.batch_jobs import JobState, NewJob, job_id
from shared.model.bedrock_batch_jobs import BedrockBatchJobs
from shared.model.port import Request, Text, Turn
from tests.support.waiting import eventually

MODEL = "amazon.nova-lite-v1:0"
ROLE = "arn:aws:iam::000000000000:role/batch"
ROWS = "<rows-ab>\n1|The parcel is late.\n</rows-ab>"
SYSTEM = "<categories>\n1 Payment\n2 Package shipment\n</categories>"


@pytest.fixture
def s3(emulator: Emulator) -> Any:
    return aws_client(emulator.environment(), "s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"jobs-{secrets.token_hex(4)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def endpoint(bedrock: BedrockEndpoint, emulator: Emulator) -> BedrockEndpoint:
    bedrock.control("s3", emulator.environment(), method="PUT")
    bedrock.control("jobs", {"minimum_records": 2}, method="PUT")
    return bedrock


@pytest.fixture
async def jobs(endpoint: BedrockEndpoint, emulator: Emulator) -> AsyncIterator[BedrockBatchJobs]:
    async with open_client(aws_session(), "bedrock", endpoint_url=endpoint.url) as client:
        yield BedrockBatchJobs(client)


def a_request(text: str = ROWS) -> Request:
    return Request(model_id=MODEL, system=SYSTEM, turns=(Turn("user", (Text(text),)),), max_tokens=100)


def put(s3: Any, bucket: str, jobs: BedrockBatchJobs, *, records: int = 3, **more: Any) -> None:
    lines = [
        json.dumps({"recordId": f"run{number}", "modelInput": {**jobs.as_input(a_request()), **more}})
        for number in range(records)
    ]
    s3.put_object(Bucket=bucket, Key="in/input.jsonl", Body="\n".join(lines).encode())


def a_job(bucket: str, **changes: Any) -> NewJob:
    name = f"deskhand-{bucket}"
    given: dict[str, Any] = {"name": name, "token": name, **changes}
    return NewJob(
        model_id=MODEL,
        role_arn=ROLE,
        input_uri=f"s3://{bucket}/in/input.jsonl",
        output_uri=f"s3://{bucket}/out/",
        timeout_hours=24,
        **given,
    )


async def ended(jobs: BedrockBatchJobs, arn: str) -> JobState:
    async def over() -> JobState | None:
        state = await jobs.state(arn)
        return state if state is not None and state.ended else None

    found = await eventually(over)
    assert found is not None
    return found


def output(s3: Any, bucket: str, arn: str) -> list[dict[str, Any]]:
    body = s3.get_object(Bucket=bucket, Key=f"out/{job_id(arn)}/input.jsonl.out")["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


async def test_a_job_answers_every_record_under_its_id(jobs: BedrockBatchJobs, s3: Any, bucket: str) -> None:
    put(s3, bucket, jobs)
    arn = await jobs.create(a_job(bucket))
    assert await ended(jobs, arn) == JobState(status="Completed", records=3, processed=3, succeeded=3)
    records = {record["recordId"]: jobs.as_reply(record["modelOutput"]) for record in output(s3, bucket, arn)}
    assert sorted(records) == ["run0", "run1", "run2"]
    assert {reply.text.strip() for reply in records.values()} == {"1:2"}
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"out/{job_id(arn)}/manifest.json.out")["Body"].read())
    assert (manifest["totalRecordCount"], manifest["successRecordCount"]) == (3, 3)
    assert manifest["inputTokenCount"] == sum(reply.usage.input_tokens for reply in records.values())


async def test_one_token_is_one_job(jobs: BedrockBatchJobs, s3: Any, bucket: str) -> None:
    put(s3, bucket, jobs)
    first = await jobs.create(a_job(bucket))
    assert await jobs.create(a_job(bucket)) == first
    with pytest.raises(PermanentError, match="ConflictException"):
        await jobs.create(a_job(bucket, token="another"))


async def test_a_record_that_converse_would_refuse_comes_back_with_its_error(
    jobs: BedrockBatchJobs, s3: Any, bucket: str
) -> None:
    put(s3, bucket, jobs, records=2, toolConfig={"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {}}}}]})
    arn = await jobs.create(a_job(bucket))
    state = await ended(jobs, arn)
    assert (state.status, state.succeeded, state.failed) == ("Completed", 0, 2)
    assert {record["error"]["errorCode"] for record in output(s3, bucket, arn)} == {400}


async def test_too_few_records_fail_the_job(jobs: BedrockBatchJobs, s3: Any, bucket: str) -> None:
    put(s3, bucket, jobs, records=1)
    state = await ended(jobs, await jobs.create(a_job(bucket)))
    assert (state.status, "2 to 50000 records" in state.message) == ("Failed", True)


async def test_an_input_that_is_not_there_fails_the_job(jobs: BedrockBatchJobs, bucket: str) -> None:
    state = await ended(jobs, await jobs.create(a_job(bucket)))
    assert (state.status, "NoSuchKey" in state.message) == ("Failed", True)


async def test_a_job_can_be_stopped_and_stopped_again(
    jobs: BedrockBatchJobs, endpoint: BedrockEndpoint, s3: Any, bucket: str
) -> None:
    endpoint.control("jobs", {"minimum_records": 2, "seconds": 600}, method="PUT")
    put(s3, bucket, jobs)
    arn = await jobs.create(a_job(bucket))
    await jobs.stop(arn)
    assert (await ended(jobs, arn)).status == "Stopped"
    await jobs.stop(arn)


async def test_a_job_that_nobody_knows_is_none(jobs: BedrockBatchJobs) -> None:
    assert await jobs.state("arn:aws:bedrock:us-east-1:000000000000:model-invocation-job/abcdefghijkl") is None


async def test_what_the_endpoint_says_of_a_job_has_the_shape_that_botocore_knows(
    jobs: BedrockBatchJobs, endpoint: BedrockEndpoint, s3: Any, bucket: str
) -> None:
    put(s3, bucket, jobs)
    await ended(jobs, await jobs.create(a_job(bucket)))
    shape = wire.operation_models()["GetModelInvocationJob"].output_shape
    assert shape is not None
    shown = [job for job in endpoint.control("jobs") if job["jobName"] == f"deskhand-{bucket}"]
    assert shown
    assert not [problem for job in shown for problem in validate.problems(job, shape)]


async def test_a_name_that_the_service_would_refuse_is_refused(jobs: BedrockBatchJobs, bucket: str) -> None:
    with pytest.raises(PermanentError, match="jobName"):
        await jobs.create(a_job(bucket, name="no spaces here", token="t"))
