"""An environment to ship to: the emulator's registry and ECS, whose tasks are containers of a Docker daemon.

The registry speaks Docker's protocol and refuses a tag twice, as ECR's with immutable tags. Of a task definition the
emulator's ECS takes image, command, environment, network and platform to Docker, and nothing else; the image's own
entry point and user are the ones that Terraform names. A task that runs for a second is well to it: it has no health
checks, and an image that starts and never becomes healthy would pass here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws import aws_client
from local.emulator import REGION, Emulator, running_emulator
from local.processes import inherited_environment

ROOT = Path(__file__).resolve().parents[2]
NO_DIGEST = "sha256:" + "0" * 64
CLUSTER = "desk"
REPOSITORY = "desk-ticket-agent"
CAME_FROM_ECS = "com.amazonaws.ecs.task-definition-family"


@dataclass(frozen=True, slots=True)
class Environment:
    """Where `make push` and the pipeline's scripts work; ``folder`` holds what Terraform would say of it."""

    emulator: Emulator
    folder: Path
    repository: str

    @property
    def variables(self) -> dict[str, str]:
        """The caller's environment: a Docker that knows no other registry's password, a terraform that answers."""
        ours = {"DOCKER_CONFIG": str(self.folder / "docker"), "DOCKER_HOST": docker_host()}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {**inherited_environment("HOME"), "PATH": path, **ours, **self.emulator.environment()}

    def client(self, service: str) -> Any:
        return aws_client(self.emulator.environment(), service)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command as its caller runs it, from the checkout's root."""
        return subprocess.run(words, cwd=ROOT, env=self.variables, capture_output=True, text=True, check=False)

    def script(self, name: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """One of the pipeline's scripts, as CodeBuild calls it."""
        return self.run(sys.executable, f"infra/pipeline/{name}.py", "--cluster", CLUSTER, *options)

    def make_push(self, revision: str) -> "subprocess.CompletedProcess[str]":
        """`make push` of an image that `make images` has built of ``revision``, for this machine's own platform."""
        platform = docker(
            "image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", f"deskhand-ticket_agent:{revision}"
        )
        options = [f"REVISION={revision}", f"PLATFORM={platform}", f"ARGS=--environments {self.folder / 'envs'}"]
        return self.run("make", "--no-print-directory", "push", "SERVICE=ticket_agent", "ENV=dev", *options)

    def register(self, family: str, environment: Mapping[str, str], command: Sequence[str] = ()) -> None:
        """A task definition as Terraform leaves it before the first push, with the network of this machine."""
        container = {
            "name": "main",
            "image": f"{self.repository}@{NO_DIGEST}",
            "essential": True,
            "command": list(command),
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
        }
        self.client("ecs").register_task_definition(
            family=family, networkMode="host", containerDefinitions=[container], cpu="256", memory="512"
        )

    def create_service(self, name: str) -> None:
        """A service as Terraform leaves it: no task yet, and a circuit breaker that rolls back."""
        self.client("ecs").create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=name,
            desiredCount=0,
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
            deploymentConfiguration={
                "minimumHealthyPercent": 100,
                "maximumPercent": 200,
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            },
        )


@contextmanager
def running_environment(folder: Path) -> Iterator[Environment]:
    """A registry with the ticket agent's repository, an empty cluster, and outputs that name them."""
    with running_emulator(folder / "emulator", docker_host=docker_host()) as emulator:
        registry = emulator.url.removeprefix("http://")
        environment = Environment(emulator, folder, f"{registry}/{REPOSITORY}")
        environment.client("ecr").create_repository(repositoryName=REPOSITORY, imageTagMutability="IMMUTABLE")
        environment.client("ecs").create_cluster(clusterName=CLUSTER)
        _answer_as_terraform(folder, environment.repository)
        try:
            yield environment
        finally:
            _remove_tasks(environment)


def derived(image: str, revision: str, *lines: str) -> None:
    """Build an image on ``image``, under the name that `make images` gives the ticket agent of ``revision``."""
    recipe = "\n".join([f"FROM {image}", *lines])
    docker("build", "--quiet", "--tag", f"deskhand-ticket_agent:{revision}", "-", entered=recipe)


def containers(family: str) -> list[str]:
    """The ids of a family's containers that run."""
    return docker("ps", "--no-trunc", "--quiet", "--filter", f"label={CAME_FROM_ECS}={family}").split()


def docker(*words: str, entered: str | None = None) -> str:
    """What Docker prints; AssertionError with its complaint if it fails."""
    said = subprocess.run(["docker", *words], input=entered, capture_output=True, text=True, check=False)
    assert said.returncode == 0, f"docker {' '.join(words)}: {said.stderr}"
    return said.stdout.strip()


def docker_host() -> str:
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


def _answer_as_terraform(folder: Path, repository: str) -> None:
    """A `terraform` that tells the outputs of the environment ``dev``, and nothing else."""
    outputs = {
        "region": REGION,
        "repository_urls": {"ticket-agent": repository},
        "pipeline_names": {"ticket-agent": "desk-ticket-agent"},
    }
    place = folder / "envs" / "dev"
    place.mkdir(parents=True)
    (place / "main.tf").touch()
    (place / "outputs.json").write_text(json.dumps({"deskhand": {"value": outputs}}))
    program = folder / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$2 $3" = "output -json" ] && exec cat "${1#-chdir=}/outputs.json"\n')
    program.chmod(0o755)


def _remove_tasks(environment: Environment) -> None:
    """The emulator's end would leave its containers running."""
    ecs = environment.client("ecs")
    for arn in ecs.list_services(cluster=CLUSTER)["serviceArns"]:
        ecs.delete_service(cluster=CLUSTER, service=arn, force=True)
    label = f"label=com.amazonaws.ecs.cluster={ecs.describe_clusters(clusters=[CLUSTER])['clusters'][0]['clusterArn']}"
    for container in docker("ps", "--all", "--quiet", "--filter", label).split():
        docker("rm", "--force", "--volumes", container)
    # By their names in this registry: by its id, an image would lose all its names.
    images = docker("images", "--digests", "--format", "{{.Tag}} {{.Digest}}", environment.repository)
    for tag, digest in (line.split() for line in images.splitlines()):
        docker("rmi", f"{environment.repository}@{digest}" if tag == "<none>" else f"{environment.repository}:{tag}")
