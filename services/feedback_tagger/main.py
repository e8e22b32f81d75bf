"""The composition root: settings in, ports opened, loops run until a signal, everything closed again."""

import asyncio
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from services.feedback_tagger.app import Limits, Ports, loops
from services.feedback_tagger.bucket.s3 import S3Bucket
from services.feedback_tagger.domain.headers import read_aliases
from services.feedback_tagger.settings import TaggerSettings
from services.feedback_tagger.store.migrate import migrate_database
from services.feedback_tagger.store.postgres import postgres_pool
from services.feedback_tagger.store.postgres_rows import PostgresRows
from services.feedback_tagger.store.postgres_runs import PostgresRuns
from services.feedback_tagger.store.postgres_upkeep import PostgresUpkeep
from shared.aws.clients import aws_session, open_client
from shared.backoff import Backoff
from shared.clock import wall_clock
from shared.errors import TransientError
from shared.health import Health, serve_health
from shared.idempotency.dynamodb import DynamoDbIdempotency
from shared.lifecycle import StopEvent, run_loops, stop_on_signals
from shared.logs import configure_logs, logger
from shared.model.bedrock import BedrockModel
from shared.model.prices import PRICES
from shared.notifications.sns import SnsNotifications
from shared.queue.dynamodb_failures import DynamoDbFailureCounts
from shared.queue.sqs import SqsQueue
from shared.settings import BadSettings

log = logger("main")

SERVICE = "feedback_tagger"
# Rows sent alone are stored a prompt at a time.
SINGLES_CONNECTIONS = 4
START_BACKOFF = Backoff(base=0.5, cap=15.0)


async def run(environment: Mapping[str, str], *, opened: Callable[[Ports], Ports] = lambda ports: ports) -> None:
    """Serve until SIGTERM or SIGINT. ``opened`` may put something of the caller's before a port.

    Raises BadSettings, LoopCrashed or DrainTimedOut.
    """
    settings = TaggerSettings.from_environment(environment)
    if settings.run_usd is not None and PRICES.of(settings.feedback_model_id) is None:
        raise BadSettings([f"RUN_USD: cannot be kept, the price file lacks {settings.feedback_model_id}"])
    configure_logs(SERVICE, settings.log_level)
    stop = asyncio.Event()
    stop_on_signals(stop)
    health = Health(time.monotonic)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve_health(health, port=settings.health_port))
        log.info("started", health_port=port, settings=settings.model_dump(mode="json", exclude={"database_url"}))
        await _migrate_when_possible(settings.database_url.get_secret_value(), stop)
        if stop.is_set():
            return
        ports = opened(await _open_ports(settings, stack))
        limits = Limits(
            model_id=settings.feedback_model_id,
            rows_per_prompt=settings.rows_per_prompt,
            pool_workers=settings.pool_workers,
            singles_workers=settings.singles_workers,
            run_usd=settings.run_usd,
            sweep_seconds=settings.sweep_seconds,
            stuck_run_seconds=settings.stuck_run_seconds,
            long_poll_seconds=settings.long_poll_seconds,
            visibility_seconds=settings.visibility_seconds,
            prices_as_of=PRICES.as_of.isoformat(),
            prompt_tokens=settings.prompt_tokens,
            unsure_model_id=settings.feedback_unsure_model_id,
            agreement_share=settings.agreement_share,
            agreement_least=settings.agreement_least,
            deadline_minutes=settings.feedback_deadline_minutes,
            largest_file_bytes=settings.largest_file_bytes,
            headers=read_aliases(settings.header_aliases),
        )
        running = loops(
            ports,
            limits,
            health=health,
            now=wall_clock,
            uniform=random.uniform,
            token_hex=secrets.token_hex,
            # Unique to this life of the process: a task that comes back under an old name would believe its old claim.
            owner=f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
        )
        await run_loops(
            running,
            stop=stop,
            drain_seconds=settings.drain_seconds,
        )
        log.info("stopped")


async def _open_ports(settings: TaggerSettings, stack: AsyncExitStack) -> Ports:
    session = aws_session()
    # Every worker of a consumer may be settling while its receivers poll.
    sqs = await stack.enter_async_context(open_client(session, "sqs", connections=64))
    s3 = await stack.enter_async_context(open_client(session, "s3", connections=8, read_timeout=60))
    sns = await stack.enter_async_context(open_client(session, "sns", connections=4))
    dynamodb = await stack.enter_async_context(open_client(session, "dynamodb", connections=16))
    # Connections are made as they are needed: one for each row sent alone besides the pool's, so that none waits for a
    # connection that chunks hold. Retries are made above the client.
    prompts = settings.pool_workers + settings.singles_workers
    bedrock = await stack.enter_async_context(
        open_client(session, "bedrock-runtime", connections=prompts, read_timeout=60, attempts=1)
    )
    url = settings.database_url.get_secret_value()
    database = await stack.enter_async_context(postgres_pool(url, connections=settings.pool_workers + 6))
    singles_database = await stack.enter_async_context(postgres_pool(url, connections=SINGLES_CONNECTIONS))
    model = BedrockModel(bedrock)
    return Ports(
        files=SqsQueue(sqs, settings.feedback_files_queue_url),
        files_dead=SqsQueue(sqs, settings.feedback_files_dead_queue_url),
        chunks=SqsQueue(sqs, settings.feedback_chunks_queue_url),
        chunks_dead=SqsQueue(sqs, settings.feedback_chunks_dead_queue_url),
        items=SqsQueue(sqs, settings.feedback_items_queue_url),
        items_dead=SqsQueue(sqs, settings.feedback_items_dead_queue_url),
        failures=DynamoDbFailureCounts(dynamodb, settings.idempotency_table),
        claims=DynamoDbIdempotency(dynamodb, settings.idempotency_table),
        bucket=S3Bucket(s3, settings.uploads_bucket),
        notifications=SnsNotifications(sns, settings.run_results_topic_arn),
        model=model,
        single_model=model,
        runs=PostgresRuns(database),
        rows=PostgresRows(database),
        single_rows=PostgresRows(singles_database),
        upkeep=PostgresUpkeep(database),
    )


async def _migrate_when_possible(dsn: str, stop: StopEvent) -> None:
    """A database that is still starting, or failing over, is waited for: exiting would only start this task again."""
    attempt = 0
    while not stop.is_set():
        try:
            await migrate_database(dsn)
            return
        except TransientError as error:
            delay = START_BACKOFF.delay(attempt, random.uniform)
            log.warning("database_away", reason=str(error), retry_seconds=round(delay, 3))
            attempt += 1
        try:
            await asyncio.wait_for(stop.wait(), delay)
        except TimeoutError:
            continue
