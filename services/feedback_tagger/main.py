"""The composition root: settings in, ports opened, loops run until a signal, everything closed again."""

import asyncio
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Literal

from aiobotocore.session import AioSession

from services.feedback_tagger.app import Limits, Ports, loops
from services.feedback_tagger.asking.examples import ExampleRules
from services.feedback_tagger.bucket.s3 import S3Bucket
from services.feedback_tagger.database import access_of, open_door
from services.feedback_tagger.discovery.loop import CALLS_AT_ONCE
from services.feedback_tagger.discovery.placing import Rules
from services.feedback_tagger.domain.headers import read_aliases
from services.feedback_tagger.metrics import METRICS
from services.feedback_tagger.settings import MigrationSettings, TaggerSettings
from services.feedback_tagger.store.opened import Door, migrate_store, open_store
from services.feedback_tagger.tasks import TaskOptions, tasks_of
from services.feedback_tagger.tasks.email_routing import departments_in
from services.feedback_tagger.tasks.product_facts import required_in
from services.feedback_tagger.tasks.sentiment import aspects_in
from shared.aws.clients import Client, aws_session, open_client
from shared.aws.converse import open_converse
from shared.aws.sqs_calls import open_sqs
from shared.backoff import Backoff
from shared.clock import wall_clock
from shared.errors import TransientError
from shared.health import Health, serve_health
from shared.idempotency.dynamodb import DynamoDbIdempotency
from shared.lifecycle import Loop, StopEvent, run_loops, stop_on_signals
from shared.logs import configure_logs, logger
from shared.model.bedrock import BedrockModel
from shared.model.bedrock_batch_jobs import BedrockBatchJobs
from shared.model.day_blocks import day_budgets
from shared.model.dynamodb_shares import DynamoDbShares
from shared.model.dynamodb_spend import DynamoDbSpend
from shared.model.embeddings import Embedder
from shared.model.fleet import FleetQuota, fleet_quota
from shared.model.limited import ByModel, LimitedEmbedder, LimitedModel
from shared.model.port import Model
from shared.model.prices import Prices
from shared.model.service_quotas import ServiceQuotas
from shared.model.titan import TitanEmbedder
from shared.notifications.sns import SnsNotifications
from shared.queue.dynamodb_failures import DynamoDbFailureCounts
from shared.queue.sqs import SqsQueue
from shared.settings import BadSettings
from shared.tracing import start_tracing, stop_tracing

log = logger("main")

SERVICE = "feedback_tagger"
# Rows sent alone are stored a prompt at a time.
SINGLES_CONNECTIONS = 4
# A quarter of what Titan can give keeps nearly all of what a vector tells, at a quarter of the room.
EMBEDDING_DIMENSIONS: Literal[256] = 256
START_BACKOFF = Backoff(base=0.5, cap=15.0)


