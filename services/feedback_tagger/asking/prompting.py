"""One prompt to one model: sent as cheaply as the model allows, read strictly, counted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from services.feedback_tagger.domain.spent import NOTHING, Spent
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.planner.prompt import Hex, may_cache, packed
from services.feedback_tagger.planner.tier import Tier
from services.feedback_tagger.tasks.task import Task
from shared.errors import PermanentError
from shared.logs import logger
from shared.model.port import Model, Reply, Request, Text, Turn
from shared.model.prices import ModelPrice

log = logger("prompting")

PriceOf: TypeAlias = Callable[[str], ModelPrice | None]

CUT_SHORT = "max_tokens"
REFUSALS: Mapping[str, str] = {
    "content_filtered": "the model's content filter stopped its answer",
    "guardrail_intervened": "a guardrail stopped the answer",
    "model_context_window_exceeded": "is too long for the model's context",
}
"""Stop reasons that are about the rows. Every other one (end_turn, stop_sequence, malformed_model_output, tool_use, a
word that is new) ends in reading what there is: rows without a valid answer are asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one prompt has in common with the next one: everything but its rows."""

    model_id: str
    task: Task
    taxonomy: Taxonomy
    system: str
    tier: Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """``labels`` by row number (1 is the first), for rows with a valid answer. ``refusal`` says why the model would not
    answer the prompt, else it is empty."""

    labels: Mapping[int, str] = field(default_factory=dict)
    refusal: str = ""
    spent: Spent = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompting:
    """Raises TransientError while the model is away; what it refuses is a Reading with the reason."""

    model: Model = field(repr=False)
    token_hex: Hex = field(repr=False)
    price_of: PriceOf = field(repr=False)
    # Options that a model has refused while it took the same request without them. For this process: a task lives for
    # hours, and the price file may be older than what the model has learnt since.
    _refused: set[tuple[str, str]] = field(default_factory=set, init=False, repr=False)

    async def ask(self, asked: Asked, lines: Sequence[str]) -> Reading:
        prompt = packed(
            asked.system,
            lines,
            token_hex=self.token_hex,
            answer_tokens_per_row=asked.task.answer_tokens_per_row,
        )
        price = self.price_of(asked.model_id)
        request = Request(
            model_id=asked.model_id,
            system=prompt.system,
            turns=(Turn("user", (Text(prompt.user),)),),
            max_tokens=prompt.max_tokens,
            metadata={"task": asked.task.name},
            service_tier=asked.tier if (asked.model_id, "flex") not in self._refused else "default",
            cache_system=may_cache(price, prompt.system) and (asked.model_id, "cache") not in self._refused,
        )
        try:
            reply, request = await self._converse(request)
        except PermanentError as error:
            return Reading(refusal=error.reason)
        spent = spent_on(reply, request, price)
        if (refusal := REFUSALS.get(reply.stop_reason)) is not None:
            return Reading(refusal=refusal, spent=spent)
        labels = asked.task.read(readable(reply), prompt.rows, asked.taxonomy)
        return Reading(labels=labels, spent=spent)

    async def _converse(self, request: Request) -> tuple[Reply, Request]:
        try:
            return await self.model.converse(request), request
        except PermanentError:
            for options, plainer in _plainer(request):
                try:
                    reply = await self.model.converse(plainer)
                except PermanentError:
                    continue
                self._refused.update((request.model_id, option) for option in options)
                log.warning("option_refused", model_id=request.model_id, options=options)
                return reply, plainer
            raise


def _plainer(request: Request) -> Iterator[tuple[tuple[str, ...], Request]]:
    """The request without the options it has, one at a time and then all."""
    flex, cache = request.service_tier != "default", request.cache_system
    if flex:
        yield ("flex",), replace(request, service_tier="default")
    if cache:
        yield ("cache",), replace(request, cache_system=False)
    if flex and cache:
        yield ("flex", "cache"), replace(request, service_tier="default", cache_system=False)


def readable(reply: Reply) -> str:
    """The answer as far as it can be trusted: the last line of one cut short may lack a digit ("3:12" as "3:1")."""
    if reply.stop_reason != CUT_SHORT:
        return reply.text
    return reply.text[: reply.text.rfind("\n") + 1]


def spent_on(reply: Reply, request: Request, price: ModelPrice | None) -> Spent:
    usage = reply.usage
    return Spent(
        calls=1,
        throttles=reply.throttles,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        nano_usd=0 if price is None else price.nano_usd(usage, request.service_tier),
        unpriced_calls=1 if price is None else 0,
    )
