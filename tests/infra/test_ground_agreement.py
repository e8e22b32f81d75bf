"""What Terraform makes of queues, tables, topics and the bucket is what the embedded cloud has and the code expects."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from local import provisioning
from local.provisioning import QUEUES, SUBSCRIPTIONS, TABLES, TOPICS, Queue, Table
from services.feedback_tagger.settings import TaggerSettings
from services.ticket_agent.settings import TicketAgentSettings
from tests.support.terraform import ROOT, Made, Whole

PREFIX = "deskhand"
UPLOADS = f"{PREFIX}-uploads-123456789012-eu-central-1"
# botocore's name of a service => the last part of its interface endpoint's name; None: it needs none.
ENDPOINTS: Mapping[str, str | None] = {
    "bedrock": "bedrock",
    "bedrock-agent-runtime": "bedrock-agent-runtime",
    "bedrock-agentcore": "bedrock-agentcore",
    "bedrock-runtime": "bedrock-runtime",
    "rds": None,  # signs tokens for the database by itself, and calls nobody
    "dynamodb": None,  # by a gateway endpoint
    "dynamodbstreams": "dynamodb-streams",
    "s3": None,  # by a gateway endpoint
    "secretsmanager": "secretsmanager",
    "service-quotas": "servicequotas",
    "sns": "sns",
    "sqs": "sqs",
}
# What ECS itself calls to start a task and keep its logs.
FOR_ECS = {"ecr.api", "ecr.dkr", "logs"}


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_a_queue_is_the_embedded_clouds(whole: Whole, queue: Queue) -> None:
    made = whole.one("aws_sqs_queue", name=queue.full_name(PREFIX)).values
    dead = whole.one("aws_sqs_queue", name=queue.dead_letter.full_name(PREFIX)).values

    assert made["visibility_timeout_seconds"] == provisioning.VISIBILITY_SECONDS
    assert made["receive_wait_time_seconds"] == provisioning.LONG_POLL_SECONDS
    assert made["message_retention_seconds"] == provisioning.RETENTION_SECONDS
    assert dead["message_retention_seconds"] == provisioning.DEAD_RETENTION_SECONDS
    assert json.loads(made["redrive_policy"])["maxReceiveCount"] == provisioning.MAX_RECEIVE_COUNT
    assert bool(made["fifo_queue"]) is bool(dead["fifo_queue"]) is queue.fifo
    if queue.fifo:
        assert (made["deduplication_scope"], made["fifo_throughput_limit"]) == ("messageGroup", "perMessageGroupId")
        assert not made["content_based_deduplication"]


def test_terraform_makes_no_queue_that_the_embedded_cloud_has_not(whole: Whole) -> None:
    ours = {name for queue in QUEUES for name in (queue.full_name(PREFIX), queue.dead_letter.full_name(PREFIX))}

    assert {made.values["name"] for made in whole.of("aws_sqs_queue")} == {*ours, f"{PREFIX}-{provisioning.MAILBOX}"}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_is_the_embedded_clouds(whole: Whole, table: Table) -> None:
    made = whole.one("aws_dynamodb_table", name=f"{PREFIX}-{table.name}").values

    assert (made["hash_key"], made["range_key"]) == (table.partition_key, table.sort_key)
    assert made["billing_mode"] == "PAY_PER_REQUEST"
    assert made["stream_enabled"] is table.streams
    assert not table.streams or made["stream_view_type"] == "NEW_AND_OLD_IMAGES"
    assert [ttl["attribute_name"] for ttl in made["ttl"] if ttl["enabled"]] == (
        [table.expires_at] if table.expires_at else []
    )
    index = table.index
    assert [
        (entry["name"], entry["hash_key"], entry["range_key"], entry["projection_type"])
        for entry in made["global_secondary_index"]
    ] == ([(index.name, index.partition_key, index.sort_key, "KEYS_ONLY")] if index else [])


def test_terraform_makes_no_table_that_the_embedded_cloud_has_not(whole: Whole) -> None:
    names = {made.values["name"] for made in whole.of("aws_dynamodb_table")}

    assert names == {f"{PREFIX}-{table.name}" for table in TABLES}


def test_every_topic_is_there_and_is_copied_to_the_same_queues(whole: Whole) -> None:
    names = {made.values["name"] for made in whole.of("aws_sns_topic")}
    told = {
        (queue[1], topic[1])
        for made in whole.of("aws_sns_topic_subscription")
        if made.values["protocol"] == "sqs"
        and (topic := re.search(r'module\.topic\["(.+?)"\]', made.address))
        and (queue := re.search(r'\.queue\["(.+?)"\]', made.address))
    }

    assert names >= {f"{PREFIX}-{topic.name}" for topic in TOPICS}
    assert told == {*SUBSCRIPTIONS.items(), *((provisioning.MAILBOX, topic.name) for topic in TOPICS)}


def test_the_bucket_tells_the_same_queue_of_the_same_objects(whole: Whole) -> None:
    assert whole.one("aws_s3_bucket", bucket=UPLOADS)
    [told] = [
        queue
        for made in whole.of("aws_s3_bucket_notification")
        if made.address.startswith("module.storage.")
        for queue in made.values["queue"]
    ]

    assert told["filter_prefix"] == provisioning.UPLOADS_PREFIX
    assert told["events"] == ["s3:ObjectCreated:*"]
    assert whole.one("aws_sqs_queue", name=f"{PREFIX}-{provisioning.UPLOADS_QUEUE}")


def test_only_the_bucket_may_send_to_the_uploads_queue(whole: Whole) -> None:
    [sent] = [
        statement
        for statement in _statements(whole, f'module.queue["{provisioning.UPLOADS_QUEUE}"]')
        if statement["effect"] != "Deny"
    ]

    assert sent["principals"] == [{"type": "Service", "identifiers": ["s3.amazonaws.com"]}]
    assert {condition["variable"]: condition["values"] for condition in sent["condition"]} == {
        "aws:SourceArn": [f"arn:aws:s3:::{UPLOADS}"],
        "aws:SourceAccount": ["123456789012"],
    }


def test_a_queue_hides_a_message_as_long_as_the_services_believe(whole: Whole) -> None:
    hidden = {
        made.values["visibility_timeout_seconds"]
        for made in whole.of("aws_sqs_queue")
        if not made.address.endswith(f".{provisioning.MAILBOX}")
    }

    assert hidden == {TicketAgentSettings.model_fields["visibility_seconds"].default}


def test_queues_wait_for_messages_as_long_as_the_services_do(whole: Whole) -> None:
    for settings in (TicketAgentSettings, TaggerSettings):
        assert settings.model_fields["long_poll_seconds"].default == provisioning.LONG_POLL_SECONDS


def test_every_api_that_the_services_open_has_an_endpoint(whole: Whole) -> None:
    opened = _opened_clients()
    unknown = opened - set(ENDPOINTS)
    assert not unknown, f"which interface endpoint do these need? {unknown}"

    needed = {endpoint for name in opened if (endpoint := ENDPOINTS[name])} | FOR_ECS
    made = {
        made.address.rpartition('["')[2].removesuffix('"]')
        for made in whole.of("aws_vpc_endpoint")
        if made.values["vpc_endpoint_type"] == "Interface"
    }

    assert needed <= made, f"no endpoint: {needed - made}"
    gateways = {made.values["service_name"] for made in whole.of("aws_vpc_endpoint")}
    assert gateways >= {"com.amazonaws.eu-central-1.s3", "com.amazonaws.eu-central-1.dynamodb"}


def test_everything_that_keeps_data_keeps_it_under_a_key_of_ours(whole: Whole) -> None:
    attribute = {
        "aws_sqs_queue": "kms_master_key_id",
        "aws_sns_topic": "kms_master_key_id",
        "aws_cloudwatch_log_group": "kms_key_id",
        "aws_db_instance": "kms_key_id",
        "aws_secretsmanager_secret": "kms_key_id",
    }

    bare = [made.address for kind, name in attribute.items() for made in whole.of(kind) if not made.values[name]]

    assert bare == []


def test_nothing_lets_the_internet_in(whole: Whole) -> None:
    for rule in whole.of("aws_vpc_security_group_ingress_rule"):
        assert rule.values["cidr_ipv4"] is None, rule.address
        assert rule.values["cidr_ipv6"] is None, rule.address
        assert rule.values["ip_protocol"] == "tcp", rule.address
    for group in whole.of("aws_security_group"):
        assert not group.values["ingress"], f"{group.address}: rules are resources of their own"


def test_nobody_reaches_the_database_but_those_who_read_or_write_it(whole: Whole) -> None:
    port = whole.one("aws_db_instance").values["port"]
    clients = {
        rule.values["description"]
        for rule in whole.of("aws_vpc_security_group_ingress_rule")
        if rule.values["from_port"] == port
    }

    assert clients == {"feedback_tagger", "dashboards"}


def test_quicksight_gets_the_key_of_its_password(whole: Whole) -> None:
    (document,) = [one for one in whole.documents() if one.address.startswith("data.") and "password" in one.address]

    assert [statement["actions"] for statement in document.values["statement"]] == [["kms:Decrypt"]]
    secret = whole.one("aws_secretsmanager_secret").values["arn"]
    conditions = {one["variable"]: one["values"] for one in document.values["statement"][0]["condition"]}
    assert conditions["kms:EncryptionContext:SecretARN"] == [secret]
    assert whole.one("aws_iam_role_policy", role="aws-quicksight-secretsmanager-role-v0")


def test_no_statement_lets_everybody_do_anything(whole: Whole) -> None:
    open_to_all = [
        (document.address, statement["sid"])
        for document in whole.documents()
        for statement in document.values["statement"] or []
        if statement["effect"] != "Deny"
        and any("*" in principal["identifiers"] for principal in statement["principals"])
        and not statement["condition"]
        # ECR's own bucket of image layers; reads of public image layers by whoever can reach the endpoint.
        and statement["sid"] != "ImageLayers"
    ]

    assert open_to_all == []


def test_whatever_holds_data_refuses_to_be_deleted(whole: Whole) -> None:
    for table in whole.of("aws_dynamodb_table"):
        assert table.values["deletion_protection_enabled"], table.address
    database = whole.one("aws_db_instance").values
    assert database["deletion_protection"]
    assert not database["skip_final_snapshot"]
    assert not any(bucket.values["force_destroy"] for bucket in whole.of("aws_s3_bucket"))


def _statements(whole: Whole, within: str) -> list[Mapping[str, Any]]:
    documents: list[Made] = [document for document in whole.documents() if within in document.address]
    return [statement for document in documents for statement in document.values["statement"] or []]


def _opened_clients() -> set[str]:
    """The services that ``open_client`` is called for, in every file that ships."""
    return {
        argument.value
        for folder in ("services", "shared")
        for file in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"open_client", "client"}
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
