"""From `make push` to a running service, and back by itself: Docker, a registry with immutable tags, ECS's protocol."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.provisioning import Provisioned, provision
from tests.support.containers import image_or_skip
from tests.support.shipping import (
    REPOSITORY,
    Environment,
    containers,
    derived,
    docker,
    running_environment,
)
from tests.support.waiting import wait_until

SERVICE = "desk-ticket-agent"
TASK = "desk-one-task"


@pytest.fixture(scope="module")
def image() -> str:
    """The ticket agent that ships."""
    return str(image_or_skip("ticket_agent").tags[0])


@pytest.fixture(scope="module")
def desk(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An environment to ship to, in which nothing has ever run."""
    with running_environment(tmp_path_factory.mktemp("desk")) as environment:
        yield environment


@pytest.fixture(scope="module")
def resources(desk: Environment) -> Provisioned:
    """The environment's queues and tables, and the ticket agent's service without a task."""
    resources = provision(desk.emulator.environment(), "desk")
    # Two tasks of one service meet on this machine's network.
    desk.register(SERVICE, resources.ticket_agent(TICKET_MODEL_ID="amazon.nova-pro-v1:0", HEALTH_PORT="0"))
    desk.create_service(SERVICE)
    return resources


@pytest.fixture(scope="module")
def revisions() -> Iterator[list[str]]:
    """Names of revisions that no commit has; their images go at the end."""
    names = [f"proof{secrets.token_hex(4)}" for _ in range(2)]
    yield names
    for name in names:
        docker("rmi", "--force", f"deskhand-ticket_agent:{name}")


@pytest.fixture(scope="module")
def pushed(desk: Environment, image: str, revisions: list[str]) -> dict[str, str]:
    """Digests as `make push` tells them: of the ticket agent, and of one that ends at once."""
    good, broken = revisions
    docker("tag", image, f"deskhand-ticket_agent:{good}")
    derived(image, broken, 'ENTRYPOINT ["/bin/false"]')
    return {name: push(desk, name) for name in revisions}


def push(desk: Environment, revision: str) -> str:
    said = desk.make_push(revision)
    assert said.returncode == 0, said.stdout + said.stderr
    digest = re.search(rf"pushed {desk.repository}@(sha256:[0-9a-f]{{64}})", said.stdout)
    assert digest is not None, said.stdout
    return digest[1]


def deploy(desk: Environment, digest: str) -> tuple[int, str]:
    said = desk.script("deploy", "--service", SERVICE, "--image-digest", digest, "--without-scaling")
    return said.returncode, said.stdout + said.stderr


def the_task() -> str:
    """The one container of the service that runs."""
    running = wait_until(lambda: containers(SERVICE), what="a task")
    assert len(running) == 1, running
    return running[0]


def test_an_image_is_pushed_once_under_its_version_and_commit(
    desk: Environment, pushed: dict[str, str], revisions: list[str]
) -> None:
    again = desk.make_push(revisions[0])

    assert again.returncode != 0
    assert f"is taken, by {pushed[revisions[0]]}" in again.stderr
    assert "aws codepipeline start-pipeline-execution" in again.stderr
    tags = desk.client("ecr").describe_images(repositoryName=REPOSITORY)["imageDetails"]
    assert {one["imageTags"][0].partition("-")[2]: one["imageDigest"] for one in tags} == pushed


def test_a_broken_image_is_rolled_back_by_itself_and_the_next_deployment_finds_the_good_one(
    desk: Environment, resources: Provisioned, pushed: dict[str, str], revisions: list[str]
) -> None:
    good, broken = (pushed[name] for name in revisions)

    status, said = deploy(desk, good)

    assert status == 0, said
    first = the_task()
    assert docker("inspect", "--format", "{{.Config.Image}}", first) == f"{desk.repository}@{good}"
    wait_until(lambda: "started" in docker("logs", first), within=120, what="the ticket agent's own first words")

    status, said = deploy(desk, broken)

    assert status == 1, said
    assert "exit status 1" in said, "why it failed is not said"
    assert said.rstrip().endswith(f"{SERVICE}: {SERVICE}:2, 1 running"), said
    # The old task has run all the while.
    assert the_task() == first

    # The family's latest revision names the broken image.
    status, said = deploy(desk, "current")

    assert status == 0, said
    wait_until(lambda: first not in containers(SERVICE), within=120, what="the end of the old task")
    assert docker("inspect", "--format", "{{.Config.Image}}", the_task()) == f"{desk.repository}@{good}"


def test_a_task_ends_the_step_as_its_container_ended(
    desk: Environment, resources: Provisioned, pushed: dict[str, str], revisions: list[str]
) -> None:
    """The ticket agent's image loads the directory: first it is told of no tables, then of all."""
    command = ["--family", TASK, "--like-service", SERVICE, "--image-digest", pushed[revisions[0]]]
    desk.register(TASK, resources.environment, command=["seed"])

    said = desk.script("run_task", *command)

    assert said.returncode == 1, said.stdout
    assert "exit status 2" in said.stderr

    directory = Path("local/sample/directory.yaml").read_bytes()
    resources.client("s3").put_object(Bucket=resources.bucket, Key="directory.yaml", Body=directory)
    place = {"DIRECTORY_URI": f"s3://{resources.bucket}/directory.yaml"}
    desk.register(TASK, resources.ticket_agent(**place), command=["seed"])

    said = desk.script("run_task", *command)

    assert said.returncode == 0, said.stderr
    assert "exit status 0" in said.stdout
    assert resources.client("dynamodb").scan(TableName=resources.tables["User"])["Count"] > 0
