"""Pushes one service's image to the repository of an environment; the push deploys it.

    make push SERVICE=ticket_agent ENV=dev

Where to is asked of Terraform's outputs, so that nobody types an address. The tag is the version and the commit, and
is taken once: the repository refuses another image under it. An image that `make images` has built of this commit
for the platform is taken, otherwise it is built.
"""

import argparse
import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "infra" / "terraform" / "envs"
SERVICES = ("ticket_agent", "feedback_tagger")
USAGE = "make push SERVICE=ticket_agent ENV=dev"
PUSHED_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


class PushFailed(Exception):
    """What is wrong and what to do about it, in the words of whoever types `make push`."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a service's image goes: its repository, and the pipeline that a push there starts."""

    service: str
    repository: str
    region: str
    pipeline: str

    @property
    def registry(self) -> str:
        return self.repository.partition("/")[0]

    @property
    def repository_name(self) -> str:
        return self.repository.partition("/")[2]


def environments(folder: Path = ENVIRONMENTS) -> list[str]:
    return sorted(found.parent.name for found in folder.glob("*/main.tf"))


def target_of(outputs: Mapping[str, Any], service: str) -> Target:
    """Where ``service`` goes, from the output ``deskhand`` of an environment."""
    short = service.replace("_", "-")
    try:
        return Target(
            service=service,
            repository=str(outputs["repository_urls"][short]),
            region=str(outputs["region"]),
            pipeline=str(outputs["pipeline_names"][short]),
        )
    except KeyError as missing:
        raise PushFailed(
            f"Terraform's outputs do not name {missing}: run `terraform apply` with this version"
        ) from None


def again(target: Target, digest: str) -> str:
    """The command that deploys an image once more that the repository already holds."""
    return (
        f"aws codepipeline start-pipeline-execution --region {target.region} --name {target.pipeline}"
        f" --variables name=IMAGE_DIGEST,value={digest}"
        f" --source-revisions actionName=Image,revisionType=IMAGE_DIGEST,revisionValue={digest}"
    )


def what_follows(target: Target, digest: str) -> list[str]:
    """What whoever has pushed sees next, and where."""
    watch = f"aws codepipeline list-action-executions --region {target.region} --pipeline-name {target.pipeline}"
    fields = "actionExecutionDetails[].[startTime,stageName,status]"
    page = f"https://{target.region}.console.aws.amazon.com/codesuite/codepipeline/pipelines/{target.pipeline}/view"
    return [
        f"pushed {target.repository}@{digest}",
        f"The pipeline {target.pipeline} takes it up within a minute and deploys it; watch it:",
        f"    {watch} --max-items 6 --output table --query '{fields}'",
        f"    aws logs tail /deskhand/{target.pipeline}-deploy --region {target.region} --follow",
        f"    {page}?region={target.region}",
    ]


def read_outputs(environment: str, folder: Path = ENVIRONMENTS) -> Mapping[str, Any]:
    """The output ``deskhand`` of ``environment``, read from its state."""
    if environment not in environments(folder):
        raise PushFailed(f"ENV={environment}: there is {', '.join(environments(folder))}; {USAGE}")
    place = folder / environment
    said = run(["terraform", f"-chdir={place}", "output", "-json"], "it reads where the images go")
    if said.returncode != 0:
        raise PushFailed(
            f"terraform cannot read the outputs of {environment}: run `terraform init` in {place}\n{said.stderr}"
        )
    outputs = json.loads(said.stdout or "{}")
    if "deskhand" not in outputs:
        raise PushFailed(f"{environment} has no outputs yet: run `terraform apply` in {place} first (docs/deploy.md)")
    value: Mapping[str, Any] = outputs["deskhand"]["value"]
    return value


def tag_of(version: str, revision: str, *, head: str, changes: str) -> str:
    """``1.2.0-0123456789ab``. Raises PushFailed where the tag would name a commit that the image is not built of."""
    if not revision:
        raise PushFailed("this is no git checkout, and the tag says the commit: name it with REVISION=...")
    if changes and head.startswith(revision):
        raise PushFailed(f"not committed, though the tag {version}-{revision} would say so:\n{changes}")
    return f"{version}-{revision}"


