"""The batch lane end to end: a file becomes jobs at the local endpoint over S3, every row is stored or rejected once.

The service is a process of its own. The price file it is given lowers the least number of records a job takes, and so
do the endpoint's settings: everything else is as it ships.
"""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.aws import aws_client
from local.bedrock_endpoint import BedrockEndpoint
from local.cloud import FEEDBACK_MODEL_ID
from local.emulator import Emulator
from local.postgres import Postgres
from local.provisioning import provision
from services.feedback_tagger.domain.run import run_document_key, run_id
from shared.model.prices import FILE
from tests.support.feedback import a_file, many_rows
from tests.support.tagger_process import Analyst, running_tagger
from tests.support.waiting import wait_until

LEAST_RECORDS = 3
ROLE = "arn:aws:iam::000000000000:role/deskhand-batch"


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    content = json.loads(FILE.read_text())
    content["batch_limits"] |= {"least_records": LEAST_RECORDS, "most_records": 12}
    file = tmp_path_factory.mktemp("prices") / "prices.json"
    file.write_text(json.dumps(content))
    return file


@pytest.fixture(scope="module")
def analyst(
    emulator: Emulator,
    postgres: Postgres,
    bedrock_endpoint: BedrockEndpoint,
    prices: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Analyst]:
    name = f"test-{secrets.token_hex(4)}"
    resources = provision(emulator.environment(), name)
    settings = resources.feedback_tagger(
        DATABASE_URL=postgres.create_database(name),
        FEEDBACK_MODEL_ID=FEEDBACK_MODEL_ID,
        DRAIN_SECONDS="30",
        LONG_POLL_SECONDS="1",
        ROWS_PER_PROMPT="5",
        AGREEMENT_SHARE="0",
        BATCH_ROLE_ARN=ROLE,
        BATCH_LOOK_SECONDS="0.2",
        MODEL_PRICES_FILE=str(prices),
        **bedrock_endpoint.environment(),
    )
    bedrock_endpoint.control("s3", emulator.environment(), method="PUT")
    with running_tagger(settings, tmp_path_factory.mktemp("tagger")):
        yield Analyst(resources)


@pytest.fixture
def endpoint(bedrock: BedrockEndpoint) -> BedrockEndpoint:
    jobs_take(bedrock)
    return bedrock


def jobs_take(bedrock: BedrockEndpoint, **settings: Any) -> None:
    bedrock.control("jobs", {"minimum_records": LEAST_RECORDS, **settings}, method="PUT")


def upload(analyst: Analyst, name: str, body: bytes, lane: str) -> str:
    """Put a file with the word for its lane; the run's id."""
    resources = analyst.resources
    key = f"uploads/{name}"
    answer = resources.client("s3").put_object(Bucket=resources.bucket, Key=key, Body=body, Metadata={"lane": lane})
    return run_id(resources.bucket, key, etag=answer["ETag"], version_id=answer.get("VersionId"))


def document(analyst: Analyst, run: str) -> dict[str, Any]:
    """The run's document; empty while there is none."""
    s3 = analyst.resources.client("s3")
    try:
        body = s3.get_object(Bucket=analyst.resources.bucket, Key=run_document_key(run))["Body"].read()
    except s3.exceptions.NoSuchKey:
        return {}
    found: dict[str, Any] = json.loads(body)
    return found


def calls(endpoint: BedrockEndpoint) -> int:
    """Records and calls that the stand-ins have answered."""
    models = endpoint.control("stats")["models"]
    return int(models.get(FEEDBACK_MODEL_ID, {}).get("answered", 0))


def test_a_file_that_asks_for_it_is_labelled_by_batch_jobs_alone_and_costs_half(
    analyst: Analyst, endpoint: BedrockEndpoint
) -> None:
    dear = analyst.result_of(upload(analyst, "dear.csv", a_file(many_rows(85, prefix="dear")), "realtime"))
    run = upload(analyst, "cheap.csv", a_file(many_rows(85, prefix="deal")), "batch")
    result = analyst.result_of(run)
    assert (result["status"], result["lane"], result["stored"], result["rejected"]) == ("complete", "batch", 85, 0)
    # 17 prompts: one job of 12 records, and one of the 5 that are left.
    assert [part["records"]["succeeded"] for part in result["batch"]] == [12, 5]
    assert {part["status"] for part in result["batch"]} == {"Completed"}
    assert all(part["chunks"]["asked_again"] == 0 for part in result["batch"])
    assert result["tokens"]["calls"] == 17
    assert (dear["lane"], dear["by_label"], dear["tokens"]) == ("realtime", result["by_label"], result["tokens"])
    assert result["cost"]["usd"] == pytest.approx(dear["cost"]["usd"] / 2, rel=0.01)
    assert result["cost"]["quoted_usd"] == pytest.approx(dear["cost"]["quoted_usd"] / 2, rel=0.01)


