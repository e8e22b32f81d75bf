"""What a file will cost before it is asked about, and how that compared afterwards. Every token in it is an estimate.

tally = Tally(rows_per_prompt=20, prompt_tokens=8000)
for text in texts:
    tally.add(text)
quote = quoted(tally.counts(), price=PRICES.of(model_id), system=task.system(taxonomy), ...)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil
from typing import Any

from services.feedback_tagger.domain.spent import NANO, Spent
from services.feedback_tagger.planner.agreement import EARLY_LINES, share_to_check
from services.feedback_tagger.planner.batch import planned
from services.feedback_tagger.planner.lane import Lane
from services.feedback_tagger.planner.prompt import FRAME_TOKENS, may_cache, row_tokens
from services.feedback_tagger.planner.tier import Tier, choose_tier
from shared.model.port import Usage
from shared.model.prices import ModelPrice
from shared.model.tokens import estimated_tokens

# "20:5" and its line end: what an answer has, not the room that it is given.
ANSWER_TOKENS = 5
# Looked at as a whole (equal rows, the injection check): all prompts of a small file, then one in so many.
LOOKED_AT_FIRST, LOOKED_AT_EVERY = 100, 20
MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """``tokens`` of all rows, by estimate. Of ``looked_at`` rows so many were repeats within their prompt
    (``repeated``) or tripped the injection check (``suspicious``). ``prompts`` before either is taken out."""

    rows: int
    tokens: int
    prompts: int
    looked_at: int
    repeated: int
    suspicious: int
    rows_per_prompt: int


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts texts as they pass, in the order and by the rules that chunks are cut by; holds one prompt's at a time."""

    rows_per_prompt: int
    prompt_tokens: int = 0
    _rows: int = field(init=False, default=0)
    _tokens: int = field(init=False, default=0)
    _prompts: int = field(init=False, default=0)
    _looked_at: int = field(init=False, default=0)
    _repeated: int = field(init=False, default=0)
    _suspicious: int = field(init=False, default=0)
    _texts: list[str] = field(init=False, default_factory=list)
    _used: int = field(init=False, default=0)

    def add(self, text: str) -> None:
        tokens = row_tokens(text)
        full = len(self._texts) == self.rows_per_prompt
        if self._texts and (full or (self.prompt_tokens and self._used + tokens > self.prompt_tokens)):
            self._close()
        self._texts.append(text)
        self._used += tokens
        self._rows += 1
        self._tokens += tokens

    def counts(self) -> Counts:
        if self._texts:
            self._close()
        return Counts(
            rows=self._rows,
            tokens=self._tokens,
            prompts=self._prompts,
            looked_at=self._looked_at,
            repeated=self._repeated,
            suspicious=self._suspicious,
            rows_per_prompt=self.rows_per_prompt,
        )

    def _close(self) -> None:
        if self._prompts < LOOKED_AT_FIRST or self._prompts % LOOKED_AT_EVERY == 0:
            plan = planned(self._texts, at_most=self.rows_per_prompt)
            self._looked_at += len(self._texts)
            self._repeated += len(self._texts) - len(set(plan.asked_at))
            self._suspicious += len(plan.suspicious)
        self._prompts += 1
        self._texts, self._used = [], 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Tokens are estimates. ``usd`` by tier has None where the model is not sold at it, and is None where it has no
    price. ``batch_hours`` is after how long a batch job is over at the latest. ``agreement_prompts`` and the tokens
    behind them are in the totals."""

    model_id: str
    rows: int
    asked: int
    rows_per_prompt: int
    prompts: int
    agreement_prompts: int
    suspicious: int
    input_tokens: int
    output_tokens: int
    usd: Mapping[str, Decimal | None] | None
    tier: Tier
    tokens_per_minute: int | None
    minutes: float | None
    share_of_a_day: float | None
    prices_as_of: str
    lane: Lane = "realtime"
    lane_because: str = ""
    batch_hours: int | None = None

    @property
    def nano_usd(self) -> int | None:
        """What the run is expected to cost at the tier, or in the lane, that was chosen."""
        chosen = None if self.usd is None else self.usd["batch" if self.lane == "batch" else self.tier]
        return None if chosen is None else int(chosen * NANO)

    def as_document(self) -> dict[str, Any]:
        """Plain JSON; ``estimated`` stands beside the figures, so that nobody takes them for counted ones."""
        return {
            "estimated": True,
            "model_id": self.model_id,
            "rows": self.rows,
            "asked": self.asked,
            "rows_per_prompt": self.rows_per_prompt,
            "prompts": self.prompts,
            "agreement_prompts": self.agreement_prompts,
            "suspicious": self.suspicious,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "nano_usd": self.nano_usd,
            "usd": None if self.usd is None else {tier: _plain(usd) for tier, usd in self.usd.items()},
            "tier": self.tier,
            "lane": self.lane,
            "lane_because": self.lane_because,
            "batch_hours": self.batch_hours,
            "tokens_per_minute": self.tokens_per_minute,
            "minutes": None if self.minutes is None else round(self.minutes, 2),
            "share_of_a_day": None if self.share_of_a_day is None else round(self.share_of_a_day, 4),
            "prices_as_of": self.prices_as_of,
        }


def quote_of(  # noqa: PLR0913  # what a price is made of
    counts: Counts,
    *,
    model_id: str,
    price: ModelPrice | None,
    prices_as_of: str,
    system: str,
    agreement_share: float = 0.0,
    tokens_per_minute: int | None = None,
    deadline_minutes: float | None = None,
    answer_tokens: int = ANSWER_TOKENS,
    votes: int = 1,
) -> Quote:
    """What asking about ``counts`` takes of money and of the quota of ``tokens_per_minute``, each row ``votes`` times.

    The quota counts output with the model's burndown. Minutes are at the full quota, nobody else using it.
    """
    seen = max(1, counts.looked_at)
    asked = counts.rows - round(counts.rows * counts.repeated / seen)
    suspicious = round(counts.rows * counts.suspicious / seen)
    checked = _checked(asked - suspicious, agreement_share) if counts.rows_per_prompt > 1 else 0
    together = counts.prompts if counts.rows > suspicious or not suspicious else 0
    prompts = (together if counts.rows_per_prompt > 1 else asked - suspicious) + suspicious
    per_row = counts.tokens / max(1, counts.rows)
    per_prompt = estimated_tokens(system) + FRAME_TOKENS
    prompts, answers = prompts * votes + checked, asked * votes + checked
    input_tokens = ceil(prompts * per_prompt + answers * per_row)
    output_tokens = answer_tokens * answers
    # Every prompt after the first reads what all begin with from the cache, where the model keeps one.
    cached = estimated_tokens(system) * max(0, prompts - 1) if may_cache(price, system) else 0
    usage = Usage(input_tokens=input_tokens - cached, output_tokens=output_tokens, cache_read_tokens=cached)
    minutes = None
    if tokens_per_minute:
        minutes = (price.quota_tokens(usage) if price else input_tokens + output_tokens) / tokens_per_minute
    return Quote(
        model_id=model_id,
        rows=counts.rows,
        asked=asked,
        rows_per_prompt=counts.rows_per_prompt,
        prompts=prompts,
        agreement_prompts=checked,
        suspicious=suspicious,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        usd=None if price is None else _by_tier(price, usage),
        tier=choose_tier(price, deadline_minutes=deadline_minutes, expected_minutes=minutes or 0.0),
        tokens_per_minute=tokens_per_minute,
        minutes=minutes,
        share_of_a_day=None if minutes is None else minutes / MINUTES_A_DAY,
        prices_as_of=prices_as_of,
    )


def _checked(rows: int, share: float) -> int:
    """Rows that the agreement check asks again: more of the first ones."""
    early = min(rows, EARLY_LINES)
    return round(early * share_to_check(share, EARLY_LINES) + (rows - early) * share)


def _by_tier(price: ModelPrice, usage: Usage) -> Mapping[str, Decimal | None]:
    def usd(nano: int) -> Decimal:
        return Decimal(nano) / NANO

    # Jobs cache nothing.
    uncached = Usage(input_tokens=usage.input_tokens + usage.cache_read_tokens, output_tokens=usage.output_tokens)
    return {
        "default": usd(price.nano_usd(usage)),
        "flex": None if price.flex is None else usd(price.nano_usd(usage, "flex")),
        "batch": None if price.batch is None else usd(price.nano_usd(uncached, batch=True)),
    }


def _plain(usd: Decimal | None) -> float | None:
    return None if usd is None else round(float(usd), 6)


def reconciled(quote: Mapping[str, Any], spent: Spent) -> dict[str, Any]:
    """A quote's document beside what was spent: for calls, tokens and dollars what was quoted, what it came to, and the
    second over the first. A run that was over before it asked anything has no ratio."""
    read = spent.input_tokens + spent.cache_read_tokens + spent.cache_write_tokens
    pairs: Sequence[tuple[str, Any, int]] = (
        ("calls", quote.get("prompts"), spent.calls),
        ("input_tokens", quote.get("input_tokens"), read),
        ("output_tokens", quote.get("output_tokens"), spent.output_tokens),
        ("nano_usd", quote.get("nano_usd"), spent.nano_usd),
    )
    return {
        name: {"quoted": expected, "actual": actual, "ratio": _ratio(expected, actual)}
        for name, expected, actual in pairs
    }


def _ratio(expected: Any, actual: int) -> float | None:
    return round(actual / expected, 3) if isinstance(expected, int) and expected > 0 and actual else None


def tokens_per_row(texts: Sequence[str], *, system: str, rows_per_prompt: int) -> tuple[float, float]:
    """Input and output tokens a row, by estimate, if ``texts`` are asked ``rows_per_prompt`` at a time and nothing is
    asked twice: the figure that the size of a prompt is judged by."""
    if not texts:
        return 0.0, 0.0
    prompts = ceil(len(texts) / rows_per_prompt)
    total = prompts * (estimated_tokens(system) + FRAME_TOKENS) + sum(map(row_tokens, texts))
    return total / len(texts), float(ANSWER_TOKENS)
