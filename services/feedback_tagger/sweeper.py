"""Sees to what would keep a run open for ever: chunks that died unseen, and runs that stand still.

A chunk that this service gives up is counted before it moves to the dead letters (pool.bury). One that SQS itself
moves, after too many receipts, is not: it is found there and counted. A chunk that is nowhere any more (a queue was
purged, a message is older than its queue keeps) leaves its run standing still: the run is given up, and says how many
rows are missing.

One task of the fleet sweeps at a time, under a claim; should two do for a moment, both find the same and nothing is
counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.feedback_tagger.messages.chunk import Chunk, read_chunk
from services.feedback_tagger.store.port import RowStore
from services.feedback_tagger.store.upkeep import ChunkId, Upkeep
from shared.errors import DeskhandError, PermanentError
from shared.health import Beat
from shared.idempotency.standing import StandingClaim
from shared.lifecycle import StopEvent
from shared.logs import logger
from shared.queue.dead_letters import SOURCE_MESSAGE_ID
from shared.queue.message import Message
from shared.queue.port import Queue
from shared.waiting import is_set_within

log = logger("sweeper")

CLAIM: Final = "feedback-sweeper"
LOOK_AFTER_SECONDS: Final = 120.0
"""A run that stood still for so long makes the sweeper look among the dead letters: an ordinary pause is shorter, and
looking there again and again would cost calls for nothing."""
LETTERS_HIDDEN_SECONDS: Final = 120
MOST_LETTERS: Final = 2_000
"""A look. Letters hidden by the one before are skipped, so that further ones get their turn."""
NEVER_ENDED: Final = "received too often without an end: SQS moved it among the dead letters"
NOT_READ: Final = "was not read to its end, and nobody is at it any more; upload the file again"


@dataclass(slots=True, kw_only=True)
class Sweeper:
    """``sweep_seconds`` pass between two sweeps; a run that stood still for ``stuck_seconds`` is given up."""

    claim: StandingClaim
    upkeep: Upkeep = field(repr=False)
    rows: RowStore = field(repr=False)
    dead_chunks: Queue = field(repr=False)
    sweep_seconds: float
    stuck_seconds: float
    beat: Beat = field(repr=False)

    async def run(self, stop: StopEvent) -> None:
        """Sweep until ``stop`` is set; then let another task have the claim at once."""
        while not stop.is_set():
            self.beat()
            try:
                if await self.claim.is_ours():
                    await self.sweep()
            except DeskhandError as error:
                log.warning("not_swept", error=repr(error))
            await is_set_within(stop, self.sweep_seconds)
        await self.claim.leave()

    async def sweep(self) -> None:
        """See to everything that is due now, without asking for the claim."""
        if not await self.upkeep.idle_runs(idle_seconds=min(LOOK_AFTER_SECONDS, self.stuck_seconds)):
            return
        await self._count_dead_letters()
        # Asked again: a chunk that was counted just now may have been the last that its run waited for.
        for run_id in await self.upkeep.idle_runs(idle_seconds=self.stuck_seconds):
            lost = await self.upkeep.give_up(run_id, idle_seconds=self.stuck_seconds, problem=NOT_READ)
            if lost is not None:
                log.warning("run_given_up", run_id=run_id, chunks_lost=lost, idle_seconds=self.stuck_seconds)

    async def _count_dead_letters(self) -> None:
        looked_at = 0
        while looked_at < MOST_LETTERS and (letters := await self._letters()):
            looked_at += len(letters)
            self.beat()
            chunks = [chunk for letter in letters if (chunk := _moved_by_sqs(letter)) is not None]
            uncounted = await self.upkeep.uncounted([_id_of(chunk) for chunk in chunks]) if chunks else set()
            for chunk in chunks:
                if _id_of(chunk) in uncounted:
                    lines = [row.line for row in chunk.rows]
                    await self.rows.bury_chunk(chunk.run_id, chunk.number, lines=lines, reason=NEVER_ENDED)
                    log.warning("chunk_dead", run_id=chunk.run_id, chunk=chunk.number, reason=NEVER_ENDED)

    async def _letters(self) -> Sequence[Message]:
        # They stay: a person may want to redrive them. Hidden for a while, each is looked at once a look.
        return await self.dead_chunks.receive(at_most=10, wait_seconds=1, visibility_seconds=LETTERS_HIDDEN_SECONDS)


def _moved_by_sqs(letter: Message) -> Chunk | None:
    """The chunk of a letter that does not say where it came from, as those that we move do."""
    if SOURCE_MESSAGE_ID in letter.attributes:
        return None
    try:
        return read_chunk(letter.body)
    except PermanentError:
        return None  # No chunk of ours, so no run waits for it.


def _id_of(chunk: Chunk) -> ChunkId:
    return ChunkId(chunk.run_id, chunk.number)