def test_what_a_job_leaves_open_is_asked_at_once_and_nothing_is_paid_twice(
    analyst: Analyst, endpoint: BedrockEndpoint
) -> None:
    jobs_take(endpoint, fail_records=2, drop_records=1)
    run = upload(analyst, "errors.csv", a_file(many_rows(60, prefix="err")), "batch")
    result = analyst.result_of(run)
    assert (result["status"], result["stored"]) == ("complete", 60)
    (part,) = result["batch"]
    assert (part["records"]["failed"], part["chunks"]["asked_again"]) == (2, 3)
    # Twelve prompts are paid for once each: nine in the job and three at once. The dropped one was answered and lost.
    assert result["tokens"]["calls"] == 12
    assert calls(endpoint) == 13


@pytest.mark.parametrize("ends_as", ["Failed", "Expired", "PartiallyCompleted"])
def test_a_job_that_does_not_do_its_work_leaves_it_to_the_pool(
    analyst: Analyst, endpoint: BedrockEndpoint, ends_as: str
) -> None:
    jobs_take(endpoint, ends_as=ends_as)
    run = upload(analyst, f"{ends_as}.csv", a_file(many_rows(60, prefix=ends_as)), "batch")
    result = analyst.result_of(run)
    assert (result["status"], result["stored"], result["tokens"]["calls"]) == ("complete", 60, 12)
    (part,) = result["batch"]
    assert (part["status"], part["chunks"]["asked_again"]) == (ends_as, 6 if ends_as == "PartiallyCompleted" else 12)
    assert "stand-in" in part["reason"]


def test_a_job_that_somebody_stops_leaves_its_rows_to_the_pool(analyst: Analyst, endpoint: BedrockEndpoint) -> None:
    jobs_take(endpoint, seconds=600)
    run = upload(analyst, "stopped.csv", a_file(many_rows(60, prefix="stop")), "batch")
    wait_until(
        lambda: any(part["job_arn"] for part in document(analyst, run).get("batch", ())), within=40, what="a job"
    )
    shown = document(analyst, run)
    assert (shown["status"], shown["lane"], shown["stored"]) == ("open", "batch", 0)
    (part,) = shown["batch"]
    bedrock = aws_client({**analyst.resources.environment, **endpoint.environment()}, "bedrock")
    bedrock.stop_model_invocation_job(jobIdentifier=part["job_arn"])
    result = analyst.result_of(run)
    assert (result["status"], result["stored"], result["batch"][0]["status"]) == ("complete", 60, "Stopped")


def test_a_small_file_is_asked_at_once_whatever_it_asks_for(analyst: Analyst, endpoint: BedrockEndpoint) -> None:
    result = analyst.result_of(upload(analyst, "small.csv", a_file(many_rows(8, prefix="few")), "batch"))
    assert (result["status"], result["lane"], result["batch"]) == ("complete", "realtime", [])


def test_without_a_deadline_a_file_that_asks_for_nothing_is_asked_at_once(
    analyst: Analyst, endpoint: BedrockEndpoint
) -> None:
    result = analyst.result_of(upload(analyst, "auto.csv", a_file(many_rows(60, prefix="auto")), "auto"))
    assert (result["status"], result["lane"]) == ("complete", "realtime")


def test_rows_that_are_stored_already_are_no_part_of_a_job(analyst: Analyst, endpoint: BedrockEndpoint) -> None:
    rows = many_rows(60, prefix="twice")
    first = analyst.result_of(upload(analyst, "twice-1.csv", a_file(rows), "batch"))
    before = calls(endpoint)
    more = many_rows(30, first=60, prefix="twice")
    second = analyst.result_of(upload(analyst, "twice-2.csv", a_file([*rows, *more]), "batch"))
    assert (first["stored"], second["stored"], second["duplicates"]) == (60, 30, 60)
    assert calls(endpoint) - before == 6
