"""What every measurement of the tagger runs between: a queue at constant cost, a model endpoint, a database, a task.

The emulator serves what is touched seldom (S3, SNS, DynamoDB). Each measurement takes a database and queues of its own.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench.fast_endpoint import fast_endpoint, left_and_deleted
from bench.running_task import RunningTask
from bench.tagger.mariadb import mysql_scalar
from local.aws import aws_client
from local.emulator import Emulator, running_emulator
from local.postgres import Postgres, running_postgres
from local.processes import Command, LeashedProcess, inherited_environment, start_leashed
from local.provisioning import QUEUES, TAGGER, Provisioned, provision
from local.services import FEEDBACK_TAGGER, Service, migrate, start_service, wait_until_healthy

ROOT = Path(__file__).resolve().parents[2]
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
MODEL = "amazon.nova-lite-v1:0"
POLL_SECONDS = 0.05
CHUNKS, FILES, ITEMS = "feedback-chunks", "feedback-files", "feedback-items"


class WrongRun(Exception):
    """A variant did not do the work it was given; its figures would mean nothing."""


@dataclass(slots=True)
class Stage:
    """The shared endpoints of one benchmark."""

    emulator: Emulator
    postgres: Postgres
    queues: Mapping[str, str]
    """The AWS variables that lead to the queue at constant cost."""
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)), repr=False)

    def play(self, name: str, *, database_url: str | None = None) -> "Play":
        """Queues, tables, a bucket and, unless one is given, a PostgreSQL database for one measurement."""
        unique = f"{name.replace('_', '-')}-{next(self._numbers)}"
        sqs = aws_client(self.queues, "sqs")
        names = [each for queue in QUEUES if queue.service == TAGGER for each in (queue.name, queue.dead_letter.name)]
        urls = {each: str(sqs.create_queue(QueueName=f"{unique}-{each}")["QueueUrl"]) for each in names}
        play = Play(
            self,
            unique,
            provision(self.emulator.environment(), unique),
            urls,
            database_url or self.postgres.create_database(unique),
        )
        migrate(play.task_environment("http://127.0.0.1:9"), self.folder)
        return play


@contextmanager
def running_stage(folder: Path) -> Iterator[Stage]:
    """Everything up; stopped at the end."""
    with running_emulator(folder) as emulator, running_postgres(folder) as postgres, fast_endpoint() as queues:
        yield Stage(emulator, postgres, queues, folder)


@dataclass(frozen=True, slots=True)
class Play:
    """One measurement's own things, and processes that work on them."""

    stage: Stage
    name: str
    resources: Provisioned
    urls: Mapping[str, str]
    """Queue URLs on the queue at constant cost, by short name."""
    database_url: str

    def task_environment(self, model_url: str, **more: str) -> dict[str, str]:
        """The whole environment of our task: its queues on the queue at constant cost, all else on the emulator."""
        queues = {f"{name.replace('-', '_').upper()}_QUEUE_URL": url for name, url in self.urls.items()}
        return {
            **self.resources.feedback_tagger(DATABASE_URL=self.database_url, FEEDBACK_MODEL_ID=MODEL),
            **queues,
            "AWS_ENDPOINT_URL_SQS": self.stage.queues["AWS_ENDPOINT_URL"],
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": model_url,
            "LONG_POLL_SECONDS": "2",
            "DRAIN_SECONDS": "20",
            **more,
        }

    @contextmanager
    def our_task(self, model_url: str, **more: str) -> Iterator[RunningTask]:
        """The real service, one task, healthy."""
        service: Service = start_service(
            FEEDBACK_TAGGER, self.task_environment(model_url, **more), self.stage.folder, label=self.name
        )
        try:
            wait_until_healthy([service])
            yield RunningTask.of(service)
        finally:
            service.stop()

    @contextmanager
    def peer(self, variant: str, model_url: str, config: Mapping[str, Any]) -> Iterator[RunningTask]:
        """A peer's process; all of them run from the environment that the peers live in."""
        environment = {
            **inherited_environment(),
            **self.stage.queues,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": model_url,
            # What it would fetch over the network at start; its own copy does.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        given = {"queue_url": self.urls[CHUNKS], "database_url": self.database_url, **config}
        process: LeashedProcess = start_leashed(
            Command(
                name=f"{variant} of the benchmark",
                arguments=[str(PEERS_PYTHON), "-m", "bench.tagger.peers", variant, json.dumps(given)],
                log=self.stage.folder / f"{self.name}.log",
                environment=environment,
                folder=ROOT,
                grace_seconds=2.0,
            )
        )
        try:
            yield RunningTask(_child_of(process))
        finally:
            process.stop()

    def send(self, queue: str, bodies: Iterable[str]) -> int:
        """Put every body on the queue, ten a call; how many."""
        sqs, url, sent = aws_client(self.stage.queues, "sqs"), self.urls[queue], 0
        batch: list[dict[str, str]] = []
        for body in bodies:
            batch.append({"Id": str(len(batch)), "MessageBody": body})
            sent += 1
            if len(batch) == 10:
                sqs.send_message_batch(QueueUrl=url, Entries=batch)
                batch = []
        if batch:
            sqs.send_message_batch(QueueUrl=url, Entries=batch)
        return sent

    def left_and_deleted(self, queue: str) -> tuple[int, int]:
        return left_and_deleted(dict(self.stage.queues), self.urls[queue])

    def tell_uploaded(self, key: str) -> None:
        """S3's notification, sent by hand: the emulator's own would go to a queue of the emulator."""
        head = self.resources.client("s3").head_object(Bucket=self.resources.bucket, Key=key)
        thing = {"key": key, "size": head["ContentLength"], "eTag": head["ETag"].strip('"'), "sequencer": "01"}
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.resources.bucket}, "object": thing},
        }
        self.send(FILES, [json.dumps({"Records": [record]})])

    async def scalar(self, query: str, *values: object) -> Any:
        """One value from this play's database."""
        return await scalar(self.database_url, query, *values)


async def scalar(database_url: str, query: str, *values: object) -> Any:
    """One value from a database of either kind."""
    if database_url.startswith("postgresql"):
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetchval(query, *values)
        finally:
            await connection.close()
    return await mysql_scalar(database_url, query)


def _child_of(process: LeashedProcess) -> int:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError, IndexError):
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
            return int(children.split()[0])
        time.sleep(POLL_SECONDS)
    raise WrongRun(f"{process.name} did not start:\n{process.log_tail()}")


@contextmanager
def constant_model(latency_ms: float) -> Iterator[str]:
    """The URL of an endpoint that answers every row alike after a fixed time (bench/constant_model.py)."""
    command = [sys.executable, "-m", "bench.constant_model", str(latency_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.stdin.close()
            process.wait(10)


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a queue was emptied at one moment, and the CPU time until then."""

    deleted: int
    cpu_seconds: float
    at: float


async def emptied(play: Play, task: RunningTask, *, first: int, last: int, within: float) -> tuple[Reading, Reading]:
    """Readings when ``first`` and when ``last`` messages of the chunk queue were deleted. Raises WrongRun if late."""
    readings: list[Reading] = []
    until = time.monotonic() + within
    while time.monotonic() < until:
        _, deleted = await asyncio.to_thread(play.left_and_deleted, CHUNKS)
        if deleted >= (first, last)[len(readings)]:
            readings.append(Reading(deleted, task.cpu_seconds(), time.monotonic()))
            if len(readings) == 2:
                return readings[0], readings[1]
            continue
        await asyncio.sleep(POLL_SECONDS)
    raise WrongRun(f"{play.name}: {deleted} of {last} messages were deleted in {within:.0f} s")
