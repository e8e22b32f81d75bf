"""A model and an embedder that keep to the quota and the day's budget: reserve, ask, try again, settle."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from shared.backoff import Backoff, Uniform
from shared.errors import PermanentError, Throttled, TransientError
from shared.model.day_blocks import DayBlocks
from shared.model.embeddings import Embedder, Embedding
from shared.model.limiter import Limiter
from shared.model.port import Model, Reply, Request, Text, ToolResult, ToolUse, Usage
from shared.model.prices import ModelPrice
from shared.model.tokens import estimated_tokens, prefix_tokens

ATTEMPTS = 5
"""A call that was refused so often goes back to its queue, which can wait longer than a handler should."""
RETRY = Backoff(base=0.5, cap=8.0)
HICCUPS = 3
PATIENCE = Backoff(base=0.2, cap=2.0)
"""A hiccup is waited out here; a longer outage is the queue's to wait out, so that no drain is held up by it."""
PER_BLOCK = 4
"""Tokens around a message, a tool or a result that are not in its text."""

AnswerT = TypeVar("AnswerT")


def expected_usage(request: Request) -> Usage:
    """What a request may use at most, by estimate: all of its text and the longest reply it allows."""
    tokens = prefix_tokens(request.system)
    for turn in request.turns:
        tokens += PER_BLOCK
        for block in turn.blocks:
            match block:
                case Text():
                    tokens += estimated_tokens(block.text)
                case ToolUse():
                    tokens += PER_BLOCK + estimated_tokens(block.name + json.dumps(block.arguments, default=str))
                case ToolResult():
                    tokens += PER_BLOCK + estimated_tokens(json.dumps(block.content, default=str))
    for tool in request.tools:
        tokens += PER_BLOCK + estimated_tokens(tool.name + tool.description + json.dumps(tool.input_schema))
    return Usage(input_tokens=tokens, output_tokens=request.max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What a call goes through. ``budgets`` are taken from before each try; their units are theirs."""

    limiter: Limiter
    lane: str
    uniform: Uniform = field(repr=False)
    budgets: Sequence[DayBlocks] = ()

    async def call(
        self,
        ask: Callable[[], Awaitable[AnswerT]],
        *,
        expected: Usage,
        reserved: float,
        used: Callable[[AnswerT], tuple[Usage, float]],
    ) -> tuple[AnswerT, int]:
        """The answer, and how often the service refused before it; ``used`` reads its usage and its quota tokens.

        Raises what ``ask`` raised last, OverBudget, or TransientError while stopping.
        """
        throttles = 0
        self.limiter.retries.first_try()
        for attempt in range(ATTEMPTS):
            taken = await self._take(expected)
            spent: Usage | None = None
            failure: TransientError
            try:
                hold = await self.limiter.reserve(self.lane, reserved, again=attempt > 0)
                spent = expected  # Whatever happens from here on may have been used.
                try:
                    answer = await ask()
                except Throttled as error:
                    hold.throttled()
                    spent, failure, throttles = None, error, throttles + 1
                except TransientError as error:
                    hold.unanswered()
                    failure = error
                except PermanentError:
                    hold.give_back()
                    spent = None
                    raise
                except BaseException:
                    hold.unanswered()
                    raise
                else:
                    spent, quota_tokens = used(answer)
                    hold.settle(quota_tokens)
                    return answer, throttles
            finally:
                for budget, units in taken:
                    budget.settle(units, spent)
            most, backoff = (ATTEMPTS, RETRY) if isinstance(failure, Throttled) else (HICCUPS, PATIENCE)
            if attempt >= most - 1 or not self.limiter.retries.take():
                raise failure
            await asyncio.sleep(backoff.delay(attempt, self.uniform, at_least=failure.retry_after))
        raise AssertionError("the loop returns or raises")

    async def _take(self, expected: Usage) -> list[tuple[DayBlocks, int]]:
        taken: list[tuple[DayBlocks, int]] = []
        try:
            for budget in self.budgets:
                taken.append((budget, await budget.take(expected)))
        except BaseException:
            for budget, units in taken:
                budget.settle(units, None)
            raise
        return taken


class LimitedModel:
    """The Model port. ``price`` knows how output burns the quota; without one it counts as it is."""

    def __init__(
        self,
        inner: Model,
        limiter: Limiter,
        *,
        lane: str,
        uniform: Uniform,
        price: ModelPrice | None = None,
        budgets: Sequence[DayBlocks] = (),
    ) -> None:
        self._inner = inner
        self._price = price
        self._limited = Limited(limiter=limiter, lane=lane, uniform=uniform, budgets=budgets)

    async def converse(self, request: Request) -> Reply:
        expected = expected_usage(request)
        reply, throttles = await self._limited.call(
            lambda: self._inner.converse(request),
            expected=expected,
            reserved=expected.input_tokens + expected.output_tokens,
            used=lambda reply: (reply.usage, self._quota_tokens(reply.usage)),
        )
        return replace(reply, throttles=reply.throttles + throttles)

    def _quota_tokens(self, usage: Usage) -> float:
        if self._price is not None:
            return self._price.quota_tokens(usage)
        return usage.input_tokens + usage.cache_write_tokens + usage.output_tokens


class ByModel:
    """The Model port over several models, each under its own quota; the request says which."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = dict(models)

    async def converse(self, request: Request) -> Reply:
        model = self._models.get(request.model_id)
        if model is None:
            raise PermanentError(f"no model is set up as {request.model_id}")
        return await model.converse(request)


class LimitedEmbedder:
    """The Embedder port, under a quota and a budget of its own model."""

    def __init__(
        self, inner: Embedder, limiter: Limiter, *, lane: str, uniform: Uniform, budgets: Sequence[DayBlocks] = ()
    ) -> None:
        self._inner = inner
        self._limited = Limited(limiter=limiter, lane=lane, uniform=uniform, budgets=budgets)

    async def embed(self, text: str) -> Embedding:
        expected = Usage(input_tokens=estimated_tokens(text), output_tokens=0)
        embedding, _ = await self._limited.call(
            lambda: self._inner.embed(text),
            expected=expected,
            reserved=expected.input_tokens,
            used=lambda answer: (Usage(input_tokens=answer.tokens, output_tokens=0), answer.tokens),
        )
        return embedding
