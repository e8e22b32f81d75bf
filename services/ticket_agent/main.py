"""The composition root of the ticket agent: from the environment to running loops, top to bottom."""

import asyncio
import os
import random
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from aiobotocore.session import AioSession

from services.ticket_agent.agent.agentcore_harness import AgentCoreHarness
from services.ticket_agent.agent.bedrock_agent import BedrockAgent
from services.ticket_agent.agent.budget import Budget
from services.ticket_agent.agent.converse import ConverseAgent
from services.ticket_agent.agent.day_budget import DayBudget
from services.ticket_agent.agent.limited import LimitedAgent
from services.ticket_agent.agent.loop import AgentLoop
from services.ticket_agent.agent.port import Agent
from services.ticket_agent.app import QueuePair, TicketAgent
from services.ticket_agent.bridge import Bridge
from services.ticket_agent.deciding import Deciding
from services.ticket_agent.decisions import Decisions
from services.ticket_agent.intake import Intake
from services.ticket_agent.knowledge.bedrock import BedrockKnowledgeBase
from services.ticket_agent.knowledge.documents import DocumentKnowledgeBase
from services.ticket_agent.metrics import METRICS
from services.ticket_agent.notifier import Notifier
from services.ticket_agent.policy.guard import BadPolicy, Guard
from services.ticket_agent.settings import SeedSettings, TicketAgentSettings
from services.ticket_agent.store.agenda import DynamoDbAgenda
from services.ticket_agent.store.changes import DynamoDbChanges
from services.ticket_agent.store.directory import DynamoDbDirectory
from services.ticket_agent.store.effects import DynamoDbEffects
from services.ticket_agent.store.ledger import DynamoDbLedger
from services.ticket_agent.store.rulings import DynamoDbRulings
from services.ticket_agent.store.seeding import AT_ONCE, read_file, rows_in, write_rows
from services.ticket_agent.store.tables import Tables
from services.ticket_agent.store.tickets import DynamoDbTickets
from services.ticket_agent.sweeper import Sweeper
from services.ticket_agent.tools.port import Desk
from services.ticket_agent.tools.registry import TOOLS, Toolbox
from services.ticket_agent.worker import Worker
from shared.aws.clients import Client, aws_session, open_client
from shared.aws.errors import aws_errors
from shared.clock import wall_clock
from shared.errors import DeskhandError, PermanentError
from shared.health import Health, serve_health
from shared.idempotency.dynamodb import DynamoDbIdempotency
from shared.lifecycle import DrainTimedOut, LoopCrashed, run_loops, stop_on_signals
from shared.logs import configure_logs, logger
from shared.model.bedrock import BedrockModel
from shared.model.dynamodb_shares import DynamoDbShares
from shared.model.dynamodb_spend import DynamoDbSpend
from shared.model.fleet import fleet_quota
from shared.model.limiter import Limiter
from shared.model.port import Usage
from shared.model.prices import ModelPrice, Prices
from shared.model.service_quotas import ServiceQuotas
from shared.model.shares import TICKETS
from shared.notifications.sns import SnsNotifications
from shared.queue.dynamodb_failures import DynamoDbFailureCounts
from shared.queue.sqs import SqsQueue
from shared.settings import BadSettings
from shared.stream.dynamodb import DynamoDbStream
from shared.stream.dynamodb_leases import DynamoDbLeases
from shared.tracing import start_tracing, stop_tracing

log = logger("main")

MODEL_SECONDS = 120.0
"""One turn of a model; longer is a connection that died."""


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the service; with ``seed`` load a directory. Returns the exit status."""
    if list(arguments) == ["seed"]:
        return load_directory(environment)
    try:
        settings = TicketAgentSettings.from_environment(environment)
        configure_logs("ticket_agent", settings.log_level, deployment=settings.deployment, metrics=METRICS)
        asyncio.run(serve(settings))
    except (BadSettings, BadPolicy) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 (there is no log yet)
        return 2
    except (LoopCrashed, DrainTimedOut, DeskhandError) as error:
        log.error("stopped", reason=str(error), error_class=type(error).__name__)
        return 1
    return 0


def load_directory(environment: Mapping[str, str]) -> int:
    """Write what a file says of people and what they own into the tables; returns the exit status."""
    try:
        settings = SeedSettings.from_environment(environment)
        configure_logs("ticket_agent", settings.log_level, deployment=settings.deployment, metrics=METRICS)
        asyncio.run(seed(settings))
    except BadSettings as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 (there is no log yet)
        return 2
    except DeskhandError as error:
        log.error("not_seeded", reason=str(error), error_class=type(error).__name__)
        return 1
    return 0


async def seed(settings: SeedSettings) -> None:
    """A task that broke off is run again: what is written already stays. Raises DeskhandError."""
    session = aws_session()
    async with AsyncExitStack() as stack:
        s3 = await stack.enter_async_context(open_client(session, "s3", connections=1))
        dynamodb = await stack.enter_async_context(open_client(session, "dynamodb", connections=AT_ONCE))
        rows = rows_in(await read_file(s3, settings.directory_uri), settings.directory_uri)
        log.info("seeded", **await write_rows(dynamodb, rows, settings.tables))


async def serve(settings: TicketAgentSettings) -> None:
    """Run until a signal or a crash. Raises LoopCrashed, DrainTimedOut, BadPolicy, DeskhandError."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    health = Health(monotonic=time.monotonic)
    async with AsyncExitStack() as stack:
        start_tracing("ticket_agent", settings, deployment=settings.deployment)
        stack.callback(stop_tracing)
        app = await compose(settings, stack, health)
        port = await stack.enter_async_context(serve_health(health, port=settings.health_port))
        log.info("started", owner=app.owner, health_port=port, policy=app.worker.desk.guard.version)
        await run_loops(app.loops(), stop=stop, drain_seconds=settings.drain_seconds)
    log.info("stopped", reason="asked to")


