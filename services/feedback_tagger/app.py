"""The tagger's loops, made of ports alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from services.feedback_tagger.accuracy import AccuracyKeeper
from services.feedback_tagger.asking.asker import Asker
from services.feedback_tagger.asking.examples import ExampleRules, Examples
from services.feedback_tagger.asking.looking import Outlook, Recent
from services.feedback_tagger.asking.prompting import PriceOf
from services.feedback_tagger.batch.lane import BatchLane
from services.feedback_tagger.batch.parts import PartWriting
from services.feedback_tagger.batches import Batches
from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.commands.categories import category_kinds
from services.feedback_tagger.commands.category_set import CategoryFiles, set_kind
from services.feedback_tagger.commands.door import CommandDoor
from services.feedback_tagger.correcting import CorrectionFiles
from services.feedback_tagger.discovery import loop as discovery_loop
from services.feedback_tagger.discovery.loop import Discovery
from services.feedback_tagger.discovery.naming import Naming
from services.feedback_tagger.discovery.placing import RULES, Rules
from services.feedback_tagger.discovery.splitting import parts_of
from services.feedback_tagger.domain.headers import Headers
from services.feedback_tagger.domain.run import RunState, Terms
from services.feedback_tagger.domain.spent import NANO
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.domain.unpacking import LARGEST_FILE_BYTES
from services.feedback_tagger.entrances import Entrances
from services.feedback_tagger.files.quoting import Quoting
from services.feedback_tagger.finaliser import Finaliser
from services.feedback_tagger.ingest import Ingest
from services.feedback_tagger.outcomes import Outcomes
from services.feedback_tagger.planner.agreement import LEAST, SHARE, rows_per_prompt
from services.feedback_tagger.planner.prompt import PROMPT_TOKENS, Hex
from services.feedback_tagger.pool import Pool
from services.feedback_tagger.singles import Singles
from services.feedback_tagger.store.batches import BatchStore
from services.feedback_tagger.store.commands import CommandLog
from services.feedback_tagger.store.corrections import CorrectionStore
from services.feedback_tagger.store.discovery import DiscoveryStore
from services.feedback_tagger.store.examples import ExampleStore
from services.feedback_tagger.store.outcomes import OutcomeStore
from services.feedback_tagger.store.port import RowStore, RunStore
from services.feedback_tagger.store.taxonomy import TaxonomyStore
from services.feedback_tagger.store.upkeep import Upkeep
from services.feedback_tagger.sweeper import CLAIM, Sweeper
from services.feedback_tagger.tasks import TASKS, Tasks
from shared.backoff import Backoff, Uniform
from shared.clock import Now
from shared.health import Health
from shared.idempotency.port import Idempotency
from shared.idempotency.standing import StandingClaim
from shared.lifecycle import Loop
from shared.model.batch_jobs import BatchJobs
from shared.model.embeddings import Embedder
from shared.model.job_budget import JobBudget
from shared.model.port import Model
from shared.model.prices import PRICES
from shared.model.spend import Spend
from shared.notifications.port import Notifications
from shared.queue.consumer import Consumer, ConsumerSettings, Handler
from shared.queue.dead_letters import OnDeadLetter
from shared.queue.failures import FailureCounts
from shared.queue.port import Queue

SINGLES_WAIT_SECONDS = 0.5
TAXONOMY_SECONDS = 5.0
RUN_SECONDS = 5.0
# Of the 50 receipts that a queue allows, an outage of two hours must not use up all: SQS would move the message among
# the dead letters without a word, where we say why. So retries are up to ten minutes apart.
RETRY = Backoff(base=0.5, cap=600.0)
# A chunk may wait for its budget overnight: a failure before that and one after it are no outage of a night.
TRANSIENT_FAILURES = 10
# A job takes this part of the day's budget at most, by estimate: one that took all of it would rarely find room.
JOBS_A_DAY = 4
# A loop is stuck if it has not turned for several long polls with their retries.
STALLED_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything outside this process that the loops touch.

    ``single_rows`` and ``single_model`` are what rows sent alone go through: the same database and the same model, with
    connections and a share that the chunks of a large file cannot take.
    """

    files: Queue
    files_dead: Queue
    chunks: Queue
    chunks_dead: Queue
    items: Queue
    items_dead: Queue
    outcomes: Queue
    outcomes_dead: Queue
    failures: FailureCounts
    claims: Idempotency
    bucket: Bucket
    notifications: Notifications
    model: Model
    single_model: Model
    runs: RunStore
    rows: RowStore
    single_rows: RowStore
    upkeep: Upkeep
    batches: BatchStore
    batch_jobs: BatchJobs
    spend: Spend
    ticket_outcomes: OutcomeStore
    commands: CommandLog
    taxonomy: TaxonomyStore
    corrections: CorrectionStore
    examples: ExampleStore
    single_examples: ExampleStore
    discovery: DiscoveryStore
    embedder: Embedder


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is asked, how much at once, how long, how much money. ``prices_as_of`` is the price file's day."""

    model_id: str
    rows_per_prompt: int
    pool_workers: int
    singles_workers: int
    run_usd: float | None
    usd_per_day: float
    sweep_seconds: float
    stuck_run_seconds: float
    long_poll_seconds: int
    visibility_seconds: int
    prices_as_of: str
    prompt_tokens: int = PROMPT_TOKENS
    unsure_model_id: str | None = None
    agreement_share: float = SHARE
    agreement_least: float = LEAST
    price_of: PriceOf = PRICES.of
    deadline_minutes: float | None = None
    batch_role_arn: str | None = None
    batch_timeout_hours: int = 24
    batch_look_seconds: float = 15.0
    tokens_per_minute: int | None = None
    largest_file_bytes: int = LARGEST_FILE_BYTES
    headers: Headers = field(default_factory=Headers)
    tasks: Tasks = TASKS
    example_rules: ExampleRules = field(default_factory=ExampleRules)
    embedding_model_id: str = "amazon.titan-embed-text-v2:0"
    embedding_id: str = "amazon.titan-embed-text-v2:0/256"
    discovery_seconds: float = 60.0
    discovery_texts: int = 5000
    discovery_rules: Rules = RULES
    discovery_accept_rows: int | None = None


