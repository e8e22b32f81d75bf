"""Rows sent alone: coalesced into prompts by size or time, stored under no run.

They have a queue and workers of their own, so that a large file does not make them wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.feedback_tagger.asking import Asker
from services.feedback_tagger.coalescer import Coalescer
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.messages.item import read_item
from services.feedback_tagger.pool import ReadTaxonomy
from services.feedback_tagger.store.port import LabelledRow, RowStore
from services.feedback_tagger.tasks.categorise import CATEGORISE
from shared.logs import logger
from shared.queue.message import Message

log = logger("singles")


@dataclass(frozen=True, slots=True)
class Single:
    """A row and the message it came in, which is its execution id."""

    row: Row
    message_id: str


@dataclass(slots=True, kw_only=True)
class Singles:
    """The handler of feedback-items; one coalescer for all its workers."""

    store: RowStore = field(repr=False)
    asker: Asker
    taxonomy: ReadTaxonomy = field(repr=False)
    wait_seconds: float
    _batches: Coalescer[Single, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._batches = Coalescer(self._store, at_most=self.asker.rows_per_prompt, seconds=self.wait_seconds)

    async def handle(self, message: Message) -> None:
        # Read before it joins a batch: a message that nobody can read costs nobody else.
        await self._batches.submit(Single(read_item(message.body, message.message_id), message.message_id))

    async def _store(self, singles: Sequence[Single]) -> list[str]:
        known = await self.store.known([single.row.identity for single in singles])
        fresh = [single for single in singles if single.row.identity not in known]
        answers = await self.asker.labels(CATEGORISE, [single.row for single in fresh], await self.taxonomy())
        stored = await self.store.add_singles(
            [LabelledRow(single.row, label) for single, label in zip(fresh, answers.labels, strict=True)],
            execution_ids=[single.message_id for single in fresh],
        )
        log.info(
            "singles",
            rows=len(singles),
            asked=len(fresh),
            stored=stored,
            calls=answers.calls,
            input_tokens=answers.usage.input_tokens,
            output_tokens=answers.usage.output_tokens,
        )
        return [single.row.identity for single in singles]