async def compose(settings: TicketAgentSettings, stack: AsyncExitStack, health: Health) -> TicketAgent:
    """Open every client on ``stack`` and wire the service to them."""
    guard = Guard.from_package()
    session = aws_session()
    # Four consumers with a long poll each, their handlers, and room for deletes and heartbeats beside them.
    sqs = await stack.enter_async_context(open_client(session, "sqs", connections=64))
    dynamodb = await stack.enter_async_context(
        open_client(session, "dynamodb", connections=32 + 2 * settings.ticket_workers)
    )
    streams = await stack.enter_async_context(
        open_client(session, "dynamodbstreams", endpoint_url=settings.dynamodb_streams_endpoint_url)
    )
    sns = await stack.enter_async_context(open_client(session, "sns"))
    budget = Budget(turns=settings.ticket_turns, tokens=settings.ticket_tokens)
    # Unique to this life of the process: a task that comes back under an old name would believe its old leases.
    owner = f"{os.uname().nodename}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    published = None
    if settings.model_quotas == "service-quotas":
        published = ServiceQuotas(await stack.enter_async_context(open_client(session, "service-quotas")))
    price = Prices.load(settings.model_prices_file).of(settings.ticket_model_id)
    quota = fleet_quota(
        settings.ticket_model_id,
        settings,
        service=TICKETS,
        task=owner,
        price=price,
        published=published,
        shares=DynamoDbShares(dynamodb, settings.lease_table, model_id=settings.ticket_model_id),
        monotonic=time.monotonic,
    )
    await quota.turn()
    agent = limited(await open_agent(settings, session, stack, budget), quota.limiter, price)

    tables = Tables(
        user=settings.user_table,
        environment=settings.environment_table,
        user_access=settings.user_access_table,
        ticket=settings.ticket_table,
        ledger=settings.ledger_table,
        resolver_group=settings.resolver_group_table,
    )
    directory = DynamoDbDirectory(dynamodb, tables)
    tickets = DynamoDbTickets(dynamodb, tables)
    agenda = DynamoDbAgenda(dynamodb, tables)
    changes = DynamoDbChanges(dynamodb, tables)
    rulings = DynamoDbRulings(dynamodb, settings.ledger_table)
    ledger = DynamoDbLedger(dynamodb, settings.ledger_table)
    effects = DynamoDbEffects(dynamodb, tables)
    knowledge: BedrockKnowledgeBase | DocumentKnowledgeBase = DocumentKnowledgeBase.from_package()
    if settings.knowledge_base_id is not None:
        agent_runtime = await stack.enter_async_context(open_client(session, "bedrock-agent-runtime"))
        knowledge = BedrockKnowledgeBase(
            agent_runtime, settings.knowledge_base_id, search_type=settings.knowledge_base_search_type
        )
    desk = Desk(
        directory=directory, access=directory, effects=effects, knowledge=knowledge, guard=guard, now=wall_clock
    )
    loop = AgentLoop(
        agent=agent,
        toolbox=Toolbox(TOOLS),
        budget=budget,
        day=DayBudget(
            spend=DynamoDbSpend(dynamodb, settings.idempotency_table),
            tokens=settings.ticket_tokens_per_day,
            now=wall_clock,
        ),
        run_seconds=settings.ticket_run_seconds,
        monotonic=time.monotonic,
        uniform=random.uniform,
    )

    work = _pair(sqs, settings.ticket_work_queue_url, settings.ticket_work_dead_queue_url)
    updates = _pair(sqs, settings.ticket_updates_queue_url, settings.ticket_updates_dead_queue_url)
    return TicketAgent(
        quota=quota,
        intake=Intake(directory=directory, tickets=tickets, trusted_relays=settings.relays, now=wall_clock),
        decisions=Decisions(
            directory=directory,
            tickets=tickets,
            rulings=rulings,
            work=work.queue,
            trusted_relays=settings.relays,
            now=wall_clock,
        ),
        bridge=Bridge(
            work=work.queue, updates=updates.queue, work_dead=work.dead_letters, agenda=agenda, ledger=ledger
        ),
        worker=Worker(
            tickets=tickets,
            ledger=ledger,
            desk=desk,
            loop=loop,
            deciding=Deciding(
                tickets=tickets,
                rulings=rulings,
                directory=directory,
                access=directory,
                changes=changes,
                guard=guard,
                now=wall_clock,
            ),
            resolver_group=settings.resolver_group,
            monotonic=time.monotonic,
        ),
        notifier=Notifier(
            ledger=ledger,
            directory=directory,
            notifications=SnsNotifications(sns, settings.ticket_updates_topic_arn),
            decisions_queue=settings.ticket_decisions_queue_url.rpartition("/")[2],
            service_desk=settings.resolver_group,
            now=wall_clock,
        ),
        sweeper=Sweeper(
            claims=DynamoDbIdempotency(dynamodb, settings.idempotency_table),
            agenda=agenda,
            tickets=tickets,
            ledger=ledger,
            directory=directory,
            access=directory,
            changes=changes,
            work=work.queue,
            updates=updates.queue,
            delays=settings.delays,
            owner=owner,
            sweep_seconds=settings.sweep_seconds,
            now=wall_clock,
        ),
        intake_queue=_pair(sqs, settings.ticket_intake_queue_url, settings.ticket_intake_dead_queue_url),
        decisions_queue=_pair(sqs, settings.ticket_decisions_queue_url, settings.ticket_decisions_dead_queue_url),
        work_queue=work,
        updates_queue=updates,
        stream=DynamoDbStream(streams, await stream_arn(dynamodb, settings.ticket_table)),
        leases=DynamoDbLeases(dynamodb, settings.lease_table, consumer="ticket-stream"),
        failures=DynamoDbFailureCounts(dynamodb, settings.idempotency_table),
        health=health,
        now=wall_clock,
        owner=owner,
        ticket_workers=settings.ticket_workers,
        run_seconds=settings.ticket_run_seconds,
        long_poll_seconds=settings.long_poll_seconds,
        visibility_seconds=settings.visibility_seconds,
    )


