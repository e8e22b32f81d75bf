"""Deploys one image by its digest to one ECS service, and fails if ECS rolled it back.

    python infra/pipeline/deploy.py --cluster desk --service desk-ticket-agent --image-digest sha256:...

A new revision of the service's task definition gets the image, the service is moved to it, and the deployment is
watched to its end: 0 it runs, 1 it did not and ECS's reason and how its tasks ended were said, 2 called wrongly.
Nothing but boto3 is needed. A service that has never run is woken: its scaling is resumed and it gets its minimum of
tasks.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CURRENT = "current"
POLL_SECONDS = 2.0
TASKS_TOLD = 3
# What RegisterTaskDefinition takes of what DescribeTaskDefinition tells; the rest is ECS's own.
REGISTERED = (
    "family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes",
    "placementConstraints", "requiresCompatibilities", "cpu", "memory", "pidMode", "ipcMode", "proxyConfiguration",
    "ephemeralStorage", "runtimePlatform", "enableFaultInjection",
)  # fmt: skip
SCALING = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
AWAKE = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}


class DeploymentFailed(Exception):
    """Said to whoever reads the build's log."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The service moves from the revision ``former`` to ``revision``; both are ARNs."""

    revision: str
    former: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How a deployment stands: ``reason`` is ECS's own sentence where it has one."""

    state: Literal["running", "done", "rolling back", "failed"]
    reason: str


def with_image(definition: Mapping[str, Any], container: str, digest: str) -> dict[str, Any]:
    """The definition as it is registered again, with ``digest`` in the image of ``container``."""
    names = [one["name"] for one in definition["containerDefinitions"]]
    if container not in names:
        raise DeploymentFailed(f"the task definition has no container {container}; it has {', '.join(names)}")
    containers = [
        {**one, "image": f"{repository_of(one['image'])}@{digest}"} if one["name"] == container else one
        for one in definition["containerDefinitions"]
    ]
    kept = {name: definition[name] for name in REGISTERED if definition.get(name) not in (None, "", [])}
    return {**kept, "containerDefinitions": containers}


def repository_of(image: str) -> str:
    """``host:5000/name`` of ``host:5000/name:tag`` and ``host:5000/name@sha256:...``."""
    name = image.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def digest_of(definition: Mapping[str, Any], container: str) -> str:
    """The digest that a definition runs. Raises DeploymentFailed if it names its image by tag."""
    image = next((one["image"] for one in definition["containerDefinitions"] if one["name"] == container), "")
    digest = image.partition("@")[2]
    if not DIGEST.fullmatch(digest):
        raise DeploymentFailed(f"the service runs {image or 'nothing'}, which is no image by digest")
    return digest


def progress_of(service: Mapping[str, Any], begun: Begun) -> Progress:
    """How the deployment stands, from what DescribeServices tells."""
    deployments = service["deployments"]
    primary = next(one for one in deployments if one["status"] == "PRIMARY")
    state, reason = primary.get("rolloutState"), str(primary.get("rolloutStateReason", ""))
    if primary["taskDefinition"] == begun.revision:
        if state == "COMPLETED":
            return Progress("done", reason)
        if state == "FAILED":
            return Progress("failed", f"{reason} There was no earlier deployment to go back to.")
        return Progress("running", reason)
    if primary["taskDefinition"] != begun.former:
        return Progress("failed", f"another deployment, of {name_of(primary['taskDefinition'])}, has taken its place")
    # ECS's rollback is a new deployment of the former revision; ours may already be gone from the list.
    ours = next((one for one in deployments if one["taskDefinition"] == begun.revision), {})
    reason = str(ours.get("rolloutStateReason") or reason)
    return Progress("rolling back" if state == "IN_PROGRESS" else "failed", reason)


def tasks_to_start(desired: int, minimum: int) -> int:
    """At least one, also in a service that sleeps: a deployment without a task would prove nothing."""
    return max(desired, minimum, 1)


def name_of(arn: str) -> str:
    """``family:7`` of a task definition's ARN, the id of a task's."""
    return arn.rpartition("/")[2]


def ending_of(task: Mapping[str, Any], container: str) -> str:
    """How a stopped task ended, in a line: ECS's reason, the container's own and its exit status."""
    ours: Mapping[str, Any] = next((one for one in task.get("containers", ()) if one["name"] == container), {})
    said = [str(task.get("stoppedReason") or "stopped for no reason given")]
    if ours.get("reason"):
        said.append(str(ours["reason"]))
    if "exitCode" in ours:
        said.append(f"exit status {ours['exitCode']}")
    return f"task {name_of(task['taskArn'])}: {'; '.join(said)}"


