"""The tagger's loops, made of ports alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.feedback_tagger.asking import Asker
from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.finaliser import Finaliser
from services.feedback_tagger.ingest import Ingest
from services.feedback_tagger.planner.prompt import Hex
from services.feedback_tagger.pool import Pool
from services.feedback_tagger.singles import Singles
from services.feedback_tagger.store.port import RowStore, RunStore
from shared.backoff import Backoff, Uniform
from shared.clock import Now
from shared.health import Health
from shared.lifecycle import Loop
from shared.model.port import Model
from shared.notifications.port import Notifications
from shared.queue.consumer import Consumer, ConsumerSettings, Handler
from shared.queue.dead_letters import OnDeadLetter
from shared.queue.failures import FailureCounts
from shared.queue.port import Queue

SINGLES_WAIT_SECONDS = 0.5
TAXONOMY_SECONDS = 5.0
# An hour's outage of the model is over sooner for a row than for a person to notice: retries stay half a minute apart.
RETRY = Backoff(base=0.5, cap=30.0)
# A loop is stuck if it has not turned for several long polls with their retries.
STALLED_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside this process that the loops touch."""

    files: Queue
    files_dead: Queue
    chunks: Queue
    chunks_dead: Queue
    items: Queue
    items_dead: Queue
    failures: FailureCounts
    bucket: Bucket
    notifications: Notifications
    model: Model
    runs: RunStore
    rows: RowStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at once."""

    model_id: str
    rows_per_prompt: int
    pool_workers: int
    long_poll_seconds: int


@dataclass(slots=True, kw_only=True)
class CachedTaxonomy:
    """The categories, read again once they are older than ``seconds``: prompts far outnumber changes."""

    store: RowStore = field(repr=False)
    now: Now = field(repr=False)
    seconds: float
    _taxonomy: Taxonomy | None = field(init=False, default=None)
    _read_at: float = field(init=False, default=0.0)

    async def __call__(self) -> Taxonomy:
        if self._taxonomy is None or not 0 <= self.now() - self._read_at < self.seconds:
            self._taxonomy = await self.store.taxonomy()
            self._read_at = self.now()
        return self._taxonomy


def loops(
    ports: Ports, limits: Limits, *, health: Health, now: Now, uniform: Uniform, token_hex: Hex
) -> Sequence[Loop]:
    """All of them run in every task; any number of tasks may."""
    taxonomy = CachedTaxonomy(store=ports.rows, now=now, seconds=TAXONOMY_SECONDS)
    asker = Asker(
        model=ports.model,
        model_id=limits.model_id,
        rows_per_prompt=limits.rows_per_prompt,
        token_hex=token_hex,
        uniform=uniform,
    )
    ingest = Ingest(
        store=ports.runs,
        bucket=ports.bucket,
        chunks=ports.chunks,
        notifications=ports.notifications,
        rows_per_prompt=limits.rows_per_prompt,
        now=now,
        uniform=uniform,
    )
    pool = Pool(store=ports.rows, asker=asker, taxonomy=taxonomy)
    singles = Singles(store=ports.rows, asker=asker, taxonomy=taxonomy, wait_seconds=SINGLES_WAIT_SECONDS)
    finaliser = Finaliser(
        store=ports.runs,
        bucket=ports.bucket,
        notifications=ports.notifications,
        taxonomy=taxonomy,
        now=now,
        beat=health.watch("finaliser", stalled_after=STALLED_SECONDS),
    )

    def consumer(
        name: str,
        queues: tuple[Queue, Queue],
        handle: Handler,
        settings: ConsumerSettings,
        *,
        on_dead_letter: OnDeadLetter | None = None,
    ) -> Loop:
        return Loop(
            name,
            Consumer(
                queue=queues[0],
                dead_letters=queues[1],
                handle=handle,
                failures=ports.failures,
                settings=settings,
                now=now,
                uniform=uniform,
                beat=health.watch(name, stalled_after=STALLED_SECONDS),
                on_dead_letter=on_dead_letter,
            ).run,
        )

    poll = limits.long_poll_seconds
    return (
        # Few at once: each holds a file's spool. Hours, for a file of millions of rows against a slow queue.
        consumer(
            "ingest",
            (ports.files, ports.files_dead),
            ingest.handle,
            ConsumerSettings(workers=2, deadline_seconds=4 * 3600, retry=RETRY, wait_seconds=poll),
            on_dead_letter=ingest.bury,
        ),
        consumer(
            "pool",
            (ports.chunks, ports.chunks_dead),
            pool.handle,
            ConsumerSettings(workers=limits.pool_workers, deadline_seconds=300, retry=RETRY, wait_seconds=poll),
            on_dead_letter=pool.bury,
        ),
        # Two full prompts' worth of handlers: while one batch is asked, the next one gathers.
        consumer(
            "singles",
            (ports.items, ports.items_dead),
            singles.handle,
            ConsumerSettings(
                workers=2 * limits.rows_per_prompt, receivers=2, deadline_seconds=300, retry=RETRY, wait_seconds=poll
            ),
        ),
        Loop("finaliser", finaliser.run),
    )
