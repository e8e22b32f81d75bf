"""The upkeep of runs on MySQL 8 and MariaDB."""

import random
from collections.abc import Sequence

from services.feedback_tagger.store.errors import retried
from services.feedback_tagger.store.mysql import MysqlPool
from services.feedback_tagger.store.upkeep import ChunkId, missing
from shared.backoff import Uniform

# Changes whenever anything happens to the run.
_SEEN = """concat_ws(':', revision, rows_read, chunks_sent, total_chunks,
    (select count(*) from feedback_chunk as chunk where chunk.run_id = feedback_run.run_id),
    (select sum(processed + merged + asked_again + (part.state = 'ended')) from feedback_batch_job as part
        where part.run_id = feedback_run.run_id))"""
# A batch job waits for its turn for a day or more, a week at most: the run stands still, and has not been forgotten.
_HAS_A_JOB = """exists (select 1 from feedback_batch_job as part where part.run_id = feedback_run.run_id
    and part.state <> 'ended' and part.created_at > utc_timestamp(6) - interval 10 day)"""

# All of these are made of the constants above alone. "since" comes first: assignments take effect from left to right.
LOOK = f"""
    insert into feedback_upkeep (run_id, seen, since)
    select run_id, now_seen, utc_timestamp(6)
    from (select run_id, {_SEEN} as now_seen from feedback_run where status = 'open') as looked
    on duplicate key update
        since = if(feedback_upkeep.seen <> looked.now_seen, utc_timestamp(6), feedback_upkeep.since),
        seen = looked.now_seen
"""  # noqa: S608

IS_IDLE = f"""feedback_run.status = 'open' and seen = {_SEEN}
    and since <= utc_timestamp(6) - interval %(idle)s microsecond
    and coalesce(waiting_until <= utc_timestamp(6), true) and not {_HAS_A_JOB}"""
IDLE = f"select run_id from feedback_run join feedback_upkeep using (run_id) where {IS_IDLE} order by run_id"  # noqa: S608
IDLE_ONE = f"""
    select total_chunks, chunks_sent from feedback_run join feedback_upkeep using (run_id)
    where run_id = %(run_id)s and {IS_IDLE}
"""  # noqa: S608


class MysqlUpkeep:
    """The Upkeep port."""

    def __init__(self, pool: MysqlPool, *, uniform: Uniform = random.uniform) -> None:
        self._pool = pool
        self._uniform = uniform

    async def note_waiting(self, run_id: str, *, seconds: float) -> None:
        async def note() -> None:
            async with self._pool.session() as session:
                await session.execute(
                    "insert into feedback_upkeep (run_id, waiting_until)"
                    " values (%(run_id)s, utc_timestamp(6) + interval %(wait)s microsecond) on duplicate key update"
                    # Every chunk of the run says so: one write in a minute is enough.
                    " waiting_until = if(waiting_until is null or waiting_until"
                    " < utc_timestamp(6) + interval %(wait)s microsecond - interval 1 minute,"
                    " utc_timestamp(6) + interval %(wait)s microsecond, waiting_until)",
                    {"run_id": run_id, "wait": round(seconds * 1e6)},
                )

        await retried(note, self._uniform)

    async def idle_runs(self, *, idle_seconds: float) -> list[str]:
        async def look() -> list[str]:
            async with self._pool.session() as session:
                await session.execute(LOOK)
                return [row["run_id"] for row in await session.fetch(IDLE, {"idle": round(idle_seconds * 1e6)})]

        return await retried(look, self._uniform)

    async def uncounted(self, chunks: Sequence[ChunkId]) -> set[ChunkId]:
        if not chunks:
            return set()
        asked = " union all ".join(["select %s as run_id, %s as chunk_no"] * len(chunks))
        async with self._pool.session() as session:
            rows = await session.fetch(
                f"select asked.run_id, asked.chunk_no from ({asked}) as asked"  # noqa: S608  # placeholders alone
                " join feedback_run as run on run.run_id = asked.run_id and run.status = 'open'"
                " where not exists (select 1 from feedback_chunk as chunk"
                " where chunk.run_id = asked.run_id and chunk.chunk_no = asked.chunk_no)",
                [value for chunk in chunks for value in (chunk.run_id, chunk.number)],
            )
        return {ChunkId(row["run_id"], row["chunk_no"]) for row in rows}

    async def give_up(self, run_id: str, *, idle_seconds: float, problem: str) -> int | None:
        async def give_up() -> int | None:
            async with self._pool.transaction() as session:
                await session.first("select 1 from feedback_run where run_id = %s for update", (run_id,))
                run = await session.first(IDLE_ONE, {"run_id": run_id, "idle": round(idle_seconds * 1e6)})
                if run is None:
                    return None
                total = run["chunks_sent"] if run["total_chunks"] is None else run["total_chunks"]
                ended = await session.fetch("select chunk_no from feedback_chunk where run_id = %s", (run_id,))
                lost = missing(total, [row["chunk_no"] for row in ended])
                # No rows: how many they held is what the run is short of (RunState.rows_failed). One that ends in this
                # very moment is there first, or finds itself dead and opens the run again.
                for start in range(0, len(lost), 1000):
                    some = lost[start : start + 1000]
                    places = ", ".join(["(%s, %s, 'dead', 'lost on its way', '[]', 0)"] * len(some))
                    await session.execute(
                        "insert into feedback_chunk (run_id, chunk_no, state, reason, `lines`, row_count)"  # noqa: S608
                        f" values {places} on duplicate key update chunk_no = feedback_chunk.chunk_no",
                        [value for number in some for value in (run_id, number)],
                    )
                await session.execute(
                    "update feedback_run set total_chunks = %s, problem = %s"
                    " where run_id = %s and total_chunks is null",
                    (total, problem, run_id),
                )
                return len(lost)

        return await retried(give_up, self._uniform)
