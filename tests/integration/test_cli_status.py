"""`deskhand status` on real queues, tables, a bucket and alarms."""

import json
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from local.provisioning import Provisioned
from services.feedback_tagger.domain.run import RunState, document, run_document_key
from shared.aws.items import to_item
from shared.clock import as_utc_text
from shared.model.spend import day_of

Deskhand: TypeAlias = Callable[..., Result]


@pytest.fixture
def deskhand(resources: Provisioned) -> Deskhand:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--cloud", "aws", "--name", resources.name])

    return run


def put(resources: Provisioned, table: str, **row: Any) -> None:
    resources.client("dynamodb").put_item(TableName=resources.tables[table], Item=to_item(row))


def put_run(resources: Provisioned, **state: Any) -> None:
    run = RunState(
        run_id="run-1",
        bucket=resources.bucket,
        key="uploads/f.csv",
        task="categorise",
        revision=1,
        started_at=0,
        **state,
    )
    body = json.dumps(document(run, now=1.0, unknown="unknown")).encode()
    resources.client("s3").put_object(Bucket=resources.bucket, Key=run_document_key("run-1"), Body=body)


def test_an_idle_installation_needs_no_look(deskhand: Deskhand) -> None:
    result = deskhand("status")

    assert result.exit_code == 0, result.output
    assert "feedback-chunks" in result.stdout
    assert "nothing needs a look" in result.stdout


def test_everything_that_waits_is_counted_and_what_is_wrong_is_named(
    deskhand: Deskhand, resources: Provisioned
) -> None:
    now = time.time()
    sqs = resources.client("sqs")
    sqs.send_message(QueueUrl=resources.queues["feedback-items"], MessageBody="{}")
    sqs.send_message(QueueUrl=resources.queues["feedback-files-dead"], MessageBody="{}")
    put(resources, "Lease", leaseKey="ticket-stream/shard-1", leaseOwner="task-1", leaseCounter=4, checkpoint="17")
    put(resources, "Lease", leaseKey="ticket-stream/shard-2", leaseCounter=4, checkpoint="18")
    put(resources, "Lease", leaseKey="ticket-stream")
    put(resources, "Lease", leaseKey="model-shares/m")
    for ticket, due in (("T-1", now - 3600), ("T-2", now + 3600)):
        row = {"ticketId": ticket, "employeeId": "111", "assignStatus": "unassigned"}
        put(resources, "Ticket", **row, agenda="due", dueAt=as_utc_text(due))
    put(resources, "Idempotency", idempotencyKey=f"spend#feedback-usd#{day_of(now)}", tokens=49_000_000_000)
    put(resources, "Idempotency", idempotencyKey=f"spend#tickets#{day_of(now)}", tokens=1234)
    put_run(resources, status="open", rows_read=40, total_chunks=4, chunks_done=1)

    result = deskhand("status", "--tickets", "--json")
    found = json.loads(result.stdout)

    assert result.exit_code == 1
    queues = {queue["name"]: queue for queue in found["queues"]}
    assert queues["feedback-items"]["visible"] == 1
    assert queues["feedback-files"]["dead"] == 1
    assert [(lease["shard"], lease["holder"]) for lease in found["leases"]] == [("shard-1", "task-1"), ("shard-2", "")]
    assert (found["awaiting"], found["overdue"]) == (2, 1)
    assert found["tickets"] == {"unassigned": 2}
    assert [(run["run_id"], run["chunks_done"], run["chunks_total"]) for run in found["runs"]] == [("run-1", 1, 4)]
    assert {spend["account"]: (spend["spent"], spend["limit"]) for spend in found["spend"]} == {
        "tickets": (1234, 20_000_000),
        "feedback": (49.0, 50.0),
    }
    assert len(found["needs_a_look"]) == 4


def test_it_shows_what_cloudwatch_knows(deskhand: Deskhand, resources: Provisioned) -> None:
    cloudwatch = resources.client("cloudwatch")
    for suffix in ("oldest-message-ticket-intake", "feedback-tagger-idle"):
        alarm = f"{resources.name}-{suffix}"
        cloudwatch.put_metric_alarm(
            AlarmName=alarm,
            Namespace="AWS/SQS",
            MetricName="ApproximateAgeOfOldestMessage",
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    cloudwatch.put_metric_data(
        Namespace="AWS/SQS",
        MetricData=[
            {
                "MetricName": "ApproximateAgeOfOldestMessage",
                "Dimensions": [{"Name": "QueueName", "Value": f"{resources.name}-ticket-intake"}],
                "Timestamp": time.time() - 60,
                "Value": 5000.0,
            }
        ],
    )
    found = json.loads(deskhand("status", "--json").stdout)

    assert found["alarms"] == [f"{resources.name}-oldest-message-ticket-intake"]
    assert {queue["name"]: queue["oldest_seconds"] for queue in found["queues"]}["ticket-intake"] == 5000.0
    assert len(found["needs_a_look"]) == 2


def test_a_wrong_name_is_said(resources: Provisioned) -> None:
    result = CliRunner().invoke(app, ["status", "--cloud", "aws", "--name", f"{resources.name}-not"])

    assert result.exit_code == 1
    assert "there is no queue" in result.stderr
