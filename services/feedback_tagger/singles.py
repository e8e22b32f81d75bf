"""Rows sent alone: coalesced into prompts by size or time, stored under no run.

They have a queue, workers, database connections and a lane to the model of their own, so that a large file does not
make them wait. What became of each is in a line of the log: how long it took since it was sent, whether it was new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from services.feedback_tagger.aside import aside
from services.feedback_tagger.asking.asker import Answers, Asker, HalfAnswered, known_and_open
from services.feedback_tagger.asking.coalescer import Coalescer
from services.feedback_tagger.asking.examples import Examples, labels_by_example
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.messages.item import task_in
from services.feedback_tagger.pool import ReadTaxonomy, given_back, spent_as_logged
from services.feedback_tagger.store.port import RowStore
from services.feedback_tagger.tasks import TASKS, Tasks
from services.feedback_tagger.tasks.categorise import CATEGORISE
from services.feedback_tagger.tasks.task import Task
from shared.backoff import Uniform
from shared.clock import Now
from shared.errors import BadInput, OverBudget, PermanentError
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
    """The handler of feedback-items; one coalescer a task, for all its workers.

    What a message asks for stands in its attribute ``task``, else in its field of that name; without either, a row is
    put under a category.
    """

    store: RowStore = field(repr=False)
    asker: Asker
    taxonomy: ReadTaxonomy = field(repr=False)
    rows_per_prompt: int
    wait_seconds: float
    now: Now = field(repr=False)
    uniform: Uniform = field(repr=False)
    tasks: Tasks = field(default=TASKS, repr=False)
    examples: Examples | None = None
    _batches: dict[str, Coalescer[Single, str | None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._batches = {
            task.name: Coalescer(partial(self._store, task), at_most=self.rows_per_prompt, seconds=self.wait_seconds)
            for task in self.tasks.all
        }

    async def handle(self, message: Message) -> Settlement | None:
        task = self._task_of(message)
        # Read before it joins a batch: a message that nobody can read costs nobody else.
        row = await aside(task.read_item, message.body, message.message_id)
        single = Single(row, message.message_id, message.sent_at)
        try:
            refusal = await self._batches[task.name].submit(single)
        except OverBudget as error:
            log.info("waiting_for_budget", task=task.name)
            return given_back(error, self.uniform)
        if refusal is not None:
            raise PermanentError(refusal)
        return None

    def _task_of(self, message: Message) -> Task:
        name = message.attributes.get("task") or task_in(message.body) or CATEGORISE.name
        try:
            return self.tasks.named(name)
        except KeyError:
            known = ", ".join(task.name for task in self.tasks.all)
            raise BadInput(
                field="task", problem="is none that this service has", remedy=f"send one of {known}"
            ) from None

    async def _store(self, task: Task, singles: Sequence[Single]) -> list[str | None]:
        """Ask about and store what is new; for each why the model refused it, or None."""
        there = await self.store.known([single.row.identity for single in singles], table=task.table)
        fresh = [single for single in singles if single.row.identity not in there]
        # By the object: two messages may hold equal rows.
        message_of = {id(single.row): single.message_id for single in fresh}
        known, unanswered = known_and_open(task, [single.row for single in fresh])
        answers = Answers(labels=())
        if unanswered:
            taxonomy = await self.taxonomy()
            try:
                answers = await labels_by_example(self.asker, self.examples, task, unanswered, taxonomy)
            except HalfAnswered as half:
                # No message could carry what is answered. Rows that wait for a budget must not count it as a failure.
                raise half.cause from half
        labelled = [*known, *answers.labelled(task, unanswered)]
        stored = await self.store.add_singles(
            labelled, execution_ids=[message_of[id(each.row)] for each in labelled], table=task.table
        )
        now = self.now()
        log.info(
            "singles",
            rows=len(singles),
            task=task.name,
            asked=len(unanswered),
            known=len(known),
            stored=stored,
            # A row that is there already leaves no other trace: its message is gone, and it belongs to no run.
            duplicates=len(singles) - stored - len(answers.refusals),
            refused=len(answers.refusals),
            duplicate_messages=[single.message_id for single in singles if single.row.identity in there],
            seconds_since_sent=[round(now - single.sent_at, 3) for single in singles],
            **spent_as_logged(answers),
        )
        refusals = {message_of[id(unanswered[place])]: reason for place, reason in answers.refusals.items()}
        return [refusals.get(single.message_id) for single in singles]
