"""Which cloud a command talks to, and clients for it; says so on stderr before the first call."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import boto3
import typer
from botocore.config import Config

from cli.embedded import STATE_FOLDER, is_held, read_state
from cli.errors import CREDENTIALS_REMEDY, UserError
from cli.names import DEFAULT_NAME, Names, is_name
from cli.output import say
from local.aws import aws_client


class CloudChoice(StrEnum):
    AUTO = "auto"
    LOCAL = "local"
    AWS = "aws"


CloudOption = Annotated[
    CloudChoice,
    typer.Option(
        "--cloud",
        envvar="DESKHAND_CLOUD",
        help="auto: the embedded cloud if `deskhand up` runs here and no AWS credentials are set, else AWS.",
    ),
]
NameOption = Annotated[
    str,
    typer.Option("--name", envvar="DESKHAND_NAME", help="The installation's name, which its resources begin with."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


@dataclass(frozen=True, slots=True)
class Cloud:
    """An account to talk to. ``environment`` is the embedded cloud's; None means the ordinary AWS environment.

    ``services`` are the environments that the embedded cloud's services run with, by name.
    """

    names: Names
    session: boto3.Session | None
    environment: Mapping[str, str] | None
    services: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    def client(self, service: str) -> Any:
        """One a service: making a client costs more than most calls."""
        if self.environment is not None:
            return aws_client(self.environment, service)
        if service not in self._clients:
            assert self.session is not None
            retries = Config(retries={"mode": "standard", "total_max_attempts": 4})
            self._clients[service] = self.session.client(service, config=retries)
        return self._clients[service]


def uses_embedded(choice: CloudChoice, *, running: bool, environ: Mapping[str, str]) -> bool:
    """Whether the embedded cloud is meant. Credentials in the environment are a decision for AWS."""
    if choice is not CloudChoice.AUTO:
        return choice is CloudChoice.LOCAL
    return running and not (environ.get("AWS_PROFILE") or environ.get("AWS_ACCESS_KEY_ID"))


def open_cloud(choice: CloudChoice, name: str) -> Cloud:
    """The cloud that is meant, named on stderr. Raises UserError or an error of the SDK."""
    if uses_embedded(choice, running=is_held(STATE_FOLDER), environ=os.environ):
        return embedded_cloud(STATE_FOLDER, name)
    if not is_name(name):
        raise UserError(
            f"{name!r} is no name", "use small letters, digits and dashes, 32 at most (--name, DESKHAND_NAME)"
        )
    # Of the two variables the SDK for Python reads the second alone; the AWS CLI and ECS set the first.
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    if session.region_name is None:
        raise UserError("no AWS region is set and no embedded cloud is up", CREDENTIALS_REMEDY)
    account = str(session.client("sts").get_caller_identity()["Account"])
    names = Names(name=name, account=account, region=session.region_name)
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    say(f"deskhand: AWS account {account}, {names.region}, name {name}{f', endpoint {endpoint}' if endpoint else ''}")
    return Cloud(names=names, session=session, environment=None)


def embedded_cloud(folder: Path, name: str) -> Cloud:
    """The embedded cloud that another process holds. Raises UserError if there is none or it is still starting."""
    if not is_held(folder):
        raise UserError("no embedded cloud is up in this checkout", "start it with `deskhand up` in another terminal")
    state = read_state(folder)
    if state is None:
        raise UserError("the embedded cloud of this checkout is still starting", "try again in a few seconds")
    if name not in (DEFAULT_NAME, state["name"]):
        raise UserError(
            f"the embedded cloud that is up has the name {state['name']!r}, not {name!r}", "leave --name out"
        )
    names = Names(name=state["name"], account=state["account"], region=state["environment"]["AWS_REGION"])
    say(f"deskhand: the embedded cloud of this checkout, {state['environment']['AWS_ENDPOINT_URL']}, name {names.name}")
    return Cloud(names=names, session=None, environment=state["environment"], services=state.get("services", {}))


def queue_url(cloud: Cloud, short: str) -> str:
    """Raises UserError if there is no such queue."""
    sqs = cloud.client("sqs")
    name = cloud.names.queue(short)
    try:
        return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except sqs.exceptions.QueueDoesNotExist:
        raise UserError(f"there is no queue {name} in this account and region", NOT_INSTALLED) from None


NOT_INSTALLED = "check --name (DESKHAND_NAME), the account and AWS_REGION, and that Deskhand is installed there"
