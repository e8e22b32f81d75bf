"""Deploys one image by its digest to one ECS service, and fails if ECS rolled it back.

    python infra/pipeline/deploy.py --cluster desk --service desk-ticket-agent --image-digest sha256:...

A new revision of the service's task definition gets the image, the service is moved to it, and the deployment is
watched to its end: 0 it runs, 1 it did not and the old revision runs again, 2 called wrongly. Nothing but boto3 is
needed. A service that has never run is woken: its scaling is resumed and it gets its minimum of tasks.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
CURRENT = "current"
POLL_SECONDS = 10.0
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
class Progress:
    """How a deployment stands: ``reason`` is ECS's own sentence."""

    state: Literal["running", "done", "failed"]
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


def progress_of(service: Mapping[str, Any], revision: str) -> Progress:
    """How the deployment of ``revision`` stands, from what DescribeServices tells."""
    deployments = service["deployments"]
    ours = next((one for one in deployments if one["taskDefinition"] == revision), None)
    primary = next((one for one in deployments if one["status"] == "PRIMARY"), None)
    reason = str((ours or primary or {}).get("rolloutStateReason", ""))
    if ours is not None and ours.get("rolloutState") == "FAILED":
        return Progress("failed", reason)
    if primary is None or primary["taskDefinition"] != revision:
        # A rollback is a deployment of the old revision, and ours may already be gone from the list.
        return Progress("failed", reason or "another revision has taken its place")
    if primary.get("rolloutState") == "COMPLETED":
        return Progress("done", reason)
    return Progress("running", reason)


def tasks_to_start(desired: int, minimum: int) -> int:
    """At least one, also in a service that sleeps: a deployment without a task would prove nothing."""
    return max(desired, minimum, 1)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One service of one cluster and the AWS clients to change it with."""

    ecs: Any
    scaling: Any
    cluster: str
    service: str
    container: str
    say: Callable[[str], None] = print

    def begin(self, digest: str) -> str:
        """Register the revision and move the service to it; the revision's ARN."""
        service = self._service()
        family = service["taskDefinition"].rpartition("/")[2].rpartition(":")[0]
        # The family's latest revision, not the service's: it has the settings of the last `terraform apply`.
        latest = self._definition(family)
        if digest == CURRENT:
            digest = digest_of(self._definition(service["taskDefinition"]), self.container)
        registered = self.ecs.register_task_definition(**with_image(latest, self.container, digest))
        revision = str(registered["taskDefinition"]["taskDefinitionArn"])
        tasks = tasks_to_start(service["desiredCount"], self._wake())
        self.ecs.update_service(cluster=self.cluster, service=self.service, taskDefinition=revision, desiredCount=tasks)
        self.say(f"{self.service}: {revision.rpartition('/')[2]} with {digest}, {tasks} tasks")
        return revision

    def watch(
        self, revision: str, *, limit_seconds: float, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        """Return when the revision runs. Raises DeploymentFailed when it was rolled back or takes too long."""
        until = now() + limit_seconds
        said = ""
        while True:
            progress = progress_of(self._service(), revision)
            if progress.reason != said:
                said = progress.reason
                self.say(f"{self.service}: {said}")
            if progress.state == "done":
                return
            if progress.state == "failed":
                raise DeploymentFailed(f"{self.service} was rolled back: {progress.reason}")
            if now() >= until:
                raise DeploymentFailed(f"{self.service} is not done after {limit_seconds:.0f} s: {progress.reason}")
            sleep(POLL_SECONDS)

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
    parser = argparse.ArgumentParser(description="Deploy one image by its digest to one ECS service.")
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
        revision = deployment.begin(asked.image_digest)
        deployment.watch(revision, limit_seconds=asked.limit_seconds, now=time.monotonic, sleep=time.sleep)
    except (DeploymentFailed, ClientError, BotoCoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{asked.service}: deployed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
