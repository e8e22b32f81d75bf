"""`deskhand doctor` on real resources, a real database and the local Bedrock endpoint; then with things broken."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.checks import Line, Patient, State
from cli.checks_of_models import database, models
from cli.cloud import Cloud, CloudChoice, open_cloud
from cli.deployed import Deployed, Service, deployed
from cli.names import Names
from local.bedrock_endpoint import BedrockEndpoint
from local.provisioning import AGENT, TAGGER, Provisioned
from services.feedback_tagger.store.migrate import migrate_database

Deskhand: TypeAlias = Callable[..., Result]


@pytest.fixture
def deskhand(resources: Provisioned) -> Deskhand:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--cloud", "aws", "--name", resources.name])

    return run


def said(result: Result) -> dict[str, list[dict[str, str]]]:
    """The lines by check."""
    lines = json.loads(result.stdout)["checks"]
    return {name: [line for line in lines if line["check"] == name] for name in {line["check"] for line in lines}}


def a_patient(resources: Provisioned, bedrock: BedrockEndpoint | None = None, **tagger: str) -> Patient:
    """The embedded cloud with a tagger of these settings."""
    environment = {**resources.environment, **(bedrock.environment() if bedrock else {})}
    names = Names(name=resources.name, account=resources.account, region=environment["AWS_REGION"])
    cloud = Cloud(names=names, session=None, environment=environment)
    there = Deployed({TAGGER: Service(name=TAGGER, environment=tagger)})
    return Patient(cloud=cloud, deployed=there, now=datetime.now(UTC), ask=True)


def states(lines: list[Line]) -> list[State]:
    return [line.state for line in lines]


def test_a_sound_installation_fails_nothing(deskhand: Deskhand) -> None:
    result = deskhand("doctor", "--json")
    found = said(result)

    assert result.exit_code == 0, result.output
    for check in ("credentials", "clock", "queues", "tables", "bucket"):
        assert [line["state"] for line in found[check]] == ["ok"], check
    assert found["services"][0]["state"] == "warn"


def test_what_is_missing_is_named_with_its_remedy(deskhand: Deskhand, resources: Provisioned) -> None:
    resources.client("sqs").delete_queue(QueueUrl=resources.queues["feedback-chunks-dead"])
    resources.client("s3").put_bucket_notification_configuration(
        Bucket=resources.bucket, NotificationConfiguration={"QueueConfigurations": []}
    )
    dynamodb = resources.client("dynamodb")
    dynamodb.update_table(TableName=resources.tables["Ticket"], StreamSpecification={"StreamEnabled": False})
    dynamodb.update_time_to_live(
        TableName=resources.tables["Idempotency"],
        TimeToLiveSpecification={"Enabled": False, "AttributeName": "expiresAt"},
    )
    resources.client("sns").delete_topic(TopicArn=resources.topics["run-results"])
    dynamodb.delete_table(TableName=resources.tables["Ledger"])

    result = deskhand("doctor", "--json")
    found = said(result)

    assert result.exit_code == 1
    failed = [line for lines in found.values() for line in lines if line["state"] == "fail"]
    words = "feedback-chunks-dead", "-Ledger", "no stream", "TTL", "no file would be read", "run-results"
    assert len(failed) == len(words)
    for word in words:
        assert any(word in line["said"] for line in failed), word
    assert all(line["remedy"] for line in failed)


def test_settings_and_tasks_are_read_from_ecs(resources: Provisioned) -> None:
    ecs, name = resources.client("ecs"), f"{resources.name}-ticket-agent"
    ecs.create_cluster(clusterName=resources.name)
    environment = [{"name": "TICKET_TOKENS_PER_DAY", "value": "7"}]
    definition = ecs.register_task_definition(
        family=name, containerDefinitions=[{"name": "a", "image": "x", "memory": 64, "environment": environment}]
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(cluster=resources.name, serviceName=name, taskDefinition=definition, desiredCount=0)

    found = deployed(open_cloud(CloudChoice.AWS, resources.name))

    assert found[AGENT].setting("ticket_tokens_per_day") == "7"
    assert found[AGENT].setting("ticket_turns") == 24
    assert found[AGENT].wanted == 0
    assert "feedback-tagger" in found.unknown


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("us.amazon.nova-lite-v1:0", [State.OK, State.OK]),
        ("anthropic.claude-3-sonnet-20240229-v1:0", [State.FAIL, State.FAIL, State.FAIL]),
        ("nobody.knows-v1:0", [State.WARN, State.FAIL, State.FAIL]),
    ],
)
def test_models_are_priced_looked_up_and_asked(
    bedrock: BedrockEndpoint, resources: Provisioned, model_id: str, expected: list[State]
) -> None:
    lines = list(models(a_patient(resources, bedrock, FEEDBACK_MODEL_ID=model_id)))

    assert states([line for line in lines if line.said.startswith("FEEDBACK_MODEL_ID")]) == expected
    assert states([line for line in lines if line.said.startswith("EMBEDDING_MODEL_ID")]) == [State.OK, State.OK]


@pytest.mark.parametrize("migrated", [True, False])
def test_the_database_is_entered_as_the_settings_say(
    resources: Provisioned, any_database: str, *, migrated: bool
) -> None:
    if migrated:
        asyncio.run(migrate_database(any_database))
    lines = list(database(a_patient(resources, DATABASE_URL=any_database)))

    assert states(lines) == [State.OK, State.OK if migrated else State.FAIL]


def test_a_database_that_is_away_says_what_is_known(resources: Provisioned) -> None:
    (line,) = database(a_patient(resources, DATABASE_URL="postgresql://desk@127.0.0.1:9/desk"))

    assert line.state is State.FAIL
    assert "127.0.0.1:9" in line.said
