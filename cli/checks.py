"""What `deskhand doctor` looks at: each check answers in lines of its own, and none stops the others."""

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.exceptions import BotoCoreError, ClientError

from cli.cloud import Cloud
from cli.deployed import Deployed
from cli.errors import UserError, absent, aws_problem
from cli.redrive import url_of
from cli.snapshot import ringing
from local.provisioning import QUEUES, SUBSCRIPTIONS, TABLES, TOPICS, UPLOADS_PREFIX, UPLOADS_QUEUE, Table

SKEW_WARNS, SKEW_FAILS = 30.0, 300.0
"""Seconds. AWS refuses a signature that is more than five minutes off."""
CONNECT_SECONDS = 3.0
ENDPOINTS = ("sqs", "dynamodb", "s3", "sns", "bedrock-runtime", "cloudwatch")
APPLY = "apply the Terraform, or check --name (DESKHAND_NAME)"


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Line:
    """One finding. Whatever is not ok says what to do."""

    check: str
    state: State
    said: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Whom the checks look at; ``ask`` allows calls of models, which cost something."""

    cloud: Cloud
    deployed: Deployed
    now: datetime
    ask: bool

    @property
    def embedded(self) -> bool:
        return self.cloud.environment is not None


Check: TypeAlias = Callable[[Patient], Iterator[Line]]


def ok(check: str, said: str) -> Line:
    return Line(check, State.OK, said)


def warn(check: str, said: str, remedy: str) -> Line:
    return Line(check, State.WARN, said, remedy)


def fail(check: str, said: str, remedy: str) -> Line:
    return Line(check, State.FAIL, said, remedy)


def examined(patient: Patient, checks: Sequence[tuple[str, Check]]) -> Iterator[Line]:
    """Every check's lines. One that AWS refuses is a line too: a right that is missing is a finding."""
    for name, check in checks:
        try:
            yield from check(patient)
        except UserError as error:
            yield fail(name, error.problem, error.remedy)
        except (BotoCoreError, ClientError) as error:
            problem = aws_problem(error)
            yield fail(name, problem.problem, problem.remedy)


def identity(patient: Patient) -> Iterator[Line]:
    answer = patient.cloud.client("sts").get_caller_identity()
    yield ok("credentials", f"{answer['Arn']} in {patient.cloud.names.region}; SQS calls you {answer['UserId']}")
    stamp = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if stamp is not None:
        yield clock(datetime.now(UTC), parsedate_to_datetime(stamp))


def clock(here: datetime, there: datetime) -> Line:
    """How far this machine's clock is from that of AWS."""
    skew = abs((here - there).total_seconds())
    said = f"{skew:.0f} s from the other side's"
    remedy = "set this machine's clock by NTP: AWS refuses signatures that are five minutes off"
    if skew >= SKEW_FAILS:
        return fail("clock", said, remedy)
    return warn("clock", said, remedy) if skew >= SKEW_WARNS else ok("clock", said)


def endpoints(patient: Patient) -> Iterator[Line]:
    """Whether a connection can be made from here; the services have their own way, through the VPC."""
    for service in ENDPOINTS:
        host, port = first_hop(patient.cloud.client(service).meta.endpoint_url)
        problem = unreachable(host, port)
        if problem:
            yield fail(
                "endpoints", f"{service}: {host}:{port}: {problem}", "check DNS, proxy and firewall of this machine"
            )
        else:
            yield ok("endpoints", f"{service}: {host}:{port}")


def first_hop(address: str) -> tuple[str, int]:
    """Host and port that the SDK connects to for ``address``: those of a proxy, if the environment names one for it."""
    url = urlsplit(address)
    proxy = getproxies().get(url.scheme)
    if proxy and not proxy_bypass(str(url.hostname)):
        url = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    return str(url.hostname), url.port or (443 if url.scheme == "https" else 80)


