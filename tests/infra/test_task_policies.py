"""Least privilege, proven: what the services called of AWS in a run of both flows, beside what their roles allow.

Every call of the running services goes through a recorder. Nothing may be used that is not allowed, and nothing allowed
that is neither used nor explained here. What the recorder cannot see (a key that another service uses on the role's
behalf, a sign-in to the database) is among the explained.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from local.bedrock_endpoint import BedrockEndpoint
from local.cloud import FEEDBACK_MODEL_ID
from local.demo.sample import DIRECTORY
from local.emulator import Emulator
from local.postgres import Postgres
from local.provisioning import AGENT, QUEUES, TABLES, TAGGER, Provisioned, provision
from local.services import TICKET_AGENT, start_service, wait_until_healthy
from tests.support import terraform
from tests.support.cloud import AwsClients
from tests.support.feedback import a_file, many_rows
from tests.support.recorded_calls import Need, recorded_calls
from tests.support.tagger_process import Analyst, running_tagger
from tests.support.terraform import Whole
from tests.support.ticket_flow import MODEL, OutsideDesk
from tests.support.tickets import a_text
from tests.support.waiting import wait_until

NAME = "desk"
ACCOUNT, REGION = "123456789012", "eu-central-1"
ARN = f"arn:aws:{{}}:{REGION}:{ACCOUNT}:{{}}"
STREAM = ARN.format("dynamodb", f"table/{NAME}-Ticket/stream/2026-01-01T00:00:00.000")
SQS = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}"
KEY = ARN.format("kms", "key/11111111-2222-3333-4444-555555555555")

# Action (a pattern) => why a role has it, although this run does not show it used.
UNSEEN: Mapping[str, Mapping[str, str]] = {
    AGENT: {
        "kms:*": "SQS, SNS and DynamoDB use the keys on the role's behalf",
        "servicequotas:GetServiceQuota": "asked with MODEL_QUOTAS=service-quotas, which the embedded cloud has not",
        "sqs:SendMessage * *-dead*": "what nobody can read or finish is set aside; this run shows two queues",
        "sqs:ChangeMessageVisibility": "a heartbeat after twenty seconds of work, and what a drain gives back",
        "dynamodb:Scan * *-Ticket": "the way back after stream records were lost",
        "dynamodb:DeleteItem * *-Lease": "of a shard that has ended; the embedded stream has one for ever",
        "dynamodb:PutItem * *-Ledger": "a decision's refusal and a transcript's first part",
        "dynamodb:PutItem * *-Lease": "the first lease of a shard",
        "dynamodb:GetItem * *-Lease": "a lease that may have been stolen is read again",
        "dynamodb:Query * *-Ledger": "the worker reads a ledger again when it takes up a run that was killed",
        "dynamodb:Query * *-Ticket": "a ticket id alone is looked up when somebody decides on it",
        "dynamodb:ConditionCheckItem": "writes are held to what was read; not every premise comes up",
        "dynamodb:GetItem * *-ResolverGroup": "a ticket that is not about access is routed",
        "dynamodb:Query * *-Ticket/index/agenda": "the sweeper's look at what is overdue",
        "dynamodb:GetItem * *-Idempotency": "claims and the day's tokens are read where a write was refused",
    },
    TAGGER: {
        "kms:*": "SQS, SNS, S3 and DynamoDB use the key on the role's behalf",
        "rds-db:connect": "the embedded database has passwords",
        "servicequotas:GetServiceQuota": "asked with MODEL_QUOTAS=service-quotas, which the embedded cloud has not",
        "sqs:SendMessage * *-dead*": "only what nobody can read or finish is set aside; this run shows one queue of it",
        "sqs:ChangeMessageVisibility": "a heartbeat after twenty seconds of work, and what a drain gives back",
        "sqs:DeleteMessage * *-ticket-outcomes": "no ticket ends in this run",
        "s3:GetObjectVersion": "the embedded bucket keeps no versions",
        "s3:GetObject": "AWS's bucket keeps versions, and a notification names one; then it is s3:GetObjectVersion",
        "s3:ListBucket": "no call has the name: it is what tells a missing object from a forbidden one",
        "s3:AbortMultipartUpload": "an upload in parts that breaks off",
        "s3:PutObject": "a run without rejects writes none, and the categories are kept under one key",
        "dynamodb:GetItem * *-Idempotency": "the day's dollars are read where a write was refused",
        "dynamodb:UpdateItem * *-Lease": "tasks share the quota by it where a quota is known",
        "bedrock:InvokeModel": "the local endpoint takes another id of the same model",
    },
}


@dataclass(frozen=True, slots=True)
class Allowed:
    action: str
    resource: str

    def covers(self, need: Need) -> bool:
        return self.action == need.action and fnmatchcase(as_arn(need), self.resource)


def as_arn(need: Need) -> str:
    """The ARN that AWS would hold the call to, with this test's prefix in the place of the run's."""
    service = need.action.partition(":")[0]
    match service:
        case "s3":
            return f"arn:aws:s3:::{need.resource}"
        case "bedrock":
            return f"arn:aws:bedrock:{REGION}::foundation-model/{need.resource}"
        case "dynamodb":
            return STREAM if need.resource == "stream" else ARN.format("dynamodb", f"table/{need.resource}")
        case "servicequotas":
            return ARN.format("servicequotas", "bedrock/L-00000000")
    return ARN.format(service, need.resource)


def allowed_by(whole: Whole, role: str) -> list[Allowed]:
    """What a task's role is allowed: its own document, and with a service those of the models in it."""
    parts = [f"data.aws_iam_policy_document.{role}", *(["module.model."] if role == "task" else [])]
    documents = [document for document in whole.documents() if document.address.startswith(tuple(parts))]
    return [
        Allowed(action, resource)
        for document in documents
        for statement in document.values["statement"]
        for action in statement["actions"]
        for resource in statement["resources"]
    ]


