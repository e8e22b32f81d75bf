"""The embedded cloud and both services come up together, and what cannot come up says why."""

from collections.abc import Iterator

import pytest

from local.cloud import Cloud, running_cloud
from local.processes import StartFailed
from local.services import TICKET_AGENT, migrate, running_services, start_service, stop_services, wait_until_healthy


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("the cloud")  # a blank in a path must not matter
    with running_cloud(folder) as running:
        yield running


def test_both_services_come_up_and_drain_in_order(cloud: Cloud) -> None:
    told: list[str] = []

    with running_services(
        cloud.ticket_agent(), cloud.feedback_tagger(), cloud.folder, progress=told.append
    ) as services:
        assert {name: service.healthy() for name, service in services.items()} == {
            "ticket_agent": True,
            "feedback_tagger": True,
        }

    assert [service.stop() for service in services.values()] == [0, 0]
    assert told[-1].startswith("ticket_agent exited with 0, feedback_tagger exited with 0")


def test_a_service_without_its_settings_says_which_are_missing(cloud: Cloud) -> None:
    environment = {**cloud.ticket_agent(), "TICKET_MODEL_ID": ""}
    service = start_service(TICKET_AGENT, environment, cloud.folder, label="without-model")
    try:
        with pytest.raises(StartFailed, match="TICKET_MODEL_ID"):
            wait_until_healthy([service])
    finally:
        stop_services([service])


def test_a_migration_that_cannot_reach_its_database_fails(cloud: Cloud) -> None:
    nowhere = cloud.postgres.dsn("no_such_database")  # SQLSTATE 3D000

    with pytest.raises(StartFailed, match="3D000"):
        migrate(cloud.feedback_tagger() | {"DATABASE_URL": nowhere}, cloud.folder)


def test_only_bedrock_clients_are_pointed_at_the_bedrock_endpoint(cloud: Cloud) -> None:
    environment = cloud.environment

    assert {name for name, value in environment.items() if value == cloud.bedrock.url} == {
        "AWS_ENDPOINT_URL_BEDROCK",
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME",
        "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE",
    }
    assert environment["AWS_ENDPOINT_URL"] == cloud.emulator.url
