"""Rows sent alone: coalesced into prompts by size or time, stored under no run.

They have a queue, workers, database connections and a lane to the model of their own, so that a large file does not
make them wait. What became of each is in a line of the log: how long it took since it was sent, whether it was new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.feedback_tagger.asking import Asker
from services.feedback_tagger.coalescer import Coalescer
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.messages.item import read_item
from services.feedback_tagger.pool import ReadTaxonomy, given_back, spent_as_logged
from services.feedback_tagger.store.port import LabelledRow, RowStore
from services.feedback_tagger.tasks.categorise import CATEGORISE
from shared.backoff import Uniform
from shared.clock import Now
from shared.errors import OverBudget, PermanentError
from shared.logs import logger
from shared.queue.message import Message, Settlement

log = logger("singles")


@dataclass(frozen=True, slots=True)
class Single:
    """A row and the message it came in, which is its execution id; ``sent_at`` in seconds since the epoch."""

    row: Row
    message_id: str
    sent_at: float


@dataclass(slots=True, kw_only=True)
class Singles:
    """The handler of feedback-items; one coalescer for all its workers."""

    store: RowStore = field(repr=False)
    asker: Asker
    taxonomy: ReadTaxonomy = field(repr=False)
    rows_per_prompt: int
    wait_seconds: float
    now: Now = field(repr=False)
    uniform: Uniform = field(repr=False)
    _batches: Coalescer[Single, str | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._batches = Coalescer(self._store, at_most=self.rows_per_prompt, seconds=self.wait_seconds)

    async def handle(self, message: Message) -> Settlement | None:
        # Read before it joins a batch: a message that nobody can read costs nobody else.
        single = Single(read_item(message.body, message.message_id), message.message_id, message.sent_at)
        try:
            refusal = await self._batches.submit(single)
        except OverBudget as error:
            return given_back(error, self.uniform)
        if refusal is not None:
            raise PermanentError(refusal)
        return None

    async def _store(self, singles: Sequence[Single]) -> list[str | None]:
        """Ask about and store what is new; for each why the model refused it, or None."""
        known = await self.store.known([single.row.identity for single in singles])
        fresh = [single for single in singles if single.row.identity not in known]
        answers = await self.asker.labels(CATEGORISE, [single.row for single in fresh], await self.taxonomy())
        accepted = [(single, label) for single, label in zip(fresh, answers.labels, strict=True) if label is not None]
        stored = await self.store.add_singles(
            [LabelledRow(single.row, label) for single, label in accepted],
            execution_ids=[single.message_id for single, _ in accepted],
        )
        now = self.now()
        log.info(
            "singles",
            rows=len(singles),
            asked=len(fresh),
            stored=stored,
            # A row that is there already leaves no other trace: its message is gone, and it belongs to no run.
            duplicates=len(singles) - stored - len(answers.refusals),
            refused=len(answers.refusals),
            duplicate_messages=[single.message_id for single in singles if single.row.identity in known],
            seconds_since_sent=[round(now - single.sent_at, 3) for single in singles],
            **spent_as_logged(answers),
        )
        refusals = {fresh[place].message_id: reason for place, reason in answers.refusals.items()}
        return [refusals.get(single.message_id) for single in singles]