def is_explained(allowed: Allowed, reasons: Mapping[str, str]) -> bool:
    for pattern in reasons:
        action, _, resource = pattern.partition(" * ")
        if fnmatchcase(allowed.action, action) and (not resource or fnmatchcase(allowed.resource, resource)):
            return True
    return False


def inputs(service: str, bucket: str, model: str) -> str:
    """The variables of a service's stack, with the names that the embedded cloud gives."""
    queues = [queue for queue in QUEUES if queue.service == service]
    values: dict[str, Any] = {
        "name": NAME,
        "cluster_name": NAME,
        "cluster_arn": ARN.format("ecs", f"cluster/{NAME}"),
        "image": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{NAME}@sha256:{'1' * 64}",
        "repository_arn": ARN.format("ecr", f"repository/{NAME}"),
        "subnet_ids": ["subnet-1", "subnet-2"],
        "security_group_id": "sg-1",
        "size": {
            "cpu_units": 256, "memory_mib": 512, "spot": True,
            "minimum_tasks": 1, "maximum_tasks": 2, "on_demand_tasks": 1,
        },
        "queue_urls": {queue.name: f"{SQS}/{queue.full_name(NAME)}" for queue in queues},
        "queue_arns": {queue.name: ARN.format("sqs", queue.full_name(NAME)) for queue in queues},
        "queue_names": {queue.name: queue.full_name(NAME) for queue in queues},
        "dead_queue_urls": {queue.name: f"{SQS}/{queue.dead_letter.full_name(NAME)}" for queue in queues},
        "dead_queue_arns": {queue.name: ARN.format("sqs", queue.dead_letter.full_name(NAME)) for queue in queues},
        "table_names": {table.name: f"{NAME}-{table.name}" for table in TABLES},
        "table_arns": {table.name: ARN.format("dynamodb", f"table/{NAME}-{table.name}") for table in TABLES},
        "visibility_timeout_seconds": 60,
        "drain_seconds": 110,
        "data_key_arn": KEY,
        "messages_key_arn": KEY,
        "model_id": model,
        "log_retention_days": 90,
        "metric_namespace": NAME,
        "bucket_name": bucket,
        "bucket_arn": f"arn:aws:s3:::{bucket}",
    }  # fmt: skip
    if service == AGENT:
        values |= {
            "ticket_updates_topic_arn": ARN.format("sns", f"{NAME}-ticket-updates"),
            "ticket_stream_arn": STREAM,
            "ticket_agenda_index_arn": ARN.format("dynamodb", f"table/{NAME}-Ticket/index/agenda"),
        }
    else:
        values |= {
            "run_results_topic_arn": ARN.format("sns", f"{NAME}-run-results"),
            "database": {
                "url": "postgresql://app@db.example.com:5432/deskhand",
                "connect_arn": ARN.format("rds-db", "dbuser:db-ABC/app"),
                "app_user": "app",
                "master_url": "postgresql://master@db.example.com:5432/deskhand",
                "master_secret_arn": ARN.format("secretsmanager", "secret:master-AbCdEf"),
                "dashboard_user": "dashboards",
                "dashboard_secret_arn": None,
            },
        }
    return "".join(f"  {name} = {json.dumps(value)}\n" for name, value in values.items())


def renamed(need: Need, resources: Provisioned) -> Need:
    return Need(need.action, need.resource.replace(resources.name, NAME))