def loops(
    ports: Ports, limits: Limits, *, health: Health, now: Now, uniform: Uniform, token_hex: Hex, owner: str
) -> Sequence[Loop]:
    """All of them run in every task; any number of tasks may. ``owner`` names this task's life."""

    async def read_taxonomy(_: str) -> Taxonomy:
        return await ports.rows.taxonomy()

    recent_taxonomy = Recent(read_taxonomy, now, TAXONOMY_SECONDS)

    async def taxonomy() -> Taxonomy:
        return await recent_taxonomy("")

    examples = Examples(store=ports.examples, rules=limits.example_rules, now=now)
    accuracy = AccuracyKeeper(store=ports.corrections, bucket=ports.bucket, now=now)

    def asker(model: Model) -> Asker:
        return Asker(
            model=model,
            model_id=limits.model_id,
            rows_per_prompt=limits.rows_per_prompt,
            token_hex=token_hex,
            prompt_tokens=limits.prompt_tokens,
            unsure_model_id=limits.unsure_model_id,
            agreement_share=limits.agreement_share,
            agreement_least=limits.agreement_least,
            price_of=limits.price_of,
        )

    file_asker = asker(ports.model)
    day_limit = int(limits.usd_per_day * NANO)

    def terms(run: RunState) -> Terms:
        now_at = rows_per_prompt(limits.rows_per_prompt, run.agreement, least=file_asker.agreement_least)
        return Terms(limits.prices_as_of, now_at, limits.model_id)

    ingest = Ingest(
        store=ports.runs,
        bucket=ports.bucket,
        chunks=ports.chunks,
        notifications=ports.notifications,
        rows_per_prompt=limits.rows_per_prompt,
        tokens_per_prompt=limits.prompt_tokens,
        headers=limits.headers,
        quoting=Quoting(
            taxonomy=taxonomy,
            model_id=limits.model_id,
            price=file_asker.price_of(limits.model_id),
            prices_as_of=limits.prices_as_of,
            agreement_share=limits.agreement_share,
            tokens_per_minute=limits.tokens_per_minute,
            deadline_minutes=limits.deadline_minutes,
            run_usd=limits.run_usd,
            with_examples=examples.shared_by,
        ),
        batch=BatchLane(
            writing=PartWriting(
                store=ports.batches,
                rows=ports.rows,
                bucket=ports.bucket,
                jobs=ports.batch_jobs,
                token_hex=token_hex,
                model_id=limits.model_id,
                rows_per_prompt=limits.rows_per_prompt,
                prompt_tokens=limits.prompt_tokens,
                check_share=limits.agreement_share,
                price=file_asker.price_of(limits.model_id),
                most_nano_usd=day_limit // JOBS_A_DAY,
            ),
            price=file_asker.price_of(limits.model_id),
            timeout_hours=None if limits.batch_role_arn is None else limits.batch_timeout_hours,
            deadline_minutes=limits.deadline_minutes,
        ),
        largest_file_bytes=limits.largest_file_bytes,
        now=now,
        uniform=uniform,
        tasks=limits.tasks,
    )
    files = Entrances(
        bucket=ports.bucket.name,
        entrances=(
            CommandDoor(
                (
                    *category_kinds(ports.taxonomy, partial(parts_of, rules=limits.discovery_rules)),
                    set_kind(ports.taxonomy),
                ),
                bucket=ports.bucket,
                commands=ports.commands,
            ),
            CategoryFiles(ports.taxonomy, bucket=ports.bucket, commands=ports.commands),
            CorrectionFiles(
                store=ports.corrections,
                bucket=ports.bucket,
                notifications=ports.notifications,
                keep_accuracy=accuracy.keep,
                now=now,
                largest_file_bytes=limits.largest_file_bytes,
            ),
        ),
        feedback=ingest.handle,
        bury_feedback=ingest.bury,
    )
    pool = Pool(
        store=ports.rows,
        upkeep=ports.upkeep,
        asker=file_asker,
        taxonomy=taxonomy,
        outlook=Outlook(runs=ports.runs, rows=ports.rows, run_usd=limits.run_usd, now=now, seconds=RUN_SECONDS),
        uniform=uniform,
        chunks=ports.chunks,
        tasks=limits.tasks,
        examples=examples,
    )
    singles = Singles(
        store=ports.single_rows,
        asker=asker(ports.single_model),
        taxonomy=taxonomy,
        rows_per_prompt=limits.rows_per_prompt,
        wait_seconds=SINGLES_WAIT_SECONDS,
        now=now,
        uniform=uniform,
        tasks=limits.tasks,
        examples=Examples(store=ports.single_examples, rules=limits.example_rules, now=now),
    )
    finaliser = Finaliser(
        store=ports.runs,
        bucket=ports.bucket,
        notifications=ports.notifications,
        taxonomy=taxonomy,
        terms=terms,
        now=now,
        beat=health.watch("finaliser", stalled_after=STALLED_SECONDS),
        tasks=limits.tasks,
        keep_accuracy=accuracy.keep_up,
        batches=ports.batches,
    )
    # In every installation: jobs of one whose role was taken away since must still come to their end.
    batches = Batches(
        store=ports.batches,
        rows=ports.rows,
        bucket=ports.bucket,
        chunks=ports.chunks,
        jobs=ports.batch_jobs,
        price_of=limits.price_of,
        budget=JobBudget(spend=ports.spend, limit=day_limit, now=now),
        role_arn=limits.batch_role_arn,
        timeout_hours=limits.batch_timeout_hours,
        look_seconds=limits.batch_look_seconds,
        deadline_minutes=limits.deadline_minutes,
        second_model=limits.unsure_model_id is not None,
        uniform=uniform,
        beat=health.watch("batches", stalled_after=STALLED_SECONDS + limits.batch_look_seconds),
        tasks=limits.tasks,
    )
    sweeper = Sweeper(
        # Three chances to renew it.
        claim=StandingClaim(
            claims=ports.claims, key=CLAIM, owner=owner, ttl_seconds=max(15.0, 3 * limits.sweep_seconds)
        ),
        upkeep=ports.upkeep,
        rows=ports.rows,
        dead_chunks=ports.chunks_dead,
        sweep_seconds=limits.sweep_seconds,
        stuck_seconds=limits.stuck_run_seconds,
        beat=health.watch("sweeper", stalled_after=STALLED_SECONDS + limits.sweep_seconds),
    )

    discovery = Discovery(
        # Texts are embedded for seconds between two renewals.
        claim=StandingClaim(claims=ports.claims, key=discovery_loop.CLAIM, owner=owner, ttl_seconds=90.0),
        store=ports.discovery,
        taxonomy=ports.taxonomy,
        bucket=ports.bucket,
        embedder=ports.embedder,
        embedding_model_id=limits.embedding_model_id,
        embedding_id=limits.embedding_id,
        price_of=limits.price_of,
        naming=Naming(model=ports.model, model_id=limits.model_id, price_of=limits.price_of, token_hex=token_hex),
        rules=limits.discovery_rules,
        texts=limits.discovery_texts,
        accept_rows=limits.discovery_accept_rows,
        every_seconds=limits.discovery_seconds,
        now=now,
        beat=health.watch("discovery", stalled_after=5 * STALLED_SECONDS),
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
            files.handle,
            ConsumerSettings(
                workers=2,
                deadline_seconds=4 * 3600,
                retry=RETRY,
                wait_seconds=poll,
                visibility_seconds=limits.visibility_seconds,
            ),
            on_dead_letter=files.bury,
        ),
        consumer(
            "pool",
            (ports.chunks, ports.chunks_dead),
            pool.handle,
            ConsumerSettings(
                workers=limits.pool_workers,
                # Calls of the queue cost as much as a prompt: with some chunks in stock and deletes that wait for
                # company, ten share one.
                prefetch=min(20, 2 * limits.pool_workers),
                linger_seconds=0.5,
                deadline_seconds=300,
                retry=RETRY,
                transient_failures=TRANSIENT_FAILURES,
                wait_seconds=poll,
                visibility_seconds=limits.visibility_seconds,
            ),
            on_dead_letter=pool.bury,
        ),
        # Workers of their own, by default two full prompts' worth: while one batch is asked, the next one gathers.
        consumer(
            "singles",
            (ports.items, ports.items_dead),
            singles.handle,
            ConsumerSettings(
                workers=limits.singles_workers,
                receivers=2,
                deadline_seconds=300,
                retry=RETRY,
                transient_failures=TRANSIENT_FAILURES,
                wait_seconds=poll,
                visibility_seconds=limits.visibility_seconds,
            ),
        ),
        consumer(
            "outcomes",
            (ports.outcomes, ports.outcomes_dead),
            Outcomes(store=ports.ticket_outcomes).handle,
            ConsumerSettings(
                workers=2,
                deadline_seconds=60,
                retry=RETRY,
                wait_seconds=poll,
                visibility_seconds=limits.visibility_seconds,
            ),
        ),
        Loop("finaliser", finaliser.run),
        Loop("batches", batches.run),
        Loop("sweeper", sweeper.run),
        Loop("discovery", discovery.run),
    )
