"""One chunk is one prompt, one transaction, one delete."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from services.feedback_tagger.asking import Asker
from services.feedback_tagger.domain.spent import Spent
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.messages.chunk import Chunk, read_chunk
from services.feedback_tagger.store.port import ChunkResult, LabelledRow, RowStore
from services.feedback_tagger.tasks import task_named
from services.feedback_tagger.tasks.task import Task
from shared.errors import PermanentError
from shared.logs import logger
from shared.queue.message import DeadLetter, Message

log = logger("pool")

ReadTaxonomy: TypeAlias = Callable[[], Awaitable[Taxonomy]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The handler of feedback-chunks."""

    store: RowStore = field(repr=False)
    asker: Asker
    taxonomy: ReadTaxonomy = field(repr=False)

    async def handle(self, message: Message) -> None:
        chunk = read_chunk(message.body)
        task = _task_of(chunk)
        if await self.store.chunk_is_done(chunk.run_id, chunk.number):
            log.info("chunk_again", run_id=chunk.run_id, chunk=chunk.number)
            return
        # Rows that are stored already cost no question; the transaction below has the last word on them.
        known = await self.store.known([row.identity for row in chunk.rows])
        fresh = [row for row in chunk.rows if row.identity not in known]
        answers = await self.asker.labels(task, fresh, await self.taxonomy())
        finished = await self.store.finish_chunk(
            ChunkResult(
                run_id=chunk.run_id,
                chunk_no=chunk.number,
                row_count=len(chunk.rows),
                labelled=[LabelledRow(row, label) for row, label in zip(fresh, answers.labels, strict=True)],
                spent=Spent(
                    calls=answers.calls,
                    input_tokens=answers.usage.input_tokens,
                    output_tokens=answers.usage.output_tokens,
                ),
            )
        )
        log.info(
            "chunk",
            run_id=chunk.run_id,
            chunk=chunk.number,
            rows=len(chunk.rows),
            asked=len(fresh),
            calls=answers.calls,
            input_tokens=answers.usage.input_tokens,
            output_tokens=answers.usage.output_tokens,
            finished_here=finished,
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


def _task_of(chunk: Chunk) -> Task:
    try:
        return task_named(chunk.task)
    except KeyError:
        raise PermanentError(f"task: this build knows no task {chunk.task!r}") from None
