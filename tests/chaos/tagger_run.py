"""One run of the feedback tagger under chaos: files in, tasks and the database struck, everything that is left read."""

import asyncio
import csv
import io
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from local.bedrock_endpoint import BedrockEndpoint
from local.provisioning import Provisioned
from services.feedback_tagger.domain.run import run_id
from services.feedback_tagger.store.migrate import migrate_database
from tests.chaos import stores
from tests.chaos.broken import SOUND
from tests.chaos.feedback_files import File, expected, files_of
from tests.chaos.findings import Finding
from tests.chaos.fleet import fleet_of
from tests.chaos.scale import Scale
from tests.chaos.schedule import Strike, schedule
from tests.chaos.strikes import Striker
from tests.chaos.tagger_findings import FeedbackRun, Told, tagger_findings
from tests.support.waiting import eventually

TASKS = 2
MODEL = "amazon.nova-micro-v1:0"
ROWS_PER_PROMPT = 10
POOL_WORKERS = 3
MODEL_MS = 200
VISIBILITY_SECONDS = 6
DRAIN_SECONDS = 30.0
NOT_ASKED: Mapping[str, Any] = {"throttled": 0, "calls": 0, "faults": {}}
NOTHING_MORE: Mapping[str, str] = {}
STALLED_SECONDS = 100.0
"""Nothing was stored nor told for so long: what is missing is lost. Longer than the claim of a killed announcer."""
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a database that crashed and recovers makes of a call."""
QUEUES = ("feedback-files", "feedback-chunks", "feedback-items")
FAULTS: Sequence[Mapping[str, Any]] = (
    {"kind": "throttled", "probability": 0.05},
    {"kind": "server_error", "probability": 0.02},
    {"kind": "drop_after_reading", "probability": 0.01},
    {"kind": "cut_connection", "probability": 0.01},
    {"kind": "truncated_json", "probability": 0.01},
    {"kind": "garbled_body", "probability": 0.01},
    {"kind": "missing_parts", "probability": 0.01},
)


@dataclass(slots=True)
class Outside:
    """The queues, the bucket and the database from outside, and what the mailbox brought so far."""

    resources: Provisioned
    database: str
    told: list[Told] = field(default_factory=list)
    over: bool = False
    crashes: int = 0

    def client(self, service: str) -> Any:
        return self.resources.client(service)

    def upload(self, files: Sequence[File]) -> list[str]:
        return [self._put(file) for file in files]

    def _put(self, file: File) -> str:
        bucket, key = self.resources.bucket, f"uploads/{file.name}"
        answer = self.client("s3").put_object(Bucket=bucket, Key=key, Body=file.body)
        return run_id(bucket, key, etag=answer["ETag"], version_id=answer.get("VersionId"))

    def collect(self) -> int:
        """Take the mail out of the mailbox; how many have come in all."""
        for message in stores.drain(self.client("sqs"), self.resources.queues["mailbox"]):
            mail = json.loads(message["Body"])
            sent = mail["MessageAttributes"]["notification_id"]["Value"]
            self.told.append(Told(sent, json.loads(mail["Message"])))
        return len(self.told)

    async def stored(self) -> int | None:
        """Rows in the database; None while it recovers."""
        with suppress(*AWAY):
            return int(await self._fetchval("select count(*) from customer_feedback"))
        return None

    async def _fetchval(self, query: str) -> Any:
        connection = await asyncpg.connect(self.database)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    async def rows(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self.database)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    def left(self) -> dict[str, int]:
        names = [*QUEUES, *(f"{name}-dead" for name in QUEUES)]
        return {name: sum(stores.counts(self.client("sqs"), self.resources.queues[name])) for name in names}

    def object(self, key: str) -> bytes | None:
        s3 = self.client("s3")
        with suppress(s3.exceptions.NoSuchKey):
            return bytes(s3.get_object(Bucket=self.resources.bucket, Key=key)["Body"].read())
        return None


@dataclass(slots=True)
class DatabaseCrash:
    """A cut that strikes the database: one of its server processes is killed, so that it drops every connection, every
    transaction under way and what it holds in memory, and recovers from its log."""

    outside: Outside
    pids: list[int] = field(default_factory=list)

    async def watch(self) -> None:
        """Keep a connection whose server process can be killed."""
        while not self.outside.over:
            with suppress(*AWAY):
                connection = await asyncpg.connect(self.outside.database)
                self.pids.append(connection.get_server_pid())
                while not connection.is_closed() and not self.outside.over:
                    await asyncio.sleep(0.1)
                    await connection.fetchval("select 1")
                await connection.close()
            await asyncio.sleep(0.2)

    def cut_connections(self) -> int:
        if not self.pids:
            return 0
        with suppress(ProcessLookupError):
            os.kill(self.pids.pop(), signal.SIGKILL)
            self.outside.crashes += 1
        return 1


async def run_feedback(
    resources: Provisioned,
    database: str,
    bedrock: BedrockEndpoint,
    folder: Path,
    *,
    scale: Scale,
    seed: int,
    build: str = SOUND,
    faults: Sequence[Mapping[str, Any]] = FAULTS,
    model_ms: int = MODEL_MS,
    more: Mapping[str, str] = NOTHING_MORE,
    tasks: int = TASKS,
    quiet_seconds: float = STALLED_SECONDS,
) -> tuple[list[Finding], str]:
    """The findings of one seed, and a line about what was done."""
    die = random.Random(seed)
    outside = Outside(resources, database)
    await migrate_database(database)
    bedrock.control(f"models/{MODEL}", {"latency": {"fixed_ms": model_ms}, "faults": [*faults]})
    files = files_of(scale.feedback_rows, die)
    began = time.monotonic()
    async with fleet_of(
        "tests.chaos.tagger_task",
        {**_environment(resources, database, bedrock, build), **more},
        folder,
        drain_seconds=DRAIN_SECONDS,
    ) as fleet:
        crash = DatabaseCrash(outside)
        watching = asyncio.create_task(crash.watch())
        striker = Striker(fleet=fleet, die=die, pause_seconds=1.5 * VISIBILITY_SECONDS, proxy=crash, numbers=(tasks,))
        await fleet.start(how_many=tasks)
        runs = await asyncio.to_thread(outside.upload, files)
        strikes = schedule(scale.feedback_blows, die)
        await asyncio.gather(
            _until_told(outside, len(files), quiet_seconds),
            _strike(striker, strikes, outside, of=expected(files).total()),
        )
        fleet.look_for_crashes()
        outside.over = True
        await watching
        if build == SOUND:
            await _emptied(outside)
        await fleet.stop_all()
    run = await _read(outside, files, runs)
    found = tagger_findings(run) + [Finding("bad exit", problem) for problem in fleet.problems]
    stats = bedrock.control("stats")["models"].get(MODEL, NOT_ASKED)
    return found, (
        f"{run.stored.total()} rows of {sum(file.rows for file in files)} in {len(files)} files stored in "
        f"{time.monotonic() - began:.0f} s, strikes {dict(striker.dealt)}, {outside.crashes} crashes of the database, "
        f"{stats['throttled']} of {stats['calls']} calls throttled, faults {stats['faults']}, "
        f"{len(run.told)} notifications"
    )


def _environment(resources: Provisioned, database: str, bedrock: BedrockEndpoint, build: str) -> dict[str, str]:
    return resources.feedback_tagger(
        DATABASE_URL=database,
        FEEDBACK_MODEL_ID=MODEL,
        CHAOS_BUILD=build,
        LONG_POLL_SECONDS="1",
        DRAIN_SECONDS=str(DRAIN_SECONDS),
        VISIBILITY_SECONDS=str(VISIBILITY_SECONDS),
        ROWS_PER_PROMPT=str(ROWS_PER_PROMPT),
        POOL_WORKERS=str(POOL_WORKERS),
        SWEEP_SECONDS="2",
        HEALTH_PORT="0",
        **bedrock.environment(),
    )


async def _until_told(outside: Outside, files: int, quiet_seconds: float) -> None:
    """Until each run was told; or nothing moved for ``quiet_seconds`` with empty queues, so that nothing can move any
    more; or for much longer with messages in them, which a busy machine may be slow to begin with."""
    before, moved_at = (0, 0, 0), time.monotonic()
    while True:
        told = await asyncio.to_thread(outside.collect)
        if len({each.result["run_id"] for each in outside.told}) == files:
            break
        left = await asyncio.to_thread(outside.left)
        waiting = sum(left[name] for name in QUEUES)
        now = (await outside.stored() or before[0], told, waiting)
        if now != before:
            before, moved_at = now, time.monotonic()
        if time.monotonic() - moved_at > (STALLED_SECONDS if waiting else quiet_seconds):
            break
        await asyncio.sleep(0.2)
    outside.over = True


async def _strike(striker: Striker, strikes: Sequence[Strike], outside: Outside, *, of: int) -> None:
    """Each strike when such a share of the rows is stored: a slow machine is struck as often as a fast one."""
    for strike in strikes:
        while not outside.over:
            stored = await outside.stored()
            if stored is not None and stored >= strike.at * of:
                break
            await asyncio.sleep(0.1)
        await striker.deal(strike)
    await striker.settled()


async def _emptied(outside: Outside) -> None:
    """Until no message is left; one that stays is for the findings to say, not for a timeout."""

    async def empty() -> bool:
        left = await asyncio.to_thread(outside.left)
        return not any(left[name] for name in QUEUES)

    with suppress(AssertionError):
        await eventually(empty, within=60, what="empty queues")


async def _read(outside: Outside, files: Sequence[File], runs: Sequence[str]) -> FeedbackRun:
    await asyncio.to_thread(outside.collect)
    stored: Counter[tuple[str, ...]] = Counter()
    labels = set()
    for row in await outside.rows("select ref_id, feedback, label_llm from customer_feedback"):
        stored[row["ref_id"], row["feedback"]] += 1
        labels.add(str(row["label_llm"]))
    categories = {
        row["category_name"] for row in await outside.rows("select category_name from customer_feedback_category")
    }
    documents, rejects = {}, {}
    for run in runs:
        if (document := outside.object(f"runs/{run}.json")) is not None:
            documents[run] = json.loads(document)
        listed = [outside.object(f"rejects/{run}/{name}.csv") for name in ("rows", "unlabelled")]
        rejects[run] = [int(row["line"]) for body in listed if body is not None for row in _as_csv(body)]
    return FeedbackRun(
        files=files,
        runs=runs,
        stored=stored,
        labels=frozenset(labels),
        categories=frozenset({*categories, "unknown"}),
        told=outside.told,
        documents=documents,
        rejects=rejects,
        left=outside.left(),
    )


def _as_csv(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
