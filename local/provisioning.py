"""What Deskhand needs of an AWS account, as one table, and creating it through the public AWS APIs.

Terraform creates the same in a real account; this is for the embedded cloud and the tests, where it takes well under
a second. Creating what is there already changes nothing.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.aws import aws_client


@dataclass(frozen=True, slots=True)
class Queue:
    """One work queue; its dead-letter queue comes with it."""

    name: str
    service: str
    fifo: bool = False

    @property
    def dead_letter(self) -> "Queue":
        return Queue(f"{self.name}-dead", self.service, self.fifo)

    def full_name(self, prefix: str) -> str:
        return f"{prefix}-{self.name}{'.fifo' if self.fifo else ''}"


@dataclass(frozen=True, slots=True)
class Index:
    """One sparse index that holds the keys of the rows which have both of its attributes."""

    name: str
    partition_key: str
    sort_key: str


@dataclass(frozen=True, slots=True)
class Table:
    """One DynamoDB table; all key attributes are strings."""

    name: str
    services: tuple[str, ...]
    partition_key: str
    sort_key: str | None = None
    streams: bool = False
    expires_at: str | None = None
    index: "Index | None" = None


@dataclass(frozen=True, slots=True)
class Topic:
    """One standard SNS topic."""

    name: str
    service: str


AGENT = "ticket_agent"
TAGGER = "feedback_tagger"

QUEUES = (
    Queue("ticket-intake", AGENT),
    Queue("ticket-decisions", AGENT),
    Queue("ticket-work", AGENT, fifo=True),
    Queue("ticket-updates", AGENT, fifo=True),
    Queue("feedback-files", TAGGER),
    Queue("feedback-chunks", TAGGER),
    Queue("feedback-items", TAGGER),
    Queue("ticket-outcomes", TAGGER),
)
TABLES = (
    Table("User", (AGENT,), "employeeId"),
    Table("Environment", (AGENT,), "environmentId"),
    Table("ResolverGroup", (AGENT,), "groupId"),
    Table("UserAccess", (AGENT,), "employeeId", "environmentId"),
    Table("Ticket", (AGENT,), "ticketId", "employeeId", streams=True, index=Index("agenda", "agenda", "dueAt")),
    Table("Ledger", (AGENT,), "ticketId", "entry"),
    Table("Lease", (AGENT, TAGGER), "leaseKey"),
    Table("Idempotency", (AGENT, TAGGER), "idempotencyKey", expires_at="expiresAt"),
)
TOPICS = (
    Topic("ticket-updates", AGENT),
    Topic("run-results", TAGGER),
)
BUCKET = "uploads"
UPLOADS_PREFIX = "uploads/"
UPLOADS_QUEUE = "feedback-files"
SUBSCRIPTIONS = {"ticket-outcomes": "ticket-updates"}
"""Which queue of a service gets the notifications of which topic, wrapped as SNS wraps them."""
MAILBOX = "mailbox"
"""A queue subscribed to every topic, so that a user without an e-mail address reads notifications, and tests too."""

# Failures are counted by the services themselves: give-backs and stopped tasks raise the receive count as well, so
# this limit is a net under them and not the retry limit.
MAX_RECEIVE_COUNT = 50
VISIBILITY_SECONDS = 60
LONG_POLL_SECONDS = 20
RETENTION_SECONDS = 4 * 24 * 3600
# A dead letter keeps its first enqueue time: its queue must outlive the work queue.
DEAD_RETENTION_SECONDS = 14 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What exists now, by its short name, and the environment that tells a service about it."""

    environment: Mapping[str, str]
    name: str
    account: str
    queues: Mapping[str, str]
    """Queue URLs by short name: ``ticket-intake``, ``ticket-intake-dead``, ..., ``mailbox``."""
    tables: Mapping[str, str]
    """Table names by short name: ``User``, ``Ticket``, ..."""
    topics: Mapping[str, str]
    """Topic ARNs by short name: ``ticket-updates``, ``run-results``."""
    bucket: str

    def client(self, service: str) -> Any:
        """A boto3 client in the same account."""
        return aws_client(self.environment, service)

    def ticket_agent(self, **more: str) -> dict[str, str]:
        """The AWS variables and all resource variables of the ticket agent, and ``more``."""
        return {**self.environment, **self._resources(AGENT), "TRUSTED_RELAYS": self.account, **more}

    def feedback_tagger(self, **more: str) -> dict[str, str]:
        """The AWS variables and all resource variables of the feedback tagger, and ``more``."""
        own = {
            "UPLOADS_BUCKET": self.bucket,
            "BATCH_ROLE_ARN": f"arn:aws:iam::{self.account}:role/{self.name}-feedback-batch",
        }
        return {**self.environment, **self._resources(TAGGER), **own, **more}

    def _resources(self, service: str) -> dict[str, str]:
        variables = {}
        for queue in (queue for queue in QUEUES if queue.service == service):
            variables[f"{_capitals(queue.name)}_QUEUE_URL"] = self.queues[queue.name]
            variables[f"{_capitals(queue.name)}_DEAD_QUEUE_URL"] = self.queues[queue.dead_letter.name]
        for table in (table for table in TABLES if service in table.services):
            variables[f"{_capitals(table.name)}_TABLE"] = self.tables[table.name]
        for topic in (topic for topic in TOPICS if topic.service == service):
            variables[f"{_capitals(topic.name)}_TOPIC_ARN"] = self.topics[topic.name]
        return variables


