"""Runs on PostgreSQL: opened by ingest, closed and announced by the finaliser."""

import json
from dataclasses import fields, replace
from typing import Any

from services.feedback_tagger.domain.run import RunState, outcome
from services.feedback_tagger.domain.spent import Agreement, Spent
from services.feedback_tagger.store.errors import database_errors
from services.feedback_tagger.store.port import Ingested, NewRun, OpenedRun, OpenRun

# At least, not exactly: an ingest that was abandoned may have sent a few chunks more than it could note.
READY = """
    total_chunks is not null
    and (select count(*) from feedback_chunk chunk where chunk.run_id = feedback_run.run_id) >= total_chunks
"""

# Both are made of constants alone.
OPEN_RUNS = f"select run_id, {READY} as ready from feedback_run where status = 'open' order by started_at"  # noqa: S608
LOCK_IF_READY = f"select true from feedback_run where run_id = $1 and status = 'open' and {READY} for no key update"  # noqa: S608

STATE = """
    select
        run_id, bucket, object_key, task, status, revision, encoding, date_order, problem, rows_read, rows_rejected,
        total_chunks, chunks_sent, cuts, rows_per_chunk, tokens_per_chunk, sequencers, quote,
        extract(epoch from started_at)::float8 as started_at,
        extract(epoch from finished_at)::float8 as finished_at,
        (
            select extract(epoch from waiting_until)::float8 from feedback_upkeep kept
            where kept.run_id = feedback_run.run_id
        ) as waiting_until,
        chunks.*,
        (
            select jsonb_object_agg(label, row_count)
            from (
                select label, sum(row_count) as row_count
                from feedback_chunk_label labelled
                where labelled.run_id = feedback_run.run_id
                group by label
            ) as counts
        ) as by_label,
        (
            select jsonb_agg(jsonb_build_array(rows_per_prompt, checked, agreed) order by rows_per_prompt)
            from (
                select rows_per_prompt, sum(checked) as checked, sum(agreed) as agreed
                from feedback_agreement looked
                where looked.run_id = feedback_run.run_id
                group by rows_per_prompt
            ) as looks
        ) as agreement
    from feedback_run, lateral (
        select
            count(*) filter (where state = 'done') as chunks_done,
            count(*) filter (where state = 'dead') as chunks_dead,
            count(*) filter (where state = 'dead' and row_count = 0) as chunks_lost,
            coalesce(sum(stored), 0)::bigint as stored,
            coalesce(sum(duplicates), 0)::bigint as duplicates,
            coalesce(sum(known), 0)::bigint as known,
            (coalesce(sum(row_count) filter (where state = 'dead'), 0) + coalesce(sum(failed), 0))::bigint as rows_dead,
            coalesce(sum(calls), 0)::bigint as calls,
            coalesce(sum(throttles), 0)::bigint as throttles,
            coalesce(sum(input_tokens), 0)::bigint as input_tokens,
            coalesce(sum(output_tokens), 0)::bigint as output_tokens,
            coalesce(sum(cache_read_tokens), 0)::bigint as cache_read_tokens,
            coalesce(sum(cache_write_tokens), 0)::bigint as cache_write_tokens,
            coalesce(sum(nano_usd), 0)::bigint as nano_usd,
            coalesce(sum(unpriced_calls), 0)::bigint as unpriced_calls
        from feedback_chunk
        where feedback_chunk.run_id = feedback_run.run_id
    ) as chunks
    where feedback_run.run_id = $1
"""

# During a deployment, tasks of an older build finish chunks without counting their labels.
BY_LABEL_OF_ROWS = """
    select coalesce(label_llm, '') as label, count(*) as row_count from customer_feedback where run_id = $1 group by 1
"""


