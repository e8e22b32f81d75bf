"""The embedded cloud, whole: emulator, PostgreSQL and Bedrock endpoint side by side, with everything provisioned."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from local.bedrock import defaults
from local.bedrock_endpoint import BedrockEndpoint, running_bedrock
from local.emulator import Emulator, running_emulator
from local.postgres import Postgres, running_postgres
from local.progress import Progress, one_at_a_time, silent
from local.provisioning import Provisioned, provision

T = TypeVar("T")

# Models that the local endpoint knows and that take on-demand calls by their plain id.
TICKET_MODEL_ID = "amazon.nova-pro-v1:0"
FEEDBACK_MODEL_ID = "amazon.nova-lite-v1:0"
# What the hosted back ends of the ticket agent are called on the local endpoint.
BACK_END_SETTINGS = {
    "BEDROCK_AGENT_ID": defaults.AGENT_ID,
    "BEDROCK_AGENT_ALIAS_ID": defaults.AGENT_ALIAS_ID,
    "AGENTCORE_HARNESS_ARN": defaults.HARNESS_ARN,
}
# A laptop's services have no deploy to wait for, and whoever presses Ctrl-C does not wait two minutes.
DRAIN_SECONDS = 25
LONG_POLL_SECONDS = 2  # a drain waits for the poll under way


@dataclass(frozen=True, slots=True)
class Cloud:
    """A running embedded cloud."""

    emulator: Emulator
    postgres: Postgres
    bedrock: BedrockEndpoint
    resources: Provisioned
    database_url: str
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the SDK and the AWS CLI need to talk to this cloud: Bedrock clients to its endpoint, all else beside."""
        return {**self.emulator.environment(), **self.bedrock.environment()}

    def ticket_agent(self, **more: str) -> dict[str, str]:
        """The ticket agent's whole environment, and ``more``; ``TICKET_BACKEND`` alone chooses another back end."""
        own = {"TICKET_MODEL_ID": TICKET_MODEL_ID, **BACK_END_SETTINGS}
        return self.resources.ticket_agent(**self._both(), **own, **more)

    def feedback_tagger(self, **more: str) -> dict[str, str]:
        """The feedback tagger's whole environment, and ``more``."""
        own = {"DATABASE_URL": self.database_url, "FEEDBACK_MODEL_ID": FEEDBACK_MODEL_ID}
        return self.resources.feedback_tagger(**self._both(), **own, **more)

    def _both(self) -> dict[str, str]:
        waits = {"DRAIN_SECONDS": str(DRAIN_SECONDS), "LONG_POLL_SECONDS": str(LONG_POLL_SECONDS)}
        return {**self.bedrock.environment(), "HEALTH_PORT": "0", **waits}


@contextmanager
def running_cloud(
    folder: Path,
    name: str = "deskhand",
    *,
    progress: Progress = silent,
    bedrock_config: Mapping[str, Any] | None = None,
) -> Iterator[Cloud]:
    """Start everything with logs and state under ``folder``; stop it in the reverse order.

    Raises StartFailed with the log of whatever did not come up; the rest is stopped then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for log_of_an_earlier_run in folder.glob("*.log"):
        log_of_an_earlier_run.unlink()
    tell = one_at_a_time(progress)
    with ExitStack() as stack, ThreadPoolExecutor(max_workers=3) as starters:

        def start(what: str, context: AbstractContextManager[T]) -> Future[T]:
            return starters.submit(_start, stack, what, context, tell)

        emulator_start = start("AWS emulator", running_emulator(folder))
        postgres_start = start("PostgreSQL", running_postgres(folder))
        bedrock_start = start("local Bedrock endpoint", running_bedrock(folder, bedrock_config))
        emulator = emulator_start.result()
        began = time.monotonic()
        resources = provision(emulator.environment(), name)
        tell(f"queues, tables, topics and the bucket are there ({time.monotonic() - began:.1f} s)")
        postgres = postgres_start.result()
        database_url = postgres.create_database(name)
        bedrock = bedrock_start.result()
        # Batch jobs read and write the emulator's S3.
        bedrock.control("s3", emulator.environment(), method="PUT")
        cloud = Cloud(emulator, postgres, bedrock, resources, database_url, folder)
        yield cloud


def _start(stack: ExitStack, what: str, context: AbstractContextManager[T], tell: Progress) -> T:
    began = time.monotonic()
    started = stack.enter_context(context)
    tell(f"{what} is up ({time.monotonic() - began:.1f} s)")
    return started