def provision(environment: Mapping[str, str], name: str = "deskhand") -> Provisioned:
    """Create every queue, table, topic and the bucket under the prefix ``name`` in the account of ``environment``."""
    account = str(aws_client(environment, "sts").get_caller_identity()["Account"])
    region = environment["AWS_REGION"]
    sqs = aws_client(environment, "sqs")
    queues = {}
    for queue in QUEUES:
        dead_letter_url = _create_dead_letter_queue(sqs, queue.dead_letter, name)
        queues[queue.dead_letter.name] = dead_letter_url
        queues[queue.name] = _create_queue(sqs, queue, name, dead_letter_arn=_queue_arn(sqs, dead_letter_url))
    topics = {topic.name: _create_topic(environment, topic, name) for topic in TOPICS}
    queues[MAILBOX] = _create_mailbox(environment, name, topics.values())
    for queue_name, topic_name in SUBSCRIPTIONS.items():
        _subscribe(environment, queues[queue_name], [topics[topic_name]])
    bucket = f"{name}-{BUCKET}-{account}-{region}".lower()
    _create_bucket(environment, bucket, notifies=queues[UPLOADS_QUEUE])
    return Provisioned(
        environment=dict(environment),
        name=name,
        account=account,
        queues=queues,
        tables={table.name: _create_table(environment, table, name) for table in TABLES},
        topics=topics,
        bucket=bucket,
    )


def _capitals(name: str) -> str:
    """``UserAccess`` and ``user-access`` as ``USER_ACCESS``."""
    words = "".join(f"-{letter}" if letter.isupper() else letter for letter in name)
    return words.strip("-").replace("-", "_").upper()


def _tags(prefix: str) -> dict[str, str]:
    return {"application": "deskhand", "name": prefix}


def _create_dead_letter_queue(sqs: Any, queue: Queue, prefix: str) -> str:
    kind = {"FifoQueue": "true"} if queue.fifo else {}
    return _queue(sqs, queue.full_name(prefix), prefix, {**kind, "MessageRetentionPeriod": str(DEAD_RETENTION_SECONDS)})


