"""What the deploy script makes of what ECS says: pure decisions, and the conversation with recorded answers of AWS."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.pipeline import deploy
from infra.pipeline.deploy import Begun, Deployment, DeploymentFailed, Progress, progress_of, with_image

DIGEST = "sha256:" + "a" * 64
OLDER_DIGEST = "sha256:" + "b" * 64
REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk-ticket-agent"
FAMILY = "arn:aws:ecs:eu-central-1:123456789012:task-definition/desk-ticket-agent"
BEGUN = Begun(revision=f"{FAMILY}:8", former=f"{FAMILY}:7")
ROLLING_BACK = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/7246342417563559064."
NOT_STARTED = "ECS deployment circuit breaker: tasks failed to start."


def a_deployment(status: str, revision: int, state: str, reason: str = "") -> dict[str, Any]:
    return {
        "status": status,
        "taskDefinition": f"{FAMILY}:{revision}",
        "rolloutState": state,
        "rolloutStateReason": reason,
    }


def a_service(*deployments: Mapping[str, Any], desired: int = 1, status: str = "ACTIVE") -> dict[str, Any]:
    return {
        "serviceName": "desk-ticket-agent",
        "status": status,
        "taskDefinition": f"{FAMILY}:7",
        "desiredCount": desired,
        "runningCount": desired,
        "deployments": list(deployments),
    }


def a_definition(image: str = f"{REPOSITORY}@{OLDER_DIGEST}", **more: Any) -> dict[str, Any]:
    log = {
        "awslogs-group": "/deskhand/desk-ticket-agent",
        "awslogs-region": "eu-central-1",
        "awslogs-stream-prefix": "main",
    }
    container = {"name": "main", "image": image, "logConfiguration": {"logDriver": "awslogs", "options": log}}
    return {"family": "desk-ticket-agent", "containerDefinitions": [container], "cpu": "256", **more}


MEANWHILE = a_deployment("ACTIVE", 7, "COMPLETED")


@pytest.mark.parametrize(
    ("deployments", "expected"),
    [
        pytest.param(
            [a_deployment("PRIMARY", 8, "IN_PROGRESS", "in progress."), MEANWHILE],
            Progress("running", "in progress."),
            id="its tasks start",
        ),
        pytest.param(
            [a_deployment("PRIMARY", 8, "COMPLETED", "completed.")], Progress("done", "completed."), id="it is done"
        ),
        pytest.param(
            [a_deployment("PRIMARY", 7, "IN_PROGRESS", ROLLING_BACK), a_deployment("ACTIVE", 8, "FAILED", NOT_STARTED)],
            Progress("rolling back", NOT_STARTED),
            id="the circuit breaker puts the former one back",
        ),
        pytest.param(
            [a_deployment("PRIMARY", 7, "IN_PROGRESS", ROLLING_BACK)],
            Progress("rolling back", ROLLING_BACK),
            id="it is gone from the list before the rollback ends",
        ),
        pytest.param(
            [a_deployment("PRIMARY", 7, "COMPLETED", "completed."), a_deployment("ACTIVE", 8, "FAILED", NOT_STARTED)],
            Progress("failed", NOT_STARTED),
            id="the former one runs again",
        ),
        pytest.param(
            [a_deployment("PRIMARY", 7, "FAILED", "tasks failed to start.")],
            Progress("failed", "tasks failed to start."),
            id="the former one fails too",
        ),
        pytest.param(
            [a_deployment("PRIMARY", 8, "FAILED", NOT_STARTED)],
            Progress("failed", f"{NOT_STARTED} There was no earlier deployment to go back to."),
            id="the first deployment ever fails",
        ),
        pytest.param(
            [a_deployment("PRIMARY", 9, "IN_PROGRESS"), a_deployment("ACTIVE", 8, "IN_PROGRESS")],
            Progress("failed", "another deployment, of desk-ticket-agent:9, has taken its place"),
            id="somebody deploys another meanwhile",
        ),
    ],
)
def test_how_a_deployment_stands_is_read_from_all_of_the_services_deployments(
    deployments: Sequence[Mapping[str, Any]], expected: Progress
) -> None:
    assert progress_of(a_service(*deployments), BEGUN) == expected


@pytest.mark.parametrize(
    "image", [REPOSITORY, f"{REPOSITORY}:1.0", f"{REPOSITORY}@{OLDER_DIGEST}", f"{REPOSITORY}:1.0@{OLDER_DIGEST}"]
)
def test_the_image_keeps_its_repository_and_loses_its_tag(image: str) -> None:
    changed = with_image(a_definition(image), "main", DIGEST)

    assert changed["containerDefinitions"][0]["image"] == f"{REPOSITORY}@{DIGEST}"


def test_a_port_of_the_registry_is_no_tag() -> None:
    assert deploy.repository_of("127.0.0.1:5000/desk") == "127.0.0.1:5000/desk"


def test_only_the_named_containers_image_changes() -> None:
    definition = a_definition()
    definition["containerDefinitions"].append({"name": "sidecar", "image": "sidecar:1"})

    changed = with_image(definition, "main", DIGEST)

    assert changed["containerDefinitions"][1] == {"name": "sidecar", "image": "sidecar:1"}


def test_what_ecs_adds_to_a_definition_is_not_registered_again() -> None:
    described = a_definition(
        revision=7, status="ACTIVE", taskDefinitionArn=f"{FAMILY}:7", volumes=[], taskRoleArn="role"
    )

    assert set(with_image(described, "main", DIGEST)) == {"family", "containerDefinitions", "cpu", "taskRoleArn"}


def test_a_container_that_is_not_there_is_named_beside_those_that_are() -> None:
    with pytest.raises(DeploymentFailed, match="no container worker; it has main"):
        with_image(a_definition(), "worker", DIGEST)


def test_everything_that_is_kept_of_a_definition_can_be_registered() -> None:
    operation = client("ecs").meta.service_model.operation_model("RegisterTaskDefinition")

    assert set(deploy.REGISTERED) <= set(operation.input_shape.members)
    # Whatever AWS adds one day would be lost at each deployment; tags would need a right of their own.
    assert set(operation.input_shape.members) - set(deploy.REGISTERED) <= {"tags", "inferenceAccelerators"}


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@cache
def client(name: str) -> Any:
    return boto3.client(name, region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-")


class Recorded:
    """A deployment whose AWS answers are given one by one; each must be asked for with the parameters told."""

    def __init__(self, ecs: Stubber, scaling: Stubber) -> None:
        self.said: list[str] = []
        self.ecs, self.scaling = ecs, scaling
        self.deployment = Deployment(ecs.client, scaling.client, "desk", "desk-ticket-agent", "main", self.said.append)

    def begins(self, digest: str) -> Begun:
        begun = self.deployment.begin(digest)
        self.all_was_asked()
        return begun

    def service(self, service: Mapping[str, Any] | None) -> None:
        asked = {"cluster": "desk", "services": ["desk-ticket-agent"]}
        self.ecs.add_response("describe_services", {"services": [service] if service else []}, asked)

    def definition(self, name: str, definition: Mapping[str, Any]) -> None:
        self.ecs.add_response("describe_task_definition", {"taskDefinition": definition}, {"taskDefinition": name})

    def registration(self, digest: str) -> None:
        expected = with_image(a_definition(), "main", digest)
        self.ecs.add_response(
            "register_task_definition", {"taskDefinition": {"taskDefinitionArn": BEGUN.revision}}, expected
        )

    def update(self, tasks: int) -> None:
        asked = {"cluster": "desk", "service": "desk-ticket-agent", "taskDefinition": BEGUN.revision}
        self.ecs.add_response("update_service", {}, {**asked, "desiredCount": tasks})

    def targets(self, *targets: Mapping[str, Any]) -> None:
        asked = {"ResourceIds": ["service/desk/desk-ticket-agent"], **deploy.SCALING}
        self.scaling.add_response("describe_scalable_targets", {"ScalableTargets": list(targets)}, asked)

    def all_was_asked(self) -> None:
        self.ecs.assert_no_pending_responses()
        self.scaling.assert_no_pending_responses()


@pytest.fixture
def aws() -> Iterator[Recorded]:
    with Stubber(client("ecs")) as ecs, Stubber(client("application-autoscaling")) as scaling:
        yield Recorded(ecs, scaling)


def a_target(*, suspended: bool, minimum: int) -> dict[str, Any]:
    state = dict.fromkeys(deploy.AWAKE, suspended)
    named = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/desk/desk-ticket-agent",
        "RoleARN": "arn:aws:iam::1:role/s",
    }
    bounds = {"MinCapacity": minimum, "MaxCapacity": 4, "ScalableDimension": "ecs:service:DesiredCount"}
    return {**named, **bounds, "SuspendedState": state, "CreationTime": 0}


def test_the_familys_latest_revision_gets_the_image_so_that_new_settings_come_along(aws: Recorded) -> None:
    aws.targets()
    aws.service(a_service(desired=2))
    aws.definition("desk-ticket-agent", a_definition())
    aws.registration(DIGEST)
    aws.update(tasks=2)

    assert aws.deployment.begin(DIGEST) == BEGUN

    aws.all_was_asked()
    assert aws.said == [f"desk-ticket-agent: desk-ticket-agent:8 with {DIGEST}, 2 tasks"]


def test_current_deploys_the_image_that_the_service_runs_and_not_the_latest_that_failed(aws: Recorded) -> None:
    aws.targets()
    aws.service(a_service())
    aws.definition("desk-ticket-agent", a_definition(f"{REPOSITORY}@{DIGEST}"))
    aws.definition(BEGUN.former, a_definition(f"{REPOSITORY}@{OLDER_DIGEST}"))
    aws.registration(OLDER_DIGEST)
    aws.update(tasks=1)

    aws.deployment.begin(deploy.CURRENT)

    aws.all_was_asked()


def test_current_is_refused_where_the_service_runs_a_tag(aws: Recorded) -> None:
    aws.service(a_service())
    aws.definition("desk-ticket-agent", a_definition())
    aws.definition(BEGUN.former, a_definition(f"{REPOSITORY}:1.0"))

    with pytest.raises(DeploymentFailed, match=r"desk-ticket-agent:1\.0, which is no image by digest"):
        aws.deployment.begin(deploy.CURRENT)

    aws.all_was_asked()


@pytest.mark.parametrize("found", [None, a_service(status="INACTIVE"), a_service(status="DRAINING")])
def test_a_service_that_is_not_there_or_was_deleted_gets_nothing(
    aws: Recorded, found: Mapping[str, Any] | None
) -> None:
    aws.service(found)

    with pytest.raises(DeploymentFailed, match="no service desk-ticket-agent in the cluster desk"):
        aws.deployment.begin(DIGEST)


@pytest.mark.parametrize(("minimum", "tasks"), [(0, 1), (1, 1), (2, 2)])
def test_a_service_that_never_ran_is_woken_with_its_least_tasks(aws: Recorded, minimum: int, tasks: int) -> None:
    aws.service(a_service(desired=0))
    aws.definition("desk-ticket-agent", a_definition())
    aws.registration(DIGEST)
    aws.targets(a_target(suspended=True, minimum=minimum))
    resumed = {"ResourceId": "service/desk/desk-ticket-agent", "SuspendedState": deploy.AWAKE, **deploy.SCALING}
    aws.scaling.add_response("register_scalable_target", {}, resumed)
    aws.update(tasks)

    aws.deployment.begin(DIGEST)

    aws.all_was_asked()


def test_scaling_that_is_awake_is_left_alone_and_so_are_more_tasks_than_the_least(aws: Recorded) -> None:
    aws.service(a_service(desired=3))
    aws.definition("desk-ticket-agent", a_definition())
    aws.registration(DIGEST)
    aws.targets(a_target(suspended=False, minimum=1))
    aws.update(tasks=3)

    aws.deployment.begin(DIGEST)

    aws.all_was_asked()


def test_a_rollback_is_waited_for_and_then_the_deployment_has_failed(aws: Recorded) -> None:
    failed = a_deployment("ACTIVE", 8, "FAILED", NOT_STARTED)
    aws.service(a_service(a_deployment("PRIMARY", 8, "IN_PROGRESS", "in progress."), MEANWHILE))
    aws.service(a_service(a_deployment("PRIMARY", 7, "IN_PROGRESS", ROLLING_BACK), failed))
    aws.service(a_service(a_deployment("PRIMARY", 7, "COMPLETED"), failed))
    clock = Clock()

    with pytest.raises(DeploymentFailed, match=r"does not run desk-ticket-agent:8: .* tasks failed to start"):
        aws.deployment.watch(BEGUN, limit_seconds=60, now=clock, sleep=clock.sleep)

    aws.all_was_asked()
    assert aws.said == ["desk-ticket-agent: in progress.", f"desk-ticket-agent: {NOT_STARTED}"]


def test_a_deployment_without_end_is_given_up_at_the_limit_and_ecs_is_said_to_go_on(aws: Recorded) -> None:
    for _ in range(int(60 / deploy.POLL_SECONDS) + 1):
        aws.service(a_service(a_deployment("PRIMARY", 8, "IN_PROGRESS", "in progress."), MEANWHILE))
    clock = Clock()

    with pytest.raises(DeploymentFailed, match=r"not done after 60 s, and ECS goes on by itself: in progress\."):
        aws.deployment.watch(BEGUN, limit_seconds=60, now=clock, sleep=clock.sleep)

    aws.all_was_asked()
    assert clock.now == 60


def test_how_the_failed_revisions_last_tasks_ended_is_told_with_their_log(aws: Recorded) -> None:
    arns = [f"arn:aws:ecs:eu-central-1:123456789012:task/desk/{number}" for number in range(6)]
    tasks = [
        {
            "taskArn": arn,
            "taskDefinitionArn": BEGUN.former if number == 0 else BEGUN.revision,
            "stoppedReason": "Essential container in task exited",
            "stoppedAt": number,
            "containers": [{"name": "main", "exitCode": number}],
        }
        for number, arn in enumerate(arns)
    ]
    tasks[5] |= {"stoppedReason": "CannotPullContainerError: manifest unknown", "containers": [{"name": "main"}]}
    listed = {"cluster": "desk", "serviceName": "desk-ticket-agent", "desiredStatus": "STOPPED"}
    aws.ecs.add_response("list_tasks", {"taskArns": arns}, listed)
    aws.ecs.add_response("describe_tasks", {"tasks": tasks}, {"cluster": "desk", "tasks": arns})
    aws.definition(BEGUN.revision, a_definition())

    assert list(aws.deployment.endings(BEGUN)) == [
        "task 5: CannotPullContainerError: manifest unknown",
        "task 4: Essential container in task exited; exit status 4",
        "task 3: Essential container in task exited; exit status 3",
        "aws logs tail /deskhand/desk-ticket-agent --region eu-central-1 --since 1h",
    ]


@pytest.mark.parametrize("given", ["1.0", "latest", "sha256:abc", f"{REPOSITORY}@{DIGEST}", ""])
def test_what_is_no_digest_is_refused_before_aws_is_asked(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        deploy.main(["--cluster", "desk", "--service", "desk-ticket-agent", "--image-digest", given])

    assert ended.value.code == 2
    assert "a tag may mean another image tomorrow" in capsys.readouterr().err