async def run(environment: Mapping[str, str], *, opened: Callable[[Ports], Ports] = lambda ports: ports) -> None:
    """Serve until SIGTERM or SIGINT. ``opened`` may put something of the caller's before a port.

    Raises BadSettings, LoopCrashed or DrainTimedOut.
    """
    settings = TaggerSettings.from_environment(environment)
    prices = Prices.load(settings.model_prices_file)
    if settings.run_usd is not None and prices.of(settings.feedback_model_id) is None:
        raise BadSettings([f"RUN_USD: cannot be kept, the price file lacks {settings.feedback_model_id}"])
    configure_logs(SERVICE, settings.log_level, deployment=settings.deployment, metrics=METRICS)
    stop = asyncio.Event()
    stop_on_signals(stop)
    health = Health(time.monotonic)
    async with AsyncExitStack() as stack:
        start_tracing(SERVICE, settings, deployment=settings.deployment)
        stack.callback(stop_tracing)
        port = await stack.enter_async_context(serve_health(health, port=settings.health_port))
        log.info("started", health_port=port, settings=settings.model_dump(mode="json", exclude={"database_url"}))
        session = aws_session()
        door = await open_door(settings, session, stack)
        await _migrate_when_possible(door, stop)
        if stop.is_set():
            return
        # Unique to this life of the process: a task that comes back under an old name would believe its old claim.
        owner = f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        ports, quotas = await _open_ports(settings, session, door, stack, owner)
        ports = opened(ports)
        limits = Limits(
            model_id=settings.feedback_model_id,
            rows_per_prompt=settings.rows_per_prompt,
            pool_workers=settings.pool_workers,
            singles_workers=settings.singles_workers,
            run_usd=settings.run_usd,
            usd_per_day=settings.feedback_usd_per_day,
            sweep_seconds=settings.sweep_seconds,
            stuck_run_seconds=settings.stuck_run_seconds,
            long_poll_seconds=settings.long_poll_seconds,
            visibility_seconds=settings.visibility_seconds,
            prices_as_of=prices.as_of.isoformat(),
            price_of=prices.of,
            prompt_tokens=settings.prompt_tokens,
            unsure_model_id=settings.feedback_unsure_model_id,
            agreement_share=settings.agreement_share,
            agreement_least=settings.agreement_least,
            deadline_minutes=settings.feedback_deadline_minutes,
            batch_role_arn=settings.batch_role_arn,
            batch_timeout_hours=settings.batch_timeout_hours,
            batch_look_seconds=settings.batch_look_seconds,
            embedding_model_id=settings.embedding_model_id,
            embedding_id=f"{settings.embedding_model_id}/{EMBEDDING_DIMENSIONS}",
            discovery_seconds=settings.discovery_seconds,
            discovery_texts=settings.discovery_texts,
            discovery_rules=Rules(distance=settings.discovery_distance, least=settings.discovery_least_texts),
            discovery_accept_rows=settings.discovery_accept_rows,
            largest_file_bytes=settings.largest_file_bytes,
            headers=read_aliases(settings.header_aliases),
            example_rules=ExampleRules(
                per_category=settings.examples_per_category,
                tokens=settings.examples_tokens,
                tenant_column=settings.examples_tenant_column or None,
                price=prices.of(settings.feedback_model_id),
            ),
            tasks=tasks_of(
                TaskOptions(
                    sentiment_aspects=aspects_in(settings.sentiment_aspects),
                    sentiment_votes=settings.sentiment_votes,
                    departments=departments_in(settings.email_departments),
                    required_facts=required_in(settings.product_facts_required),
                )
            ),
        )
        running = loops(
            ports,
            limits,
            health=health,
            now=wall_clock,
            uniform=random.uniform,
            token_hex=secrets.token_hex,
            owner=owner,
        )
        await run_loops(
            [*running, *(Loop(f"quota {quota.model_id}", quota.run) for quota in quotas)],
            stop=stop,
            drain_seconds=settings.drain_seconds,
        )
        log.info("stopped")


async def migrate(settings: MigrationSettings) -> list[str]:
    """Bring the database up to date, and its users; the names of the migrations that were applied."""
    session = aws_session()
    async with AsyncExitStack() as stack:
        door = await open_door(settings, session, stack)
        return await migrate_store(door, await access_of(settings, session))


async def _open_ports(
    settings: TaggerSettings, session: AioSession, door: Door, stack: AsyncExitStack, owner: str
) -> tuple[Ports, list[FleetQuota]]:
    # Every worker of a consumer may be settling while its receivers poll.
    sqs = await stack.enter_async_context(open_sqs(session, connections=64))
    s3 = await stack.enter_async_context(open_client(session, "s3", connections=8, read_timeout=60))
    sns = await stack.enter_async_context(open_client(session, "sns", connections=4))
    dynamodb = await stack.enter_async_context(open_client(session, "dynamodb", connections=16))
    # Connections are made as they are needed: one for each row sent alone besides the pool's, so that none waits for a
    # connection that chunks hold. Retries are made above the client.
    prompts = settings.pool_workers + settings.singles_workers
    bedrock = await stack.enter_async_context(open_converse(session, connections=prompts, read_timeout=60))
    store = await stack.enter_async_context(open_store(door, connections=settings.pool_workers + 6))
    singles_store = await stack.enter_async_context(open_store(door, connections=SINGLES_CONNECTIONS))
    model, single_model, embedder, quotas = await _open_models(
        settings, stack, session, dynamodb, BedrockModel(bedrock), owner
    )
    control = await stack.enter_async_context(open_client(session, "bedrock", connections=4))
    ports = Ports(
        files=SqsQueue(sqs, settings.feedback_files_queue_url),
        files_dead=SqsQueue(sqs, settings.feedback_files_dead_queue_url),
        chunks=SqsQueue(sqs, settings.feedback_chunks_queue_url),
        chunks_dead=SqsQueue(sqs, settings.feedback_chunks_dead_queue_url),
        items=SqsQueue(sqs, settings.feedback_items_queue_url),
        items_dead=SqsQueue(sqs, settings.feedback_items_dead_queue_url),
        outcomes=SqsQueue(sqs, settings.ticket_outcomes_queue_url),
        outcomes_dead=SqsQueue(sqs, settings.ticket_outcomes_dead_queue_url),
        failures=DynamoDbFailureCounts(dynamodb, settings.idempotency_table),
        claims=DynamoDbIdempotency(dynamodb, settings.idempotency_table),
        bucket=S3Bucket(s3, settings.uploads_bucket),
        notifications=SnsNotifications(sns, settings.run_results_topic_arn),
        model=model,
        single_model=single_model,
        runs=store.runs,
        rows=store.rows,
        single_rows=singles_store.rows,
        upkeep=store.upkeep,
        batches=store.batches,
        batch_jobs=BedrockBatchJobs(control),
        spend=DynamoDbSpend(dynamodb, settings.idempotency_table),
        ticket_outcomes=store.outcomes,
        commands=store.commands,
        taxonomy=store.taxonomy,
        corrections=store.corrections,
        examples=store.examples,
        single_examples=singles_store.examples,
        discovery=store.discovery,
        embedder=embedder,
    )
    return ports, quotas


