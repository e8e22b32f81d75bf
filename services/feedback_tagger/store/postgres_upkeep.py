"""The upkeep of runs on PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from services.feedback_tagger.store.errors import database_errors
from services.feedback_tagger.store.upkeep import ChunkId, missing

# Changes whenever anything happens to the run.
_SEEN = """concat_ws(':', revision, rows_read, chunks_sent, total_chunks,
    (select count(*) from feedback_chunk chunk where chunk.run_id = feedback_run.run_id),
    (select sum(processed + merged + asked_again + (state = 'ended')::integer) from feedback_batch_job part
        where part.run_id = feedback_run.run_id))"""
# A batch job waits for its turn for a day or more, a week at most: the run stands still, and has not been forgotten.
_HAS_A_JOB = """exists (select from feedback_batch_job part where part.run_id = feedback_run.run_id
    and part.state <> 'ended' and part.created_at > now() - interval '10 days')"""

# All of these are made of the constants above alone.
LOOK = f"""
    insert into feedback_upkeep as kept (run_id, seen)
    select run_id, {_SEEN} from feedback_run where status = 'open'
    on conflict (run_id) do update set seen = excluded.seen, since = now() where kept.seen <> excluded.seen
"""  # noqa: S608

IS_IDLE = f"""feedback_run.status = 'open' and seen = {_SEEN} and since <= now() - make_interval(secs => $1)
    and coalesce(waiting_until <= now(), true) and not {_HAS_A_JOB}"""
IDLE = f"select run_id from feedback_run join feedback_upkeep using (run_id) where {IS_IDLE} order by run_id"  # noqa: S608
LOCK_IF_IDLE = f"""
    select total_chunks, chunks_sent from feedback_run join feedback_upkeep using (run_id)
    where run_id = $2 and {IS_IDLE} for no key update of feedback_run
"""  # noqa: S608


class PostgresUpkeep:
    """The Upkeep port on an asyncpg pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def note_waiting(self, run_id: str, *, seconds: float) -> None:
        with database_errors():
            await self._pool.execute(
                "insert into feedback_upkeep as kept (run_id, waiting_until)"
                " values ($1, now() + make_interval(secs => $2)) on conflict (run_id) do update"
                # Every chunk of the run says so: one write in a minute is enough.
                " set waiting_until = excluded.waiting_until where kept.waiting_until is null"
                " or kept.waiting_until < excluded.waiting_until - interval '1 minute'",
                run_id, seconds,
            )  # fmt: skip

    async def idle_runs(self, *, idle_seconds: float) -> list[str]:
        with database_errors():
            await self._pool.execute(LOOK)
            return [row["run_id"] for row in await self._pool.fetch(IDLE, idle_seconds)]

    async def uncounted(self, chunks: Sequence[ChunkId]) -> set[ChunkId]:
        with database_errors():
            rows = await self._pool.fetch(
                "select asked.run_id, asked.chunk_no from unnest($1::text[], $2::integer[]) as asked (run_id, chunk_no)"
                " join feedback_run run on run.run_id = asked.run_id and run.status = 'open'"
                " where not exists (select from feedback_chunk chunk"
                " where chunk.run_id = asked.run_id and chunk.chunk_no = asked.chunk_no)",
                [chunk.run_id for chunk in chunks], [chunk.number for chunk in chunks],
            )  # fmt: skip
        return {ChunkId(row["run_id"], row["chunk_no"]) for row in rows}

    async def give_up(self, run_id: str, *, idle_seconds: float, problem: str) -> int | None:
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                run = await connection.fetchrow(LOCK_IF_IDLE, idle_seconds, run_id)
                if run is None:
                    return None
                total = run["chunks_sent"] if run["total_chunks"] is None else run["total_chunks"]
                ended = await connection.fetch("select chunk_no from feedback_chunk where run_id = $1", run_id)
                lost = missing(total, [row["chunk_no"] for row in ended])
                # No rows: how many they held is what the run is short of (RunState.rows_failed). One that ends in this
                # very moment is there first, or finds itself dead and opens the run again.
                await connection.execute(
                    "insert into feedback_chunk (run_id, chunk_no, state, reason, row_count)"
                    " select $1, lost, 'dead', 'lost on its way', 0 from unnest($2::integer[]) as lost"
                    " on conflict (run_id, chunk_no) do nothing",
                    run_id, lost,
                )  # fmt: skip
                await connection.execute(
                    "update feedback_run set total_chunks = $2, problem = $3"
                    " where run_id = $1 and total_chunks is null",
                    run_id, total, problem,
                )  # fmt: skip
        return len(lost)