def _create_queue(sqs: Any, queue: Queue, prefix: str, *, dead_letter_arn: str) -> str:
    attributes = {
        "VisibilityTimeout": str(VISIBILITY_SECONDS),
        "ReceiveMessageWaitTimeSeconds": str(LONG_POLL_SECONDS),
        "MessageRetentionPeriod": str(RETENTION_SECONDS),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": MAX_RECEIVE_COUNT}),
    }
    if queue.fifo:
        # High throughput: the limits count a message group, not the queue.
        attributes |= {
            "FifoQueue": "true",
            "ContentBasedDeduplication": "false",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
    return _queue(sqs, queue.full_name(prefix), prefix, attributes)


def _queue(sqs: Any, full_name: str, prefix: str, attributes: dict[str, str]) -> str:
    return str(sqs.create_queue(QueueName=full_name, Attributes=attributes, tags=_tags(prefix))["QueueUrl"])


def _queue_arn(sqs: Any, url: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def _let_send(sqs: Any, url: str, *, service: str, sources: list[str]) -> None:
    """Let an AWS service send to the queue, for these sources and nothing else."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": _queue_arn(sqs, url),
        "Condition": {"ArnEquals": {"aws:SourceArn": sources}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def _create_topic(environment: Mapping[str, str], topic: Topic, prefix: str) -> str:
    tags = [{"Key": key, "Value": value} for key, value in _tags(prefix).items()]
    created = aws_client(environment, "sns").create_topic(Name=f"{prefix}-{topic.name}", Tags=tags)
    return str(created["TopicArn"])


def _create_mailbox(environment: Mapping[str, str], prefix: str, topic_arns: Any) -> str:
    sqs = aws_client(environment, "sqs")
    url = _queue(sqs, f"{prefix}-{MAILBOX}", prefix, {"MessageRetentionPeriod": str(DEAD_RETENTION_SECONDS)})
    _subscribe(environment, url, list(topic_arns))
    return url


def _subscribe(environment: Mapping[str, str], queue_url: str, topic_arns: list[str]) -> None:
    sqs, sns = aws_client(environment, "sqs"), aws_client(environment, "sns")
    _let_send(sqs, queue_url, service="sns.amazonaws.com", sources=topic_arns)
    for topic_arn in topic_arns:
        sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=_queue_arn(sqs, queue_url))


def _create_bucket(environment: Mapping[str, str], bucket: str, *, notifies: str) -> None:
    s3, sqs, region = aws_client(environment, "s3"), aws_client(environment, "sqs"), environment["AWS_REGION"]
    # us-east-1 is the one region that may not be named.
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, **place)
    _let_send(sqs, notifies, service="s3.amazonaws.com", sources=[f"arn:aws:s3:::{bucket}"])
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "Id": "feedback-files",
                    "QueueArn": _queue_arn(sqs, notifies),
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": UPLOADS_PREFIX}]}},
                }
            ]
        },
    )


def _create_table(environment: Mapping[str, str], table: Table, prefix: str) -> str:
    dynamodb = aws_client(environment, "dynamodb")
    full_name = f"{prefix}-{table.name}"
    keys = _key_schema(table.partition_key, table.sort_key)
    indexes = [table.index] if table.index else []
    names = {key["AttributeName"] for key in keys} | {
        name for index in indexes for name in (index.partition_key, index.sort_key)
    }
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
    try:
        dynamodb.create_table(
            TableName=full_name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in sorted(names)],
            KeySchema=keys,
            Tags=[{"Key": key, "Value": value} for key, value in _tags(prefix).items()],
            **(stream if table.streams else {}),
            **({"GlobalSecondaryIndexes": [_index(index) for index in indexes]} if indexes else {}),
        )
    except dynamodb.exceptions.ResourceInUseException:
        return full_name
    dynamodb.get_waiter("table_exists").wait(TableName=full_name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    if table.expires_at is not None:
        expiry = {"Enabled": True, "AttributeName": table.expires_at}
        dynamodb.update_time_to_live(TableName=full_name, TimeToLiveSpecification=expiry)
    return full_name


def _key_schema(partition_key: str, sort_key: str | None) -> list[dict[str, str]]:
    names = [(partition_key, "HASH"), *([(sort_key, "RANGE")] if sort_key else [])]
    return [{"AttributeName": name, "KeyType": kind} for name, kind in names]


def _index(index: Index) -> dict[str, Any]:
    return {
        "IndexName": index.name,
        "KeySchema": _key_schema(index.partition_key, index.sort_key),
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