async def _open_models(
    settings: TaggerSettings,
    stack: AsyncExitStack,
    session: AioSession,
    dynamodb: Client,
    bedrock: BedrockModel,
    owner: str,
) -> tuple[Model, Model, Embedder, list[FleetQuota]]:
    """What rows of files go through, what rows sent alone go through, what texts are compared by, and what keeps all of
    them inside the quotas."""
    prices = Prices.load(settings.model_prices_file)
    published = None
    if settings.model_quotas == "service-quotas":
        published = ServiceQuotas(await stack.enter_async_context(open_client(session, "service-quotas")))
    spend = DynamoDbSpend(dynamodb, settings.idempotency_table)
    lanes: dict[str, dict[str, Model]] = {"files": {}, "singles": {}}
    quotas = []
    runtime = await stack.enter_async_context(
        open_client(session, "bedrock-runtime", connections=CALLS_AT_ONCE, attempts=1)
    )
    embedding = settings.embedding_model_id
    embedder: Embedder = TitanEmbedder(runtime, model_id=embedding, dimensions=EMBEDDING_DIMENSIONS)
    answering = filter(None, (settings.feedback_model_id, settings.feedback_unsure_model_id))
    for model_id in dict.fromkeys((*answering, embedding)):
        price = prices.of(model_id)
        table = settings.lease_table
        quota = fleet_quota(
            model_id,
            settings,
            service=SERVICE,
            task=owner,
            price=price,
            published=published,
            shares=None if table is None else DynamoDbShares(dynamodb, table, model_id=model_id),
            monotonic=time.monotonic,
        )
        await quota.turn()
        quotas.append(quota)
        budgets = day_budgets(
            settings.feedback_usd_per_day, settings.model_tokens_per_day, model_id, price, spend=spend, now=wall_clock
        )
        for budget in budgets:
            stack.push_async_callback(budget.close)
        if model_id == embedding:
            embedder = LimitedEmbedder(embedder, quota.limiter, lane="files", uniform=random.uniform, budgets=budgets)
            continue
        for lane, models in lanes.items():
            models[model_id] = LimitedModel(
                bedrock, quota.limiter, lane=lane, price=price, uniform=random.uniform, budgets=budgets
            )
    return ByModel(lanes["files"]), ByModel(lanes["singles"]), embedder, quotas


async def _migrate_when_possible(door: Door, stop: StopEvent) -> None:
    """A database that is still starting, or failing over, is waited for: exiting would only start this task again."""
    attempt = 0
    while not stop.is_set():
        try:
            await migrate_store(door)
            return
        except TransientError as error:
            delay = START_BACKOFF.delay(attempt, random.uniform)
            log.warning("database_away", reason=str(error), retry_seconds=round(delay, 3))
            attempt += 1
        try:
            await asyncio.wait_for(stop.wait(), delay)
        except TimeoutError:
            continue