async def open_agent(
    settings: TicketAgentSettings, session: AioSession, stack: AsyncExitStack, budget: Budget
) -> Agent[Any]:
    """The agent on the back end that the settings name, with its client open on ``stack``."""

    def client(service: str) -> AbstractAsyncContextManager[Client]:
        # One attempt: the agent's loop tries again by itself, and knows how much time is left.
        workers = settings.ticket_workers
        return open_client(session, service, connections=workers, read_timeout=MODEL_SECONDS, attempts=1)

    tools = [tool.spec for tool in TOOLS]
    if settings.ticket_backend == "bedrock_agent":
        return BedrockAgent(
            await stack.enter_async_context(client("bedrock-agent-runtime")),
            agent_id=str(settings.bedrock_agent_id),
            agent_alias_id=str(settings.bedrock_agent_alias_id),
            new_id=_new_id,
        )
    if settings.ticket_backend == "agentcore_harness":
        return AgentCoreHarness(
            await stack.enter_async_context(client("bedrock-agentcore")),
            harness_arn=str(settings.agentcore_harness_arn),
            model_id=settings.ticket_model_id,
            tools=tools,
            budget=budget,
            turn_seconds=MODEL_SECONDS,
            new_id=_new_id,
        )
    model = BedrockModel(await stack.enter_async_context(client("bedrock-runtime")))
    return ConverseAgent(model, model_id=settings.ticket_model_id, tools=tools)


def limited(agent: Agent[Any], limiter: Limiter, price: ModelPrice | None) -> Agent[Any]:
    """``agent`` inside the model's quota; every back end says what a step used, so one way serves all three."""

    def quota_tokens(usage: Usage) -> float:
        return usage.input_tokens + usage.output_tokens if price is None else price.quota_tokens(usage)

    return LimitedAgent(agent, limiter, quota_tokens=quota_tokens)


async def stream_arn(dynamodb: Client, table: str) -> str:
    """The ARN of the table's stream. Raises PermanentError if it has none."""
    with aws_errors():
        answer = await dynamodb.describe_table(TableName=table)
    arn = answer["Table"].get("LatestStreamArn")
    if arn is None:
        raise PermanentError(f"the table {table} has no stream; switch one on with view type NEW_AND_OLD_IMAGES")
    return str(arn)


def _new_id() -> str:
    return uuid.uuid4().hex


def _pair(sqs: Client, url: str, dead_url: str) -> QueuePair:
    return QueuePair(SqsQueue(sqs, url), SqsQueue(sqs, dead_url))
