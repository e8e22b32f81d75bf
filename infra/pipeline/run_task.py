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
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

sys.path.insert(0, str(Path(__file__).parent))  # the pipeline lays both files side by side, without a package

from deploy import DIGEST, POLL_SECONDS, DeploymentFailed, with_image


def outcome_of(task: Mapping[str, Any], container: str) -> int | None:
    """The container's exit status, None while the task runs. Raises DeploymentFailed if it never started."""
    if task["lastStatus"] != "STOPPED":
        return None
    ours = next((one for one in task.get("containers", ()) if one["name"] == container), {})
    if "exitCode" not in ours:
        reason = ours.get("reason") or task.get("stoppedReason") or "no reason given"
        raise DeploymentFailed(f"the task did not run: {reason}")
    return int(ours["exitCode"])


def start(ecs: Any, *, cluster: str, family: str, like_service: str, container: str, digest: str) -> str:
    """Register the revision with the image and start one task of it; the task's ARN."""
    services = ecs.describe_services(cluster=cluster, services=[like_service])["services"]
    if not services:
        raise DeploymentFailed(f"there is no service {like_service} in the cluster {cluster}")
    definition = ecs.describe_task_definition(taskDefinition=family)["taskDefinition"]
    registered = ecs.register_task_definition(**with_image(definition, container, digest))["taskDefinition"]
    answer = ecs.run_task(
        cluster=cluster,
        taskDefinition=registered["taskDefinitionArn"],
        launchType="FARGATE",
        networkConfiguration=services[0]["networkConfiguration"],
        count=1,
    )
    if answer.get("failures") or not answer["tasks"]:
        raise DeploymentFailed(f"the task was not started: {answer.get('failures')}")
    return str(answer["tasks"][0]["taskArn"])


def wait(
    ecs: Any, *, cluster: str, task: str, container: str, limit_seconds: float,
    now: Callable[[], float], sleep: Callable[[float], None],
) -> int:  # fmt: skip
    """The container's exit status. Raises DeploymentFailed if it never started or does not end in time."""
    until = now() + limit_seconds
    while True:
        status = outcome_of(ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0], container)
        if status is not None:
            return status
        if now() >= until:
            raise DeploymentFailed(f"the task has not ended after {limit_seconds:.0f} s; it goes on by itself: {task}")
        sleep(POLL_SECONDS)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Run one task of a family with an image by its digest.")
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
        print(f"{asked.family}: {task}")
        status = wait(
            ecs, cluster=asked.cluster, task=task, container=asked.container, limit_seconds=asked.limit_seconds,
            now=time.monotonic, sleep=time.sleep,
        )  # fmt: skip
    except (DeploymentFailed, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{asked.family}: ended with {status}; its log is in the log group /deskhand/{asked.family}")
    return 0 if status == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
