"""The embedded cloud as fixtures: one emulator and one PostgreSQL a session, fresh names for every test.

No test needs a reset, because no two tests share a queue, a table or a database.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from local.aws import aws_client
from local.bedrock_endpoint import BedrockEndpoint, running_bedrock
from local.emulator import Emulator, running_emulator
from local.postgres import Postgres, running_postgres
from local.provisioning import Provisioned, provision


@dataclass(frozen=True, slots=True)
class Installation:
    """What one installation has on the embedded cloud, for tests that know it by its environment alone."""

    resources: Provisioned
    database: str
    database_socket: Path
    bedrock: BedrockEndpoint

    def environment(self, service: str, **more: str) -> dict[str, str]:
        """All that a task definition would tell the service, and ``more``."""
        of_service = {"ticket_agent": self.resources.ticket_agent, "feedback_tagger": self.resources.feedback_tagger}
        own = {"DATABASE_URL": self.database} if service == "feedback_tagger" else {}
        return of_service[service](**own, **self.bedrock.environment(), **more)


AwsClients: TypeAlias = Callable[..., Any]
"""``aws("sqs")``: a boto3 client; ``aws("sqs", access_key="000000000111")``: one that acts as another account."""


@pytest.fixture(scope="session", autouse=True)
def _no_aws_account() -> Iterator[None]:
    """Forget the developer's own AWS settings: no test may reach a real account, whatever it forgets to ask for."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The AWS emulator. This process's AWS variables point to it, so that any SDK client reaches it."""
    with running_emulator(tmp_path_factory.mktemp("emulator")) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def aws(emulator: Emulator) -> AwsClients:
    """Synchronous clients of the emulator, for arranging and asserting."""

    def client(service: str, *, access_key: str | None = None) -> Any:
        return aws_client(emulator.environment(*([access_key] if access_key else [])), service)

    return client


@pytest.fixture
def resources(emulator: Emulator) -> Provisioned:
    """Every queue, table, topic and the bucket, new and empty, under a prefix of this test's own."""
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """One PostgreSQL server."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The DSN of a new, empty database."""
    return postgres.create_database(f"test_{secrets.token_hex(4)}")


@pytest.fixture(scope="session")
def bedrock_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BedrockEndpoint]:
    """One local Bedrock endpoint; ask for ``bedrock`` instead, which forgets what earlier tests set."""
    folder: Path = tmp_path_factory.mktemp("bedrock")
    with running_bedrock(folder) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def bedrock(bedrock_endpoint: BedrockEndpoint) -> BedrockEndpoint:
    """The local Bedrock endpoint as it started: no latency, quotas, faults or records of an earlier test."""
    bedrock_endpoint.reset()
    return bedrock_endpoint


@pytest.fixture(scope="session")
def new_installation(
    emulator: Emulator, postgres: Postgres, bedrock_endpoint: BedrockEndpoint
) -> Callable[[], Installation]:
    """Makes installations that share nothing but the servers."""

    def make() -> Installation:
        name = f"test-{secrets.token_hex(4)}"
        resources = provision(emulator.environment(), name)
        return Installation(resources, postgres.create_database(name), postgres.socket_folder, bedrock_endpoint)

    return make