def log_of(definition: Mapping[str, Any], container: str, task_id: str | None = None) -> str:
    """The command that shows the container's log: of one task, or of all; empty if it is written nowhere we know."""
    ours = next((one for one in definition["containerDefinitions"] if one["name"] == container), {})
    options = ours.get("logConfiguration", {}).get("options", {})
    if "awslogs-group" not in options:
        return ""
    # A failed deployment is usually looked into within the hour; `tail` alone shows ten minutes.
    command = f"aws logs tail {options['awslogs-group']} --region {options['awslogs-region']} --since 1h"
    if task_id is None or "awslogs-stream-prefix" not in options:
        return command
    return f"{command} --log-stream-names {options['awslogs-stream-prefix']}/{container}/{task_id}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """One service of one cluster and the AWS clients to change it with."""

    ecs: Any
    scaling: Any
    cluster: str
    service: str
    container: str
    say: Callable[[str], None] = print

    def begin(self, digest: str) -> Begun:
        """Register the revision and move the service to it."""
        service = self._service()
        former = str(service["taskDefinition"])
        # The family's latest revision, not the service's: it has the settings of the last `terraform apply`.
        latest = self._definition(name_of(former).rpartition(":")[0])
        if digest == CURRENT:
            digest = digest_of(self._definition(former), self.container)
        registered = self.ecs.register_task_definition(**with_image(latest, self.container, digest))
        revision = str(registered["taskDefinition"]["taskDefinitionArn"])
        tasks = tasks_to_start(service["desiredCount"], self._wake())
        self.ecs.update_service(cluster=self.cluster, service=self.service, taskDefinition=revision, desiredCount=tasks)
        self.say(f"{self.service}: {name_of(revision)} with {digest}, {tasks} {'task' if tasks == 1 else 'tasks'}")
        return Begun(revision, former)

    def watch(
        self, begun: Begun, *, limit_seconds: float, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """Return when the revision runs. Raises DeploymentFailed if it takes too long or ECS has put another back."""
        until = now() + limit_seconds
        said = ""
        while True:
            progress = progress_of(self._service(), begun)
            if progress.reason and progress.reason != said:
                said = progress.reason
                self.say(f"{self.service}: {said}")
            if progress.state == "done":
                return
            if progress.state == "failed":
                raise DeploymentFailed(f"{self.service} does not run {name_of(begun.revision)}: {progress.reason}")
            if now() >= until:
                late = f"is not done after {limit_seconds:.0f} s, and ECS goes on by itself"
                raise DeploymentFailed(f"{self.service} {late}: {progress.reason}")
            sleep(POLL_SECONDS)

    def endings(self, begun: Begun) -> Iterable[str]:
        """How the last tasks of the revision ended and where their log is; what whoever mends the image asks first."""
        stopped = self.ecs.list_tasks(cluster=self.cluster, serviceName=self.service, desiredStatus="STOPPED")
        if not stopped["taskArns"]:
            return
        tasks = self.ecs.describe_tasks(cluster=self.cluster, tasks=stopped["taskArns"][:100])["tasks"]
        ours = [task for task in tasks if task["taskDefinitionArn"] == begun.revision]
        ours.sort(key=lambda task: task["stoppedAt"] if "stoppedAt" in task else task["createdAt"], reverse=True)
        for task in ours[:TASKS_TOLD]:
            yield ending_of(task, self.container)
        if ours:
            yield log_of(self._definition(begun.revision), self.container)

    def running(self) -> str:
        """What the service is on now, in a line."""
        service = self._service()
        return f"{self.service}: {name_of(service['taskDefinition'])}, {service['runningCount']} running"

    def _service(self) -> Mapping[str, Any]:
        found = self.ecs.describe_services(cluster=self.cluster, services=[self.service])["services"]
        active = [one for one in found if one["status"] == "ACTIVE"]
        if not active:
            raise DeploymentFailed(f"there is no service {self.service} in the cluster {self.cluster}")
        service: Mapping[str, Any] = active[0]
        return service

    def _definition(self, name: str) -> Mapping[str, Any]:
        definition: Mapping[str, Any] = self.ecs.describe_task_definition(taskDefinition=name)["taskDefinition"]
        return definition

    def _wake(self) -> int:
        """Resume scaling, which Terraform suspends until there is an image; the least number of tasks."""
        if self.scaling is None:
            return 0
        resource = f"service/{self.cluster}/{self.service}"
        found = self.scaling.describe_scalable_targets(ResourceIds=[resource], **SCALING)["ScalableTargets"]
        if not found:
            return 0
        if any(found[0].get("SuspendedState", {}).values()):
            self.scaling.register_scalable_target(ResourceId=resource, SuspendedState=AWAKE, **SCALING)
        return int(found[0]["MinCapacity"])


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="deploy", description="Deploy one image by its digest to one ECS service.")
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--service", required=True)
    parser.add_argument("--image-digest", required=True, help='sha256:..., or "current": new settings, the same image')
    parser.add_argument("--container", default="main")
    parser.add_argument("--limit-seconds", type=float, default=1800.0)
    parser.add_argument("--without-scaling", action="store_true", help="the service has no scalable target")
    asked = parser.parse_args(arguments)
    if asked.image_digest != CURRENT and not DIGEST.fullmatch(asked.image_digest):
        parser.error("--image-digest: give sha256: and 64 hexadecimal digits; a tag may mean another image tomorrow")
    deployment = Deployment(
        ecs=boto3.client("ecs"),
        scaling=None if asked.without_scaling else boto3.client("application-autoscaling"),
        cluster=asked.cluster,
        service=asked.service,
        container=asked.container,
    )
    try:
        begun = deployment.begin(asked.image_digest)
        try:
            deployment.watch(begun, limit_seconds=asked.limit_seconds, now=time.monotonic, sleep=time.sleep)
        except DeploymentFailed as failure:
            print(failure, file=sys.stderr)
            for line in [*deployment.endings(begun), deployment.running()]:
                print(line, file=sys.stderr)
            return 1
    except (DeploymentFailed, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{asked.service}: deployed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
