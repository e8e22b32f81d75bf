"""What the script that runs a task makes of how the task ends."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.pipeline import run_task
from infra.pipeline.deploy import POLL_SECONDS, DeploymentFailed, with_image
from infra.pipeline.run_task import Ended, Started, ended

DIGEST = "sha256:" + "a" * 64
TASK = "arn:aws:ecs:eu-central-1:123456789012:task/desk/0123"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"]}}
LOG = {"awslogs-group": "/deskhand/desk-migration", "awslogs-region": "eu-central-1", "awslogs-stream-prefix": "main"}
DEFINITION = {
    "family": "desk-migration",
    "containerDefinitions": [
        {"name": "main", "image": "r/desk:0", "logConfiguration": {"logDriver": "awslogs", "options": LOG}}
    ],
}
WHERE = {"cluster": "desk", "task": TASK, "container": "main"}


def a_task(status: str = "STOPPED", **container: Any) -> dict[str, Any]:
    reason = container.pop("stopped_reason", "Essential container in task exited")
    return {
        "taskArn": TASK,
        "lastStatus": status,
        "stoppedReason": reason,
        "containers": [{"name": "main", **container}],
    }


@pytest.fixture(scope="module")
def ecs() -> Any:
    region = {"region_name": "eu-central-1", "aws_access_key_id": "-", "aws_secret_access_key": "-"}
    return boto3.client("ecs", **region)


@pytest.mark.parametrize("status", [0, 1, 137])
def test_a_task_ends_as_its_container_did(status: int) -> None:
    line = f"task 0123: Essential container in task exited; exit status {status}"

    assert ended(a_task(exitCode=status), "main") == Ended(status, line)


@pytest.mark.parametrize("status", ["PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING"])
def test_a_task_that_is_not_stopped_has_not_ended(status: str) -> None:
    assert ended(a_task(status), "main") is None


def test_a_container_that_never_started_is_no_success_and_ecs_says_why() -> None:
    task = a_task(stopped_reason="Task failed to start", reason="CannotPullContainerError: no such image")

    with pytest.raises(DeploymentFailed, match="Task failed to start; CannotPullContainerError: no such image"):
        ended(task, "main")


def test_a_task_without_the_container_is_no_success() -> None:
    with pytest.raises(DeploymentFailed, match="the container did not run"):
        ended(a_task(exitCode=0), "worker")


def started(ecs: Any) -> Started:
    return run_task.start(
        ecs, cluster="desk", family="desk-migration", like_service="desk-tagger", container="main", digest=DIGEST
    )


def with_service(stub: Stubber, status: str = "ACTIVE") -> None:
    service = {"serviceName": "desk-tagger", "status": status, "networkConfiguration": NETWORK}
    stub.add_response("describe_services", {"services": [service]}, {"cluster": "desk", "services": ["desk-tagger"]})


def with_run(stub: Stubber, **answer: Any) -> None:
    with_service(stub)
    stub.add_response("describe_task_definition", {"taskDefinition": DEFINITION}, {"taskDefinition": "desk-migration"})
    registered = {"taskDefinition": {"taskDefinitionArn": "desk-migration:2"}}
    stub.add_response("register_task_definition", registered, with_image(DEFINITION, "main", DIGEST))
    asked = {"cluster": "desk", "taskDefinition": "desk-migration:2", "launchType": "FARGATE", "count": 1}
    stub.add_response("run_task", answer, {**asked, "networkConfiguration": NETWORK})


def test_the_task_runs_by_digest_in_the_services_network_and_its_own_log_is_named(ecs: Any) -> None:
    with Stubber(ecs) as stub:
        with_run(stub, tasks=[{"taskArn": TASK}], failures=[])

        task = started(ecs)

        stub.assert_no_pending_responses()
    command = (
        "aws logs tail /deskhand/desk-migration --region eu-central-1 --since 1h --log-stream-names main/main/0123"
    )
    assert task == Started(TASK, command)


def test_a_task_that_ecs_does_not_start_is_a_failure_with_its_reason(ecs: Any) -> None:
    with Stubber(ecs) as stub:
        with_run(stub, tasks=[], failures=[{"reason": "Capacity is unavailable at this time"}])

        with pytest.raises(DeploymentFailed, match="Capacity is unavailable"):
            started(ecs)


def test_the_network_of_a_deleted_service_is_not_used(ecs: Any) -> None:
    with Stubber(ecs) as stub:
        with_service(stub, status="INACTIVE")

        with pytest.raises(DeploymentFailed, match="no service desk-tagger in the cluster desk"):
            started(ecs)


def test_a_task_that_ecs_does_not_know_yet_is_asked_for_again(ecs: Any) -> None:
    slept: list[float] = []
    with Stubber(ecs) as stub:
        asked = {"cluster": "desk", "tasks": [TASK]}
        stub.add_response("describe_tasks", {"tasks": [], "failures": [{"reason": "MISSING"}]}, asked)
        stub.add_response("describe_tasks", {"tasks": [a_task("RUNNING")]}, asked)
        stub.add_response("describe_tasks", {"tasks": [a_task(exitCode=0)]}, asked)

        end = run_task.wait(ecs, **WHERE, limit_seconds=60, now=lambda: sum(slept), sleep=slept.append)

    assert end.status == 0
    assert slept == [POLL_SECONDS] * 2


def test_a_task_without_end_is_given_up_at_the_limit_and_said_to_go_on(ecs: Any) -> None:
    slept: list[float] = []
    with Stubber(ecs) as stub:
        for _ in range(3):
            stub.add_response("describe_tasks", {"tasks": [a_task("RUNNING")]}, {"cluster": "desk", "tasks": [TASK]})

        with pytest.raises(DeploymentFailed, match=f"not ended after 4 s; it goes on by itself: {TASK}"):
            run_task.wait(ecs, **WHERE, limit_seconds=2 * POLL_SECONDS, now=lambda: sum(slept), sleep=slept.append)


def test_a_tag_is_refused_before_aws_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run_task.main(["--cluster", "c", "--family", "f", "--like-service", "s", "--image-digest", "1.0"])

    assert end.value.code == 2
    assert "a tag may mean another image tomorrow" in capsys.readouterr().err
