"""Composes an evaluation: the service as wired, on an emulator's tables, asking a model, a stand-in or a recording."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from cli.environment import process_environment
from cli.errors import UserError
from cli.stage import DynamoDbStage
from local.bedrock_endpoint import running_bedrock
from local.cloud import BACK_END_SETTINGS, TICKET_MODEL_ID
from local.emulator import running_emulator
from local.processes import StartFailed
from local.provisioning import Provisioned, provision
from services.ticket_agent.agent.port import Agent
from services.ticket_agent.evaluation.cases import EvaluationCase, GroundTruth, read_ground_truth
from services.ticket_agent.evaluation.report import Report
from services.ticket_agent.evaluation.run import Evaluation
from services.ticket_agent.evaluation.scoring import Verdict
from services.ticket_agent.evaluation.transcripts import RecordingAgent, ReplayingAgent
from services.ticket_agent.main import compose
from services.ticket_agent.settings import TicketAgentSettings
from shared.aws.clients import aws_session, open_client
from shared.health import Health
from shared.logs import configure_logs
from shared.settings import BadSettings

TABLES_NAME = "deskhand-eval"
PROGRESS_SECONDS = 1.5
# What of the user's own environment belongs to the model's side, where that is on AWS.
OF_THE_MODEL = (*BACK_END_SETTINGS, "KNOWLEDGE_BASE_ID", "KNOWLEDGE_BASE_SEARCH_TYPE", "TICKET_RUN_SECONDS")
# The tables' side of it, which never leaves this machine.
OF_THE_TABLES = ("DYNAMODB", "DYNAMODB_STREAMS", "SQS", "SNS", "STS", "S3")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command was asked for. ``offline``: no AWS credentials are set; ``own`` is the user's environment."""

    backend: str
    cases: tuple[str, ...]
    out: Path
    record: Path | None
    replay: Path | None
    model_id: str | None
    offline: bool
    own: Mapping[str, str] = field(repr=False)

    @property
    def on_aws(self) -> bool:
        return not self.offline and self.replay is None

    @property
    def source(self) -> str:
        if self.replay is not None:
            return f"Replayed from {self.replay}: no model is asked."
        if self.on_aws:
            return "Bedrock on AWS answers; the tables are an emulator's."
        return "A rule-following stand-in for offline use answers, no language model."


def run_evaluation(wish: Wish, tell: Say) -> Report:
    """Start what is needed, run the cases, stop everything. Raises UserError."""
    _check(wish)
    truth = read_ground_truth()
    cases = truth.chosen(wish.cases)
    if not cases:
        known = ", ".join(case.case_id for case in truth.cases)
        raise UserError(f"no case is called {', '.join(wish.cases)}", f"the cases are {known}")
    tell(f"deskhand: {len(cases)} cases on the back end {wish.backend}. {wish.source}")
    with ExitStack() as stack:
        environment = _start(wish, stack, tell)
        stack.enter_context(process_environment(environment))
        _log_to(wish.out / "agent.log", stack)
        try:
            settings = TicketAgentSettings.from_environment(environment)
        except BadSettings as error:
            raise UserError(f"the back end {wish.backend} cannot be used: {error}", "set what is missing") from None
        verdicts = asyncio.run(_run(wish, settings, truth, cases, tell))
    return Report(backend=wish.backend, model_id=settings.ticket_model_id, source=wish.source, verdicts=tuple(verdicts))


async def _run(
    wish: Wish, settings: TicketAgentSettings, truth: GroundTruth, cases: tuple[EvaluationCase, ...], tell: Say
) -> list[Verdict]:
    async with AsyncExitStack() as stack:
        app = await compose(settings, stack, Health(monotonic=time.monotonic))
        dynamodb = await stack.enter_async_context(open_client(aws_session(), "dynamodb"))
        evaluation = Evaluation(
            truth=truth,
            worker=app.worker,
            stage=DynamoDbStage(dynamodb, _table_names(settings)),
            agent=_agent(wish, settings, app.worker.loop.agent),
        )
        return await evaluation.run(cases, _Progress(len(cases), tell).heard)