@contextmanager
def recorded(resources: Provisioned, bedrock: BedrockEndpoint) -> Iterator[tuple[dict[str, str], set[Need], set[str]]]:
    """Variables that lead a service's calls through recorders, what they need, and what is not understood."""
    needs: set[Need] = set()
    unknown: set[str] = set()
    with recorded_calls(resources.environment["AWS_ENDPOINT_URL"]) as aws, recorded_calls(bedrock.url) as models:
        endpoints = {"AWS_ENDPOINT_URL": aws.url} | dict.fromkeys(bedrock.environment(), models.url)
        yield endpoints, needs, unknown
        needs |= {renamed(need, resources) for recorder in (aws, models) for need in recorder.needs}
        unknown |= aws.unknown | models.unknown


def compare(whole: Whole, needs: set[Need], reasons: Mapping[str, str], *, role: str = "task") -> None:
    allowed = allowed_by(whole, role)
    refused = sorted(need for need in needs if not any(one.covers(need) for one in allowed))
    idle = [one for one in allowed if not any(one.covers(need) for need in needs) and not is_explained(one, reasons)]

    assert not refused, f"the service calls what its role refuses: {refused}"
    assert not idle, f"the role allows what the service never calls: {idle}"


def test_the_ticket_agents_role_allows_what_it_does_and_no_more(
    tree: Path, aws: AwsClients, resources: Provisioned, bedrock: BedrockEndpoint, tmp_path: Path
) -> None:
    desk = OutsideDesk(aws, resources)
    with recorded(resources, bedrock) as (endpoints, of_the_seed, _):
        load_directory(resources, endpoints)
    brief = {"DRAIN_SECONDS": "30", "LONG_POLL_SECONDS": "1", "SWEEP_SECONDS": "1", "TICKET_MODEL_ID": MODEL}
    with recorded(resources, bedrock) as (endpoints, needs, unknown):
        running = start_service(TICKET_AGENT, resources.ticket_agent(**brief) | endpoints, tmp_path)
        try:
            wait_until_healthy([running])
            desk.submit("T1", "111", a_text())
            desk.submit("T2", "121", a_text(environment="EnvironmentId: 4"))
            for queue in ("ticket-intake", "ticket-decisions"):
                desk.send(queue, "no message of ours")
                desk.dead_letter(queue)
            for ticket in ("T1", "T2"):
                desk.ended(ticket)
                wait_until(partial(desk.mail, ticket), within=30, what=f"mail about {ticket}")
        finally:
            assert running.stop() == 0, running.process.log_tail()

    assert not unknown
    assert len({need.action for need in needs}) > 12
    bucket = resources.bucket.replace(resources.name, NAME)
    whole = terraform.whole_of(tree, inputs(AGENT, bucket, MODEL), "stack/ticket_agent")
    compare(whole, needs, UNSEEN[AGENT])
    compare(whole, of_the_seed, {"kms:*": UNSEEN[AGENT]["kms:*"]}, role="seed")


def load_directory(resources: Provisioned, endpoints: dict[str, str]) -> None:
    """As the seeding task does; its own key, which Terraform gives it."""
    key = "directory/directory.yaml"
    resources.client("s3").put_object(Bucket=resources.bucket, Key=key, Body=DIRECTORY.read_bytes())
    told = resources.ticket_agent(DIRECTORY_URI=f"s3://{resources.bucket}/{key}") | endpoints
    subprocess.run([sys.executable, "-m", "services.ticket_agent", "seed"], env=told, check=True, capture_output=True)


def test_the_feedback_taggers_role_allows_what_it_does_and_no_more(
    tree: Path, emulator: Emulator, bedrock: BedrockEndpoint, postgres: Postgres, tmp_path: Path
) -> None:
    resources = provision(emulator.environment(), f"test-{secrets.token_hex(4)}")
    database = postgres.create_database(f"policies-{secrets.token_hex(4)}")
    brief = {"DATABASE_URL": database, "FEEDBACK_MODEL_ID": FEEDBACK_MODEL_ID, "DRAIN_SECONDS": "30"}
    analyst = Analyst(resources)
    rows = many_rows(30)
    rows[3]["feedback"] = " "
    with (
        recorded(resources, bedrock) as (endpoints, needs, unknown),
        running_tagger(resources.feedback_tagger(**brief) | endpoints, tmp_path),
    ):
        run = analyst.upload("a file.csv", a_file(rows))
        analyst.send_item("no row of ours")
        analyst.result_of(run)

    bucket = resources.bucket.replace(resources.name, NAME)
    assert not unknown
    assert len({need.action for need in needs}) > 6
    whole = terraform.whole_of(tree, inputs(TAGGER, bucket, FEEDBACK_MODEL_ID), "stack/feedback_tagger")
    compare(whole, needs, UNSEEN[TAGGER])
