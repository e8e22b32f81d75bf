"""What a file is expected to cost, found while it is surveyed, and whether that is more than a run may cost."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from services.feedback_tagger.domain.feedback import COLUMNS, Feedback
from services.feedback_tagger.domain.spent import NANO
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.planner.quote import Counts, Quote, Tally, quote_of
from services.feedback_tagger.tasks.task import Task
from shared.model.prices import ModelPrice

ReadTaxonomy: TypeAlias = Callable[[], Awaitable[Taxonomy]]
WithExamples: TypeAlias = Callable[[Task, Taxonomy, str | None], Awaitable[Taxonomy]]

ALL_ROWS = 10_000
"""So many rows are all counted; of those behind them one prompt's in so many, as counting takes longer than reading."""
ONE_IN = 10
COLUMN_NAMES = frozenset(column.name for column in COLUMNS)


class Sample:
    """Counts the rows of a file as they pass, unchecked: the first ones all, of the others every tenth prompt.

    Rows whose answer takes no model are left out.
    """

    def __init__(self, task: Task, *, rows_per_prompt: int, prompt_tokens: int) -> None:
        self._task = task
        self._rows_per_prompt = rows_per_prompt
        self._first = Tally(rows_per_prompt=rows_per_prompt, prompt_tokens=prompt_tokens)
        self._others = Tally(rows_per_prompt=rows_per_prompt, prompt_tokens=prompt_tokens)
        self._rows = 0
        self._others_seen = 0

    def add(self, values: Mapping[str, str]) -> None:
        text = values.get("feedback")
        if not text:
            return  # A reject.
        self._rows += 1
        tally = self._first
        if self._rows > ALL_ROWS:
            if (self._rows // self._rows_per_prompt) % ONE_IN:
                return
            tally = self._others
            self._others_seen += 1
        extra = {name: value for name, value in values.items() if name not in COLUMN_NAMES}
        row = Feedback(
            feedback=text,
            product_name=values.get("product_name") or None,
            store=values.get("store") or None,
            ref_id=values.get("ref_id") or None,
            stars=values.get("stars") or None,
            title=values.get("title") or None,
            extra=extra,
        )
        if self._task.known(row) is None:
            tally.add(self._task.question(row))

    def counts(self) -> Counts:
        first, others = self._first.counts(), self._others.counts()
        if not self._others_seen:
            return first
        times = (self._rows - ALL_ROWS) / self._others_seen
        return replace(
            first,
            rows=first.rows + round(others.rows * times),
            tokens=first.tokens + round(others.tokens * times),
            prompts=first.prompts + round(others.prompts * times),
            looked_at=first.looked_at + others.looked_at,
            repeated=first.repeated + others.repeated,
            suspicious=first.suspicious + others.suspicious,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoting:
    """How runs are asked, as far as it costs; ``run_usd`` is the most that one may cost, None: whatever it takes."""

    taxonomy: ReadTaxonomy = field(repr=False)
    model_id: str
    price: ModelPrice | None
    prices_as_of: str
    agreement_share: float = 0.0
    tokens_per_minute: int | None = None
    deadline_minutes: float | None = None
    run_usd: float | None = None
    with_examples: WithExamples | None = field(default=None, repr=False)

    async def shown(self, task: Task, run_id: str | None = None) -> Taxonomy:
        """The categories as the prompts of a run, or of the next one, show them."""
        taxonomy = await self.taxonomy()
        return taxonomy if self.with_examples is None else await self.with_examples(task, taxonomy, run_id)

    async def quote(self, task: Task, counts: Counts) -> Quote:
        return quote_of(
            counts,
            model_id=self.model_id,
            price=self.price,
            prices_as_of=self.prices_as_of,
            system=task.system(await self.shown(task)),
            answer_tokens=task.usual_answer_tokens,
            votes=task.votes,
            agreement_share=self.agreement_share,
            tokens_per_minute=self.tokens_per_minute,
            deadline_minutes=self.deadline_minutes,
        )

    def refusal(self, quote: Quote) -> str | None:
        """Why a run that is quoted so is not begun, or None."""
        nano_usd = quote.nano_usd
        if self.run_usd is None or nano_usd is None or nano_usd <= self.run_usd * NANO:
            return None
        usd = f"about ${nano_usd / NANO:,.4g} by estimate ({quote.rows:,} rows, prices of {quote.prices_as_of})"
        return f"would cost {usd}, more than the ${self.run_usd:,.6g} that RUN_USD allows; split it or raise RUN_USD"
