"""Runs one task of a family with an image by its digest, and ends as its container ended.

    python infra/pipeline/run_task.py --cluster desk --family desk-feedback-migration \\
        --like-service desk-feedback-tagger --image-digest sha256:...

It runs in the subnets and security groups of the service it is named like. The pipeline runs the migration so, before
it deploys: if this fails, nothing is deployed.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

# Called by its path, a script finds only what lies beside it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.pipeline.deploy import DIGEST, POLL_SECONDS, DeploymentFailed, ending_of, log_of, name_of, with_image


@dataclass(frozen=True, slots=True)
class Ended:
    """How the task ended: the container's exit status, and a line that says it."""

    status: int
    line: str


@dataclass(frozen=True, slots=True)
class Started:
    """A task that was started: its ARN and the command that shows its log, empty if there is none."""

    arn: str
    log: str


def ended(task: Mapping[str, Any], container: str) -> Ended | None:
    """How the task ended, None while it runs. Raises DeploymentFailed if its container never started."""
    if task["lastStatus"] != "STOPPED":
        return None
    ours: Mapping[str, Any] = next((one for one in task.get("containers", ()) if one["name"] == container), {})
    if "exitCode" not in ours:
        raise DeploymentFailed(f"the container did not run: {ending_of(task, container)}")
    return Ended(int(ours["exitCode"]), ending_of(task, container))


def start(ecs: Any, *, cluster: str, family: str, like_service: str, container: str, digest: str) -> Started:
    """Register the revision with the image and start one task of it."""
    services = ecs.describe_services(cluster=cluster, services=[like_service])["services"]
    active = [one for one in services if one["status"] == "ACTIVE"]
    if not active:
        raise DeploymentFailed(f"there is no service {like_service} in the cluster {cluster}")
    definition = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
    registered = ecs.register_task_definition(**with_image(definition, container, digest))["taskDefinition"]
    answer = ecs.run_task(
        cluster=cluster,
        taskDefinition=registered["taskDefinitionArn"],
        launchType="FARGATE",
        networkConfiguration=active[0]["networkConfiguration"],
        count=1,
    )
    if answer.get("failures") or not answer["tasks"]:
        raise DeploymentFailed(f"the task was not started: {answer.get('failures')}")
    arn = str(answer["tasks"][0]["taskArn"])
    return Started(arn, log_of(definition, container, name_of(arn)))


def wait(
    ecs: Any, *, cluster: str, task: str, container: str, limit_seconds: float,
    now: Callable[[], float], sleep: Callable[[float], None],
) -> Ended:  # fmt: skip
    """How the task ended. Raises DeploymentFailed if its container never started or does not end in time."""
    until = now() + limit_seconds
    while True:
        described = ecs.describe_tasks(cluster=cluster, tasks=[task])
        # Right after RunTask ECS may not know its own task yet: reads lag behind writes.
        end = ended(described["tasks"][0], container) if described["tasks"] else None
        if end is not None:
            return end
        if now() >= until:
            raise DeploymentFailed(f"the task has not ended after {limit_seconds:.0f} s; it goes on by itself: {task}")
        sleep(POLL_SECONDS)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run_task", description="Run one task of a family with an image by its digest."
    )
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--family", required=True)
    parser.add_argument("--like-service", required=True, help="the service in whose network the task runs")
    parser.add_argument("--image-digest", required=True)
    parser.add_argument("--container", default="main")
    parser.add_argument("--limit-seconds", type=float, default=1800.0)
    asked = parser.parse_args(arguments)
    if not DIGEST.fullmatch(asked.image_digest):
        parser.error("--image-digest: give sha256: and 64 hexadecimal digits; a tag may mean another image tomorrow")
    ecs = boto3.client("ecs")
    try:
        task = start(
            ecs, cluster=asked.cluster, family=asked.family, like_service=asked.like_service,
            container=asked.container, digest=asked.image_digest,
        )  # fmt: skip
        print(f"{asked.family}: {task.arn}")
        if task.log:
            print(f"{asked.family}: its log: {task.log}")
        end = wait(
            ecs, cluster=asked.cluster, task=task.arn, container=asked.container, limit_seconds=asked.limit_seconds,
            now=time.monotonic, sleep=time.sleep,
        )  # fmt: skip
    except (DeploymentFailed, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{asked.family}: {end.line}", file=sys.stdout if end.status == 0 else sys.stderr)
    return 0 if end.status == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