def _agent(wish: Wish, settings: TicketAgentSettings, own: Agent[Any]) -> Agent[Any]:
    if wish.replay is not None:
        return ReplayingAgent(wish.replay)
    if wish.record is not None:
        wish.record.mkdir(parents=True, exist_ok=True)
        return RecordingAgent(own, wish.record, backend=wish.backend, model_id=settings.ticket_model_id)
    return own


def _check(wish: Wish) -> None:
    if wish.record is not None and wish.replay is not None:
        raise UserError("a run records or replays, not both", "leave out --record or --replay")
    if wish.replay is not None and not wish.replay.is_dir():
        raise UserError(f"there is no folder {wish.replay}", "make one with --record")
    if wish.on_aws and not wish.model_id:
        raise UserError("no model is named", "give --model (or TICKET_MODEL_ID), or --cloud local for the stand-in")


def _start(wish: Wish, stack: ExitStack, tell: Say) -> dict[str, str]:
    """Everything the service needs, as its environment. Raises UserError."""
    try:
        emulator = stack.enter_context(running_emulator(wish.out))
        tell("  the tables' emulator is up")
        stand_in = {} if wish.on_aws or wish.replay else stack.enter_context(running_bedrock(wish.out)).environment()
    except StartFailed as error:
        raise UserError(f"the evaluation could not start: {error}", "`make setup` mends the environments") from None
    if stand_in:
        tell("  the stand-in for a model is up")
    common = {"TICKET_BACKEND": wish.backend, "HEALTH_PORT": "0"}
    if not wish.on_aws:
        resources = provision(emulator.environment(), TABLES_NAME)
        return resources.ticket_agent(**common, **stand_in, **BACK_END_SETTINGS, TICKET_MODEL_ID=TICKET_MODEL_ID)
    account = _own_account(wish)
    resources = provision({**emulator.environment(), **account}, TABLES_NAME)
    tables = {f"AWS_ENDPOINT_URL_{service}": emulator.url for service in OF_THE_TABLES}
    aws = {name: value for name, value in wish.own.items() if name.startswith("AWS_")}
    chosen = {name: wish.own[name] for name in OF_THE_MODEL if name in wish.own}
    region = account["AWS_REGION"]
    model = {"TICKET_MODEL_ID": str(wish.model_id), "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    return {**_resources_alone(resources), **aws, **tables, **common, **chosen, **model}


def _own_account(wish: Wish) -> dict[str, str]:
    """The region and the key of the user's credentials, under which the emulator is to keep the tables: one session
    speaks to both. The secret stays here; the emulator needs none."""
    session = boto3.Session()
    credentials = session.get_credentials()
    region = wish.own.get("AWS_REGION") or session.region_name  # The SDK for Python reads AWS_DEFAULT_REGION alone.
    if credentials is None or not region:
        raise UserError("AWS is meant, but no credentials or no region are set", "set AWS_PROFILE and AWS_REGION")
    return {"AWS_REGION": region, "AWS_ACCESS_KEY_ID": credentials.get_frozen_credentials().access_key}


def _resources_alone(resources: Provisioned) -> dict[str, str]:
    return {name: value for name, value in resources.ticket_agent().items() if not name.startswith("AWS_")}


def _table_names(settings: TicketAgentSettings) -> dict[str, str]:
    return {
        "User": settings.user_table,
        "Environment": settings.environment_table,
        "ResolverGroup": settings.resolver_group_table,
        "UserAccess": settings.user_access_table,
        "Ticket": settings.ticket_table,
        "Ledger": settings.ledger_table,
    }


def _log_to(file: Path, stack: ExitStack) -> None:
    """The service's log lines go to a file: stdout is for the report."""
    log = stack.enter_context(file.open("w", encoding="utf-8"))
    with contextlib.redirect_stdout(log):
        configure_logs("ticket_agent")


@dataclass(slots=True)
class _Progress:
    """A line at least every second and a half, as long as cases end."""

    cases: int
    tell: Say
    done: int = 0
    told: float = 0.0

    def heard(self, verdict: Verdict) -> None:
        self.done += 1
        if time.monotonic() - self.told >= PROGRESS_SECONDS or not verdict.passed:
            self.told = time.monotonic()
            self.tell(
                f"  {self.done} of {self.cases}: {verdict.case.case_id} {'passed' if verdict.passed else 'FAILED'}"
            )
