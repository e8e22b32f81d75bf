"""One chunk is one transaction, one delete, and normally one prompt."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from services.feedback_tagger.asking.asker import Answers, Asker, HalfAnswered, known_and_open, labelled_row
from services.feedback_tagger.asking.examples import Examples, labels_by_example
from services.feedback_tagger.asking.looking import Outlook
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.spent import NANO
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.messages.chunk import Chunk, chunk_as_json, read_chunk, row_as_json, with_answers
from services.feedback_tagger.store.port import ChunkResult, LabelledRow, RowStore
from services.feedback_tagger.store.upkeep import Upkeep
from services.feedback_tagger.tasks import TASKS, Tasks
from services.feedback_tagger.tasks.task import Task
from shared.backoff import Uniform
from shared.errors import OverBudget, PermanentError, TransientError
from shared.logs import about, logger
from shared.queue.message import DeadLetter, GiveBack, Message, Outgoing, Settlement
from shared.queue.port import Queue
from shared.queue.sending import send_all

log = logger("pool")

ReadTaxonomy: TypeAlias = Callable[[], Awaitable[Taxonomy]]

LONGEST_WAIT_SECONDS = 3 * 3600.0
"""A chunk that waits for a budget looks again no later, since somebody may have raised it. Eight looks a day: in the
four days that the queue keeps it they stay below its limit of 50 receipts."""
SPREAD_SECONDS = 300.0
REST_SECONDS = 5
"""Before a chunk that was answered in part is asked about again: the model has just been away."""


def given_back(error: OverBudget, uniform: Uniform) -> GiveBack:
    """Back to the queue until the budget begins anew, no failure of the message; not all at the same moment."""
    wait = min(error.retry_after or LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
    return GiveBack(str(error), after=wait + uniform(0.0, SPREAD_SECONDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The handler of feedback-chunks. ``chunks`` is that queue: what is left of a chunk that was answered in part goes
    back there, with the answers that are paid for."""

    store: RowStore = field(repr=False)
    upkeep: Upkeep = field(repr=False)
    asker: Asker
    taxonomy: ReadTaxonomy = field(repr=False)
    outlook: Outlook = field(repr=False)
    uniform: Uniform = field(repr=False)
    chunks: Queue = field(repr=False)
    tasks: Tasks = field(default=TASKS, repr=False)
    examples: Examples | None = None

    async def handle(self, message: Message) -> Settlement | None:
        chunk = read_chunk(message.body)
        about(run_id=chunk.run_id, chunk=chunk.number)
        task = self._task_of(chunk)
        # A first receipt is hardly ever of a chunk that is done; should it be, its rows are known and cost no question.
        if message.receive_count > 1 and await self.store.chunk_is_done(chunk.run_id, chunk.number):
            log.info("chunk_again", run_id=chunk.run_id, chunk=chunk.number)
            return None
        try:
            await self._ask_and_store(chunk, task)
        except OverBudget as error:
            await self.upkeep.note_waiting(chunk.run_id, seconds=error.retry_after or LONGEST_WAIT_SECONDS)
            log.info("waiting_for_budget", run_id=chunk.run_id, chunk=chunk.number)
            return given_back(error, self.uniform)
        return None

    async def _ask_and_store(self, chunk: Chunk, task: Task) -> None:
        # Rows that are stored already cost no question; the transaction below has the last word on them.
        there = await self.store.known([row.identity for row in chunk.rows], table=task.table)
        # The answers that a chunk brings are paid for: only the rows that they leave open are asked about.
        new = {place: row for place, row in enumerate(chunk.rows) if row.identity not in there}
        answered = answered_rows(task, chunk, new)
        known, fresh = known_and_open(task, [row for place, row in new.items() if place not in chunk.answered])
        answers = Answers(labels=())
        if fresh:
            await self.outlook.check_budget(chunk.run_id)
            try:
                answers = await labels_by_example(
                    self.asker,
                    self.examples,
                    task,
                    fresh,
                    await self.taxonomy(),
                    run_id=chunk.run_id,
                    seen=await self.outlook.seen(chunk.run_id),
                    tier=await self.outlook.tier(chunk.run_id),
                )
            except HalfAnswered as half:
                await self._send_rest(chunk, fresh, half)
                return
        failed = answers.failed(fresh)
        finished = await self.store.finish_chunk(
            ChunkResult(
                run_id=chunk.run_id,
                chunk_no=chunk.number,
                row_count=len(chunk.rows),
                labelled=[*answered, *known, *answers.labelled(task, fresh)],
                failed=failed,
                spent=chunk.spent + answers.spent,
                agreement=[*chunk.agreement, *answers.agreement],
                table=task.table,
            )
        )
        log.info(
            "chunk",
            run_id=chunk.run_id,
            chunk=chunk.number,
            rows=len(chunk.rows),
            asked=len(fresh),
            known=len(known),
            failed=len(failed),
            suspicious=answers.suspicious,
            finished_here=finished,
            **spent_as_logged(answers),
        )

    async def _send_rest(self, chunk: Chunk, asked: Sequence[Row], half: HalfAnswered) -> None:
        """The chunk once more, under its number, with the answers that it has. It ends, since each time has fewer rows
        to ask about; and should both messages be handled, the second one finds the chunk done."""
        labels = {
            row.identity: label for row, label in zip(asked, half.answers.labels, strict=True) if label is not None
        }
        said = {place: labels[row.identity] for place, row in enumerate(chunk.rows) if row.identity in labels}
        body = with_answers(
            chunk_as_json(
                run_id=chunk.run_id,
                task=chunk.task,
                number=chunk.number,
                rows=[row_as_json(row) for row in chunk.rows],
            ),
            {**chunk.answered, **said},
            chunk.spent + half.answers.spent,
            [*chunk.agreement, *half.answers.agreement],
        )
        rest = Outgoing(body=body, group_id=chunk.run_id, delay_seconds=REST_SECONDS)
        await send_all(self.chunks, [rest], uniform=self.uniform)
        log.info(
            "chunk_half_answered",
            run_id=chunk.run_id,
            chunk=chunk.number,
            # Of the others the line of the next try tells.
            asked=len(said),
            open=len(asked) - len(said),
            reason=str(half),
            **spent_as_logged(half.answers),
        )

    async def bury(self, message: Message, letter: DeadLetter) -> None:
        """A chunk on its way to the dead letters: its rows count as rejected, so that the run can close."""
        try:
            chunk = read_chunk(message.body)
        except PermanentError:
            return  # No chunk of ours, so no run waits for it.
        await self.store.bury_chunk(
            chunk.run_id, chunk.number, lines=[row.line for row in chunk.rows], reason=letter.reason
        )
        log.warning("chunk_dead", run_id=chunk.run_id, chunk=chunk.number, reason=letter.reason)

    def _task_of(self, chunk: Chunk) -> Task:
        try:
            return self.tasks.named(chunk.task)
        except KeyError:
            # While a build with a new task is deployed, old tasks receive its chunks too: for another one to take, and
            # dead with this reason if after some tries there is none.
            raise TransientError(f"task: this build knows no task {chunk.task!r}") from None


def answered_rows(task: Task, chunk: Chunk, rows: Mapping[int, Row]) -> list[LabelledRow]:
    """Those of ``rows``, by their places, that the chunk brings an answer for."""
    return [labelled_row(task, row, chunk.answered[place]) for place, row in rows.items() if place in chunk.answered]


def spent_as_logged(answers: Answers) -> dict[str, Any]:
    """What asking came to, under the names that every line about it uses."""
    spent = answers.spent
    return {
        "calls": spent.calls,
        "throttles": spent.throttles,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cache_read_tokens": spent.cache_read_tokens,
        "usd": spent.nano_usd / NANO,
        "unpriced_calls": spent.unpriced_calls,
    }
