"""`make push` asks everything that can be refused before it builds, and tells what a pushed image sets off."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.stub import Stubber

from infra.pipeline import push
from infra.pipeline.push import PushFailed, Target

DIGEST = "sha256:" + "a" * 64
TARGET = Target(
    "ticket_agent",
    "123456789012.dkr.ecr.eu-central-1.amazonaws.com/desk-ticket-agent",
    "eu-central-1",
    "desk-ticket-agent",
)
OUTPUTS = {
    "region": "eu-central-1",
    "repository_urls": {"ticket-agent": TARGET.repository},
    "pipeline_names": {"ticket-agent": "desk-ticket-agent"},
}


@cache
def ecr_client() -> Any:
    return boto3.client("ecr", region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-")


@pytest.fixture
def ecr() -> Iterator[Stubber]:
    with Stubber(ecr_client()) as stubber:
        yield stubber


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a shell script in the place of a program; every other program is gone."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    for name in ("dev", "prod"):
        (tmp_path / "envs" / name).mkdir(parents=True)
        (tmp_path / "envs" / name / "main.tf").touch()
    return tmp_path / "envs"


def pushing(environments: Path, *, service: str = "ticket_agent", environment: str = "dev") -> int:
    named = ["--service", service, "--environment", environment, "--environments", str(environments)]
    return push.main([*named, "--version", "1.2.0", "--revision", "0123456789ab"])


def test_the_service_goes_to_the_repository_and_pipeline_of_its_name() -> None:
    assert push.target_of(OUTPUTS, "ticket_agent") == TARGET
    assert (TARGET.registry, TARGET.repository_name) == (
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
        "desk-ticket-agent",
    )


def test_outputs_of_an_older_version_are_named() -> None:
    with pytest.raises(PushFailed, match="do not name 'feedback-tagger'"):
        push.target_of(OUTPUTS, "feedback_tagger")


@pytest.mark.parametrize(
    ("service", "environment", "complaint"),
    [
        ("", "dev", "SERVICE=: there is ticket_agent and feedback_tagger; make push SERVICE=ticket_agent ENV=dev"),
        ("ticketagent", "dev", "SERVICE=ticketagent: there is"),
        ("ticket-agent", "", "ENV=: there is dev, prod; make push SERVICE=ticket_agent ENV=dev"),
        ("ticket_agent", "staging", "ENV=staging: there is dev, prod"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(
    service: str, environment: str, complaint: str, environments: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pushing(environments, service=service, environment=environment) == 1
    assert complaint in capsys.readouterr().err


def test_our_own_environments_are_the_ones_to_push_to() -> None:
    assert push.environments() == ["dev", "prod"]


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo 'Error: Backend initialization required' >&2; exit 1", "run `terraform init`"),
        ("echo '{}'", "dev has no outputs yet: run `terraform apply`"),
    ],
    ids=["never initialised", "never applied"],
)
def test_an_environment_without_outputs_says_what_to_run(
    script: str,
    complaint: str,
    environments: Path,
    programs: Callable[[str, str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    programs("terraform", script)

    assert pushing(environments) == 1
    assert complaint in capsys.readouterr().err


def test_a_missing_program_is_named_with_what_it_is_for(
    environments: Path, programs: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pushing(environments) == 1
    assert "terraform is not on the PATH; it reads where the images go" in capsys.readouterr().err

    outputs = json.dumps({"deskhand": {"value": OUTPUTS}})
    programs("terraform", f"echo '{outputs}'")
    programs("git", "true")

    assert pushing(environments) == 1
    assert "docker is not on the PATH; images are built and pushed with it" in capsys.readouterr().err

    programs("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")

    assert pushing(environments) == 1
    assert "Docker does not answer: Cannot connect to the Docker daemon" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform 1.11 or newer is not on the PATH")
def test_terraform_itself_tells_the_outputs_of_a_state(environments: Path) -> None:
    place = environments / "dev"
    (place / "main.tf").write_text('output "deskhand" {\n  value = 1\n}\n')
    kinds = ["object", {"region": "string"}]
    state = {"version": 4, "terraform_version": "1.11.0", "serial": 1, "lineage": "l", "resources": []}
    outputs = {"deskhand": {"value": {"region": "eu-central-1"}, "type": kinds}}
    (place / "terraform.tfstate").write_text(json.dumps({**state, "outputs": outputs}))

    assert push.read_outputs("dev", environments) == {"region": "eu-central-1"}
    with pytest.raises(PushFailed, match="prod has no outputs yet"):
        push.read_outputs("prod", environments)


def test_a_tag_names_the_version_and_the_commit() -> None:
    assert push.tag_of("1.2.0", "0123456789ab", head="0123456789abcdef", changes="") == "1.2.0-0123456789ab"


def test_a_commits_tag_is_not_given_to_what_is_not_committed() -> None:
    with pytest.raises(PushFailed, match=r"not committed, though the tag 1\.2\.0-0123456789ab would say so"):
        push.tag_of("1.2.0", "0123456789ab", head="0123456789abcdef", changes=" M shared/clock.py")


def test_a_tag_of_ones_own_says_of_no_commit_what_it_is() -> None:
    assert push.tag_of("1.2.0", "trial", head="0123456789abcdef", changes=" M shared/clock.py") == "1.2.0-trial"


def test_outside_a_checkout_the_revision_must_be_given() -> None:
    with pytest.raises(PushFailed, match="REVISION="):
        push.tag_of("1.2.0", "", head="", changes="")


def test_a_tag_is_free_if_the_repository_has_no_image_under_it(ecr: Stubber) -> None:
    ecr.add_client_error("describe_images", "ImageNotFoundException")

    assert push.digest_in_repository(ecr.client, TARGET, "1.2.0-0123") is None


def test_a_tag_that_is_taken_tells_its_digest(ecr: Stubber) -> None:
    asked = {"repositoryName": "desk-ticket-agent", "imageIds": [{"imageTag": "1.2.0-0123"}]}
    ecr.add_response("describe_images", {"imageDetails": [{"imageDigest": DIGEST}]}, asked)

    assert push.digest_in_repository(ecr.client, TARGET, "1.2.0-0123") == DIGEST


def test_a_repository_that_is_not_there_needs_an_apply(ecr: Stubber) -> None:
    ecr.add_client_error("describe_images", "RepositoryNotFoundException")

    with pytest.raises(PushFailed, match="no repository desk-ticket-agent in eu-central-1: run `terraform apply`"):
        push.digest_in_repository(ecr.client, TARGET, "1.2.0-0123")


def test_docker_signs_in_with_the_password_on_its_input(
    ecr: Stubber, programs: Callable[[str, str], None], tmp_path: Path
) -> None:
    token = {"authorizationToken": "QVdTOnNlY3JldA=="}  # AWS:secret
    ecr.add_response("get_authorization_token", {"authorizationData": [token]}, {})
    programs("docker", f'echo "$@" >{tmp_path}/words; read -r given; echo "$given" >{tmp_path}/given')

    push.sign_in(ecr.client, TARGET.registry)

    assert (tmp_path / "words").read_text().strip() == f"login --username AWS --password-stdin {TARGET.registry}"
    assert (tmp_path / "given").read_text().strip() == "secret"


def test_a_refused_sign_in_is_told_in_dockers_words(ecr: Stubber, programs: Callable[[str, str], None]) -> None:
    ecr.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": "QVdTOnNlY3JldA=="}]}, {})
    programs("docker", "echo 'unauthorized: authentication required' >&2; exit 1")

    with pytest.raises(PushFailed, match=r"could not sign in to .*:\nunauthorized: authentication required"):
        push.sign_in(ecr.client, TARGET.registry)


def test_an_image_of_another_platform_is_built_again(
    programs: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "ROOT", tmp_path)
    programs("docker", "echo linux/amd64")
    programs("make", f'echo "$@" >{tmp_path}/words')

    image = push.built("ticket_agent", "0123456789ab", "linux/arm64", say=lambda line: None)

    assert image == "deskhand-ticket_agent:0123456789ab"
    ordered = (tmp_path / "words").read_text().split()
    assert ordered[1:] == ["images", "SERVICES=ticket_agent", "PLATFORM=linux/arm64", "REVISION=0123456789ab"]


def test_an_image_that_cannot_be_built_is_not_pushed(programs: Callable[[str, str], None]) -> None:
    programs("docker", "exit 1")
    programs("make", "exit 2")

    with pytest.raises(PushFailed, match="the image for linux/arm64 could not be built"):
        push.built("ticket_agent", "0123456789ab", "linux/arm64", say=lambda line: None)


def test_the_digest_is_the_one_that_the_registry_answers(programs: Callable[[str, str], None]) -> None:
    programs("docker", f'[ "$1" = tag ] || echo "1.2.0: digest: {DIGEST} size: 1234"')

    assert push.pushed("deskhand-ticket_agent:1", f"{TARGET.repository}:1.2.0") == DIGEST


def test_a_refused_push_is_told_in_the_registrys_words(programs: Callable[[str, str], None]) -> None:
    programs("docker", '[ "$1" = tag ] || { echo "tag invalid: the tag is immutable" >&2; exit 1; }')

    with pytest.raises(PushFailed, match=r"the registry has not taken .*:\ntag invalid: the tag is immutable"):
        push.pushed("deskhand-ticket_agent:1", f"{TARGET.repository}:1.2.0")


def test_every_command_that_is_told_is_one_that_aws_has() -> None:
    model = botocore.session.get_session().get_service_model("codepipeline")
    start = push.again(TARGET, DIGEST).split()
    watch = push.what_follows(TARGET, DIGEST)[2].split()

    assert start[:3] == ["aws", "codepipeline", "start-pipeline-execution"]
    assert watch[:3] == ["aws", "codepipeline", "list-action-executions"]
    revision = model.operation_model("StartPipelineExecution").input_shape.members["sourceRevisions"].member
    given = dict(part.split("=") for part in start[-1].split(","))
    assert set(given) == set(revision.members)
    assert given["revisionType"] in revision.members["revisionType"].enum
    # What the pipeline's stages read, and its source: infra/terraform/modules/pipeline/trigger.tf sets the same two.
    trigger = (push.ROOT / "infra/terraform/modules/pipeline/trigger.tf").read_text()
    assert f'"actionName": "{given["actionName"]}", "revisionType": "{given["revisionType"]}"' in trigger
    assert '{"name": "IMAGE_DIGEST", "value": <digest>}' in trigger
    assert f"name=IMAGE_DIGEST,value={DIGEST}" in start


def test_the_log_that_is_told_is_the_one_that_the_pipeline_writes() -> None:
    pipeline = (push.ROOT / "infra/terraform/modules/pipeline/pipeline.tf").read_text()

    assert '"/deskhand/${var.name}-deploy"' in pipeline
    assert any("/deskhand/desk-ticket-agent-deploy" in line for line in push.what_follows(TARGET, DIGEST))