class PostgresRuns:
    """The RunStore port on an asyncpg pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def open_run(self, run: NewRun) -> OpenedRun:
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                created = await connection.fetchval(
                    "insert into feedback_run"
                    " (run_id, bucket, object_key, task, rows_per_chunk, tokens_per_chunk, sequencers)"
                    " values ($1, $2, $3, $4, $5, $6, array[$7]) on conflict (run_id) do nothing returning true",
                    run.run_id, run.bucket, run.key, run.task, run.rows_per_chunk, run.tokens_per_chunk, run.sequencer,
                )  # fmt: skip
                row = await connection.fetchrow(f"{STATE} for no key update of feedback_run", run.run_id)
                later_upload = not created and run.sequencer not in row["sequencers"]
                over = row["status"] != "open"
                worth_another_try = bool(row["chunks_dead"] or row["problem"])
                if later_upload and over and worth_another_try:
                    await _open_again(connection, run)
                    row = await connection.fetchrow(STATE, run.run_id)
                    later_upload = False
        return OpenedRun(
            rows_per_chunk=row["rows_per_chunk"],
            ingested=row["total_chunks"] is not None,
            repeated=later_upload and over,
            state=_as_state(row),
            tokens_per_chunk=row["tokens_per_chunk"],
            chunks_sent=row["chunks_sent"],
            cuts=row["cuts"],
        )

    async def note_repeat(self, run_id: str, sequencer: str) -> None:
        with database_errors():
            await self._pool.execute(
                "update feedback_run set sequencers = array_append(sequencers, $2)"
                " where run_id = $1 and not $2 = any(sequencers)",
                run_id, sequencer,
            )  # fmt: skip

    async def note_ingest(self, run_id: str, progress: Ingested, *, after: int | None = None) -> bool:
        with database_errors():
            noted = await self._pool.fetchval(
                "update feedback_run set encoding = $2, date_order = $3, problem = $4, rows_read = $5,"
                " rows_rejected = $6, chunks_sent = $7, cuts = $8, total_chunks = $9,"
                " quote = case when $11 = '' then quote else $11 end"
                " where run_id = $1 and status = 'open' and total_chunks is null"
                " and ($10::integer is null or chunks_sent = $10) returning true",
                run_id, progress.encoding, progress.date_order, progress.problem, progress.rows_read,
                progress.rows_rejected, progress.chunks_sent, list(progress.cuts), progress.total_chunks, after,
                progress.quote,
            )  # fmt: skip
        return bool(noted)

    async def abandon_ingest(self, run_id: str, problem: str) -> None:
        with database_errors():
            await self._pool.execute(
                "update feedback_run set problem = $2, total_chunks = chunks_sent"
                " where run_id = $1 and status = 'open' and total_chunks is null",
                run_id, problem,
            )  # fmt: skip

    async def open_runs(self) -> list[OpenRun]:
        with database_errors():
            rows = await self._pool.fetch(OPEN_RUNS)
        return [OpenRun(row["run_id"], row["ready"]) for row in rows]

    async def run_state(self, run_id: str) -> RunState | None:
        with database_errors():
            row = await self._pool.fetchrow(STATE, run_id)
            if row is None:
                return None
            state = _as_state(row)
            if sum(state.by_label.values()) != state.stored:
                counted = await self._pool.fetch(BY_LABEL_OF_ROWS, run_id)
                state = replace(state, by_label={each["label"]: each["row_count"] for each in counted})
        return state

    async def claim_report(self, run_id: str, *, every_seconds: float) -> bool:
        with database_errors():
            claimed = await self._pool.fetchval(
                "update feedback_run set reported_at = now() where run_id = $1 and status = 'open'"
                " and reported_at <= now() - make_interval(secs => $2) returning true",
                run_id, every_seconds,
            )  # fmt: skip
        return bool(claimed)

    async def close_if_ready(self, run_id: str) -> bool:
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(LOCK_IF_READY, run_id):
                    return False
                # Read under the lock: a dead chunk that comes back to life waits for it, and opens the run again.
                state = _as_state(await connection.fetchrow(STATE, run_id))
                await connection.execute(
                    "update feedback_run set status = $2, finished_at = now() where run_id = $1", run_id, outcome(state)
                )
        return True

    async def claim_announcement(self, *, claim_seconds: float) -> RunState | None:
        with database_errors():
            run_id = await self._pool.fetchval(
                "update feedback_run set announcer_until = now() + make_interval(secs => $1) where run_id = ("
                " select run_id from feedback_run where status <> 'open' and announced_revision < revision"
                " and (announcer_until is null or announcer_until < now())"
                " order by finished_at limit 1 for no key update skip locked) returning run_id",
                claim_seconds,
            )
        return None if run_id is None else await self.run_state(run_id)

    async def announced(self, run_id: str, *, revision: int) -> None:
        with database_errors():
            await self._pool.execute(
                "update feedback_run set announced_revision = greatest(announced_revision, $2), announcer_until = null"
                " where run_id = $1",
                run_id, revision,
            )  # fmt: skip

    async def dead_rows(self, run_id: str) -> list[tuple[int, str]]:
        with database_errors():
            rows = await self._pool.fetch(
                "select chunk_no, unnest(lines) as line, reason from feedback_chunk"
                " where run_id = $1 and state = 'dead'"
                " union all select chunk_no, line_no, reason from feedback_failed_row where run_id = $1"
                " order by chunk_no, line",
                run_id,
            )
        return [(row["line"], row["reason"]) for row in rows]


async def _open_again(connection: Any, run: NewRun) -> None:
    await connection.execute("delete from feedback_chunk where run_id = $1 and state = 'dead'", run.run_id)
    await connection.execute(
        "update feedback_run set status = 'open', revision = revision + 1, problem = '', total_chunks = null,"
        " chunks_sent = 0, cuts = '{}', finished_at = null, announcer_until = null,"
        " sequencers = array_append(sequencers, $2) where run_id = $1",
        run.run_id, run.sequencer,
    )  # fmt: skip


def _as_state(row: Any) -> RunState:
    return RunState(
        run_id=row["run_id"],
        bucket=row["bucket"],
        key=row["object_key"],
        task=row["task"],
        status=row["status"],
        revision=row["revision"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        encoding=row["encoding"],
        date_order=row["date_order"],
        problem=row["problem"],
        rows_read=row["rows_read"],
        rows_rejected=row["rows_rejected"],
        total_chunks=row["total_chunks"],
        chunks_done=row["chunks_done"],
        chunks_dead=row["chunks_dead"],
        chunks_lost=row["chunks_lost"],
        stored=row["stored"],
        duplicates=row["duplicates"],
        known=row["known"],
        rows_dead=row["rows_dead"],
        by_label=json.loads(row["by_label"] or "{}"),
        spent=Spent(**{each.name: row[each.name] for each in fields(Spent)}),
        agreement=[
            Agreement(rows_per_prompt=size, checked=checked, agreed=agreed)
            for size, checked, agreed in json.loads(row["agreement"] or "[]")
        ],
        repeats=len(row["sequencers"]) - 1,
        quote=row["quote"],
        waiting_until=row["waiting_until"],
    )