def digest_in_repository(ecr: Any, target: Target, tag: str) -> str | None:
    """The digest that ``tag`` already has, None if it is free."""
    try:
        found = ecr.describe_images(repositoryName=target.repository_name, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ImageNotFoundException":
            return None
        if code == "RepositoryNotFoundException":
            raise PushFailed(
                f"there is no repository {target.repository_name} in {target.region}: run `terraform apply`"
            ) from error
        raise
    return next((str(one["imageDigest"]) for one in found["imageDetails"]), None)


def sign_in(ecr: Any, registry: str) -> None:
    """Sign Docker in to the registry for twelve hours, with the caller's AWS credentials."""
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    said = docker("login", "--username", user, "--password-stdin", registry, entered=password)
    if said.returncode != 0:
        raise PushFailed(f"Docker could not sign in to {registry}:\n{said.stderr.strip()}")


def architecture_of(image: str) -> str | None:
    """``linux/arm64``, None where there is no such image."""
    said = docker("image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", image)
    return said.stdout.strip() if said.returncode == 0 else None


def built(service: str, revision: str, platform: str, say: Callable[[str], None]) -> str:
    """The name of the image of this commit for ``platform``, built now unless it is there."""
    image = f"deskhand-{service}:{revision}"
    if architecture_of(image) == platform:
        say(f"{image} is built already")
        return image
    say(f"building {image} for {platform}")
    ordered = ["make", "--no-print-directory", "images", f"SERVICES={service}", f"PLATFORM={platform}"]
    if subprocess.run([*ordered, f"REVISION={revision}"], cwd=ROOT, check=False).returncode != 0:
        raise PushFailed(f"the image for {platform} could not be built, see above (docs/deploy.md, Pushing an image)")
    return image


def pushed(image: str, address: str) -> str:
    """The digest under which the registry has taken ``image``."""
    tagged = docker("tag", image, address)
    if tagged.returncode != 0:
        raise PushFailed(tagged.stderr.strip())
    said = docker("push", address)
    digest = PUSHED_DIGEST.search(said.stdout)
    if said.returncode != 0 or digest is None:
        raise PushFailed(f"the registry has not taken {address}:\n{(said.stderr or said.stdout).strip()}")
    return digest[1]


def docker(*words: str, entered: str | None = None) -> "subprocess.CompletedProcess[str]":
    return run(["docker", *words], "images are built and pushed with it", entered)


def run(words: Sequence[str], why: str, entered: str | None = None) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(words, input=entered, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError:
        raise PushFailed(f"{words[0]} is not on the PATH; {why}") from None


def push(asked: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Everything that can be refused is asked before minutes go into building."""
    service = asked.service.replace("-", "_")
    if service not in SERVICES:
        raise PushFailed(f"SERVICE={asked.service}: there is {' and '.join(SERVICES)}; {USAGE}")
    target = target_of(read_outputs(asked.environment, asked.environments), service)
    head = run(["git", "rev-parse", "HEAD"], "the tag says the commit").stdout.strip()
    changes = run(["git", "status", "--porcelain"], "the tag says the commit").stdout.rstrip()
    tag = tag_of(asked.version, asked.revision, head=head, changes=changes)
    if (daemon := docker("version", "--format", "{{.Server.Version}}")).returncode != 0:
        raise PushFailed(f"Docker does not answer: {daemon.stderr.strip()}")
    ecr = boto3.client("ecr", region_name=target.region)
    if (there := digest_in_repository(ecr, target, tag)) is not None:
        raise PushFailed(
            f"the tag {tag} is taken, by {there}; commit what you have changed, or deploy that image again:\n"
            f"    {again(target, there)}"
        )
    image = built(service, asked.revision, asked.platform, say)
    sign_in(ecr, target.registry)
    say(f"pushing {target.repository}:{tag}")
    for line in what_follows(target, pushed(image, f"{target.repository}:{tag}")):
        say(line)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="push", description="Push one service's image, which deploys it.", epilog=USAGE
    )
    parser.add_argument("--service", required=True)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", required=True, help="the commit that the image is built of")
    parser.add_argument("--platform", default="linux/arm64", help="what the tasks run on; Terraform says ARM64")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="folder of the environments")
    try:
        push(parser.parse_args(arguments), lambda line: print(line, flush=True))
    except (PushFailed, ClientError, BotoCoreError) as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