def unreachable(host: str, port: int) -> str:
    """Why no connection can be made from here; empty if one can."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
            return ""
    except OSError as error:
        return str(error)


def queues(patient: Patient) -> Iterator[Line]:
    missing = []
    for queue in (each for work in QUEUES for each in (work, work.dead_letter)):
        try:
            url_of(patient.cloud, queue)
        except UserError:
            missing.append(queue.full_name(patient.cloud.names.name))
    if missing:
        yield fail("queues", f"there is no {', '.join(missing)}", APPLY)
    else:
        yield ok("queues", f"{len(QUEUES)} and as many for dead letters")


def tables(patient: Patient) -> Iterator[Line]:
    wrong = [line for table in TABLES for line in _table(patient, table)]
    yield from wrong or [ok("tables", f"{len(TABLES)} are there; Ticket has its stream and its agenda")]


def _table(patient: Patient, table: Table) -> Iterator[Line]:
    """What is wrong with the table."""
    dynamodb, name = patient.cloud.client("dynamodb"), patient.cloud.names.table(table.name)
    try:
        found = dynamodb.describe_table(TableName=name)["Table"]
    except ClientError as error:
        if not absent(error):
            raise
        yield fail("tables", f"there is no table {name}", APPLY)
        return
    problems = []
    if found["TableStatus"] not in ("ACTIVE", "UPDATING"):
        problems.append(f"is {found['TableStatus']}")
    if table.streams and found.get("StreamSpecification", {}).get("StreamViewType") != "NEW_AND_OLD_IMAGES":
        problems.append("has no stream of new and old images: no ticket would be worked on")
    if table.index and table.index.name not in [each["IndexName"] for each in found.get("GlobalSecondaryIndexes", ())]:
        problems.append(f"has no index {table.index.name}: nothing overdue would be found")
    if table.expires_at:
        expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        on = expiry.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
        if not on or expiry.get("AttributeName") != table.expires_at:
            problems.append(f"keeps items for ever: TTL on {table.expires_at} is off")
    yield from (fail("tables", f"{name} {problem}", APPLY) for problem in problems)


def bucket(patient: Patient) -> Iterator[Line]:
    s3, name = patient.cloud.client("s3"), patient.cloud.names.bucket
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if not absent(error):
            raise
        yield fail("bucket", f"there is no bucket {name}", APPLY)
        return
    told = s3.get_bucket_notification_configuration(Bucket=name).get("QueueConfigurations", [])
    queue = f":{patient.cloud.names.queue(UPLOADS_QUEUE)}"
    if any(each["QueueArn"].endswith(queue) and UPLOADS_PREFIX in _prefixes(each) for each in told):
        yield ok("bucket", f"{name} tells {UPLOADS_QUEUE} about {UPLOADS_PREFIX}")
    else:
        yield fail("bucket", f"{name} tells nobody about {UPLOADS_PREFIX}: no file would be read", APPLY)


def _prefixes(configuration: Any) -> list[str]:
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return [rule["Value"] for rule in rules if rule["Name"].lower() == "prefix"]


def topics(patient: Patient) -> Iterator[Line]:
    names = patient.cloud.names
    sns = patient.cloud.client("sns")
    subscribed: dict[str, list[str]] = {}
    for topic in TOPICS:
        arn = f"arn:{_partition(names.region)}:sns:{names.region}:{names.account}:{names.name}-{topic.name}"
        try:
            sns.get_topic_attributes(TopicArn=arn)
            pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
            found = [each for page in pages for each in page["Subscriptions"]]
        except ClientError as error:
            if not absent(error):
                raise
            yield fail("topics", f"there is no topic {arn}", APPLY)
            continue
        subscribed[topic.name] = [str(each["Endpoint"]) for each in found]
        pending = sum(each["SubscriptionArn"] == "PendingConfirmation" for each in found)
        if pending:
            yield warn(
                "topics", f"{topic.name}: {pending} subscriptions wait for a click", "confirm them in their e-mail"
            )
        elif not found:
            yield warn("topics", f"{topic.name}: nobody is subscribed", "subscribe an address (docs/deploy.md)")
        else:
            yield ok("topics", f"{topic.name}: {len(found)} subscriptions")
    for queue, topic_name in SUBSCRIPTIONS.items():
        if topic_name in subscribed and not any(
            each.endswith(f":{names.queue(queue)}") for each in subscribed[topic_name]
        ):
            yield fail("topics", f"{topic_name} does not tell {queue}: dashboards would lack tickets", APPLY)


@cache
def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def services(patient: Patient) -> Iterator[Line]:
    if patient.deployed.unknown and patient.deployed.services:
        yield fail("services", patient.deployed.unknown, APPLY)
    elif patient.deployed.unknown:
        yield warn(
            "services",
            f"their settings cannot be read ({patient.deployed.unknown})",
            "models, quotas and database are checked by the settings of the services: ask for ecs:DescribeServices and "
            "ecs:DescribeTaskDefinition, or deploy them",
        )
    for service in patient.deployed.services.values():
        if service.wanted is None:
            yield ok("services", f"{service.name}: settings read")
        elif service.stopped:
            remedy = "start it (docs/runbook.md, 'Stop a service'): changes of tickets are kept for 24 hours"
            yield warn("services", f"{service.name}: no task is wanted", remedy)
        elif (service.running or 0) < service.wanted:
            remedy = "docs/runbook.md, 'Ticket agent gone' and 'Crashes'"
            yield fail("services", f"{service.name}: {service.running} of {service.wanted} tasks run", remedy)
        else:
            yield ok("services", f"{service.name}: {service.running} of {service.wanted} tasks run")


def alarms(patient: Patient) -> Iterator[Line]:
    if patient.embedded:
        yield ok("alarms", "the embedded cloud has none")
        return
    rings = ringing(patient.cloud)
    yield from (warn("alarms", f"{name} rings", "docs/runbook.md has a section for it") for name in rings)
    if not rings:
        first = patient.cloud.client("cloudwatch").describe_alarms(
            AlarmNamePrefix=f"{patient.cloud.names.name}-", MaxRecords=1
        )
        there = first.get("MetricAlarms") or first.get("CompositeAlarms")
        yield ok("alarms", "none rings") if there else warn("alarms", "there is none", APPLY)


RESOURCES: tuple[tuple[str, Check], ...] = (
    ("credentials", identity),
    ("endpoints", endpoints),
    ("queues", queues),
    ("tables", tables),
    ("bucket", bucket),
    ("topics", topics),
    ("services", services),
)
