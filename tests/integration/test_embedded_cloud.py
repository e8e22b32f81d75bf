"""The emulator, PostgreSQL and what is provisioned on them behave as the rest of the tests assume."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from local.emulator import Emulator
from local.postgres import Postgres
from local.processes import StartFailed
from local.provisioning import QUEUES, TABLES, TOPICS, Provisioned, provision
from shared.aws.clients import aws_session, open_client
from tests.support.cloud import AwsClients
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


def bodies(resources: Provisioned, queue: str) -> list[dict[str, object]]:
    """Take what is in the queue now."""
    sqs, url = resources.client("sqs"), resources.queues[queue]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages", [])
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in messages]


def test_provisioning_again_changes_nothing(resources: Provisioned, emulator: Emulator) -> None:
    again = provision(emulator.environment(), resources.name)

    assert again == resources


def test_every_queue_has_a_dead_letter_queue_that_outlives_it(resources: Provisioned) -> None:
    sqs = resources.client("sqs")

    def attributes(name: str) -> dict[str, str]:
        answer = sqs.get_queue_attributes(QueueUrl=resources.queues[name], AttributeNames=["All"])
        return dict(answer["Attributes"])

    for queue in QUEUES:
        work, dead = attributes(queue.name), attributes(queue.dead_letter.name)
        assert json.loads(work["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 50}
        assert int(dead["MessageRetentionPeriod"]) > int(work["MessageRetentionPeriod"])
        assert work.get("FifoQueue") == dead.get("FifoQueue")


def test_only_the_ticket_table_streams(resources: Provisioned) -> None:
    dynamodb = resources.client("dynamodb")
    streaming = {
        table.name
        for table in TABLES
        if "LatestStreamArn" in dynamodb.describe_table(TableName=resources.tables[table.name])["Table"]
    }

    assert streaming == {"Ticket"}


def test_an_upload_is_announced_and_other_objects_are_not(resources: Provisioned) -> None:
    s3 = resources.client("s3")
    s3.put_object(Bucket=resources.bucket, Key="rejects/run.csv", Body=b"x")
    s3.put_object(Bucket=resources.bucket, Key="uploads/what people say.csv", Body=b"x")
    seen: list[dict[str, object]] = []

    def announced() -> bool:
        seen.extend(bodies(resources, "feedback-files"))
        return any("Records" in body for body in seen)

    wait_until(announced)
    assert [body.get("Event") for body in seen if "Event" in body] == ["s3:TestEvent"]
    assert "rejects" not in json.dumps(seen)


def test_the_mailbox_gets_what_any_topic_publishes(resources: Provisioned) -> None:
    for topic in TOPICS:
        resources.client("sns").publish(TopicArn=resources.topics[topic.name], Message=f"from {topic.name}")
    got: list[object] = []

    def all_came() -> bool:
        got.extend(body["Message"] for body in bodies(resources, "mailbox"))
        return len(got) >= len(TOPICS)

    wait_until(all_came)
    assert sorted(map(str, got)) == sorted(f"from {topic.name}" for topic in TOPICS)


def test_a_message_carries_the_account_that_sent_it(resources: Provisioned, aws: AwsClients) -> None:
    url = resources.queues["ticket-intake"]
    aws("sqs", access_key="000000000111").send_message(QueueUrl=url, MessageBody="{}")

    received = wait_until(
        lambda: (
            resources.client("sqs")
            .receive_message(QueueUrl=url, WaitTimeSeconds=0, MessageSystemAttributeNames=["SenderId"])
            .get("Messages")
        )
    )

    assert received[0]["Attributes"]["SenderId"] == "000000000111"


async def test_the_services_own_client_reaches_the_emulator(resources: Provisioned) -> None:
    async with open_client(aws_session(), "sqs") as sqs:
        listed = await sqs.list_queues(QueueNamePrefix=resources.name)

    assert set(listed["QueueUrls"]) == set(resources.queues.values())


def test_the_emulator_listens_on_loopback_only(emulator: Emulator) -> None:
    port = urlsplit(emulator.url).port
    assert port is not None
    other = {entry[4][0] for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}

    for address in other - {"127.0.0.1"}:
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((str(address), port)) != 0
    assert urlsplit(emulator.url).hostname == "127.0.0.1"


async def test_every_test_gets_an_empty_database_of_its_own(database: str, postgres: Postgres) -> None:
    connection = await asyncpg.connect(database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_stat_user_tables") == 0
        assert await connection.fetchval("SHOW listen_addresses") == ""
        assert await connection.fetchval("SHOW TimeZone") == "UTC"
    finally:
        await connection.close()
    assert postgres.dsn("another") != database


def test_a_database_is_created_once(postgres: Postgres) -> None:
    name = 'odd "name'
    postgres.create_database(name)

    with pytest.raises(StartFailed, match="already exists"):
        postgres.create_database(name)


KILLED_HOLDER = """
import json, sys, time
from pathlib import Path
from local.emulator import running_emulator
from local.postgres import running_postgres
folder = Path(sys.argv[1])
with running_emulator(folder) as emulator, running_postgres(folder) as postgres:
    print(json.dumps({"url": emulator.url, "socket": str(postgres.socket_folder)}), flush=True)
    time.sleep(600)
"""


def test_killing_the_holder_ends_the_emulator_and_postgres(tmp_path: Path) -> None:
    """SIGKILL to a process that runs both: their ports close without any clean-up of ours."""
    holder = subprocess.Popen(
        [sys.executable, "-c", KILLED_HOLDER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT, env=dict(os.environ)
    )
    assert holder.stdout is not None
    running = json.loads(holder.stdout.readline())
    holder.stdout.close()
    port = urlsplit(running["url"]).port
    postmaster = int((Path(running["socket"]) / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    holder.kill()
    holder.wait()

    def emulator_is_gone() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) != 0

    wait_until(emulator_is_gone, what="the emulator's end")
    wait_until(lambda: not Path(f"/proc/{postmaster}").exists(), what="PostgreSQL's end")
    wait_until(lambda: not Path(running["socket"]).exists(), what="the end of the cluster's folder")
