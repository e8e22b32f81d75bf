"""Composes a quality report: a file's rows through the tagger's own asking, to models on AWS or to the stand-in."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from cli.environment import process_environment
from cli.errors import UserError
from local.bedrock_endpoint import running_bedrock
from local.cloud import FEEDBACK_MODEL_ID
from local.processes import StartFailed
from services.feedback_tagger.asking.asker import Asker
from services.feedback_tagger.evaluation.run import ModelResult, Question, TimedModel, evaluated
from services.feedback_tagger.planner.agreement import SHARE
from services.feedback_tagger.planner.prompt import PROMPT_TOKENS
from shared.aws.clients import aws_session
from shared.aws.converse import open_converse
from shared.errors import DeskhandError
from shared.logs import configure_logs
from shared.model.bedrock import BedrockModel
from shared.model.limited import LimitedModel
from shared.model.limiter import Limiter
from shared.model.prices import PRICES
from shared.model.quota import Limits, Quota

STAND_IN = (
    "Offline, small word vectors, lists of words and rules stand in for a model. These figures show that the plumbing "
    "works; they say nothing about the quality of any model. Tokens are the local endpoint's estimates, and dollars "
    "are what a model of that name would have cost for them."
)
PROGRESS_SECONDS = 1.5
CONNECTIONS = 32
# Of an account that does not exist; the local endpoint asks for a signature and checks none.
LOCAL_AWS = {
    "AWS_ACCESS_KEY_ID": "000000000000",
    "AWS_SECRET_ACCESS_KEY": "unused",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How to ask. ``offline``: the stand-in answers, whatever ``models`` are named; ``logs`` is a folder."""

    models: tuple[str, ...]
    rows_per_prompt: int
    offline: bool
    logs: Path
    tokens_per_minute: int | None = None
    own: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def stand_in(self) -> str:
        return STAND_IN if self.offline else ""

    @property
    def source(self) -> str:
        return "The stand-in for offline use answers." if self.offline else "Bedrock on AWS answers."

    @property
    def asked(self) -> tuple[str, ...]:
        return self.models or ((FEEDBACK_MODEL_ID,) if self.offline else ())


def ask_models(wish: Wish, question: Question, tell: Say) -> list[ModelResult]:
    """Every model about every row, one model after the other. Raises UserError."""
    if not wish.asked:
        raise UserError("no model is named", "give --model (or FEEDBACK_MODEL_ID), or --cloud local for the stand-in")
    with ExitStack() as stack:
        stack.enter_context(process_environment(_environment(wish, stack, tell)))
        wish.logs.mkdir(parents=True, exist_ok=True)
        log = stack.enter_context((wish.logs / "evaluate.log").open("w", encoding="utf-8"))
        with contextlib.redirect_stdout(log):
            configure_logs("feedback_tagger")
        return asyncio.run(_ask_all(wish, question, tell))


async def _ask_all(wish: Wish, question: Question, tell: Say) -> list[ModelResult]:
    results: list[ModelResult] = []
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_converse(aws_session(), connections=CONNECTIONS, read_timeout=60))
        for model_id in wish.asked:
            watch = TimedModel(BedrockModel(client), time.monotonic)
            limiter = Limiter(Quota(Limits(tokens_per_minute=wish.tokens_per_minute)), monotonic=time.monotonic)
            price = PRICES.of(model_id)
            asker = Asker(
                model=LimitedModel(watch, limiter, lane="files", price=price, uniform=random.uniform),
                model_id=model_id,
                rows_per_prompt=wish.rows_per_prompt,
                token_hex=secrets.token_hex,
                prompt_tokens=PROMPT_TOKENS,
                agreement_share=SHARE,
            )
            heard = _Progress(model_id, len(question.rows), tell).heard
            try:
                results.append(await evaluated(question, asker, watch, heard))
            except* DeskhandError as failed:
                first = _first(failed)
                raise UserError(
                    f"{model_id} did not answer: {first}", "check the model's id and region, access to it and its quota"
                ) from None
    return results


def _first(failed: BaseExceptionGroup) -> BaseException:
    found: BaseException = failed
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _environment(wish: Wish, stack: ExitStack, tell: Say) -> Mapping[str, str]:
    if not wish.offline:
        region = wish.own.get("AWS_REGION") or boto3.Session().region_name
        if boto3.Session().get_credentials() is None or not region:
            raise UserError("AWS is meant, but no credentials or no region are set", "set AWS_PROFILE and AWS_REGION")
        return {**wish.own, "AWS_REGION": region}
    try:
        endpoint = stack.enter_context(running_bedrock(wish.logs))
    except StartFailed as error:
        raise UserError(f"the stand-in could not start: {error}", "`make setup` mends the environments") from None
    tell("  the stand-in for a model is up")
    return {**LOCAL_AWS, **endpoint.environment()}


@dataclass(slots=True)
class _Progress:
    model_id: str
    rows: int
    tell: Say
    told: float = 0.0

    def heard(self, done: int) -> None:
        if time.monotonic() - self.told >= PROGRESS_SECONDS or done == self.rows:
            self.told = time.monotonic()
            self.tell(f"  {self.model_id}: {done} of {self.rows} rows")
