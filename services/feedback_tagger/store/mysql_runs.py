"""Runs on MySQL 8 and MariaDB: opened by ingest, closed and announced by the finaliser."""

import json
import random
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from services.feedback_tagger.domain.run import RunState, outcome
from services.feedback_tagger.domain.spent import Agreement, Spent
from services.feedback_tagger.store.errors import retried
from services.feedback_tagger.store.mysql import MysqlPool, Session
from services.feedback_tagger.store.port import Ingested, NewRun, OpenedRun, OpenRun
from shared.backoff import Uniform

# At least, not exactly: an ingest that was abandoned may have sent a few chunks more than it could note.
READY = """
    total_chunks is not null
    and (select count(*) from feedback_chunk as chunk where chunk.run_id = feedback_run.run_id) >= total_chunks
"""

_SUMS = ", ".join(f"cast(coalesce(sum({each.name}), 0) as signed) as {each.name}" for each in fields(Spent))

# One statement, so that what it adds up is of one moment. Made of constants and the names above alone.
STATE = f"""
    select
        run.*,
        chunks.*,
        (select count(*) from feedback_upload where run_id = %(run_id)s) as uploads,
        (select waiting_until from feedback_upkeep where run_id = %(run_id)s) as waiting_until,
        (
            select json_objectagg(label, row_count)
            from (
                select label, cast(sum(row_count) as signed) as row_count
                from feedback_chunk_label force index (feedback_chunk_label_counts)
                where run_id = %(run_id)s
                group by label
            ) as counts
        ) as by_label,
        (
            select json_arrayagg(json_array(rows_per_prompt, checked, agreed))
            from (
                select rows_per_prompt, cast(sum(checked) as signed) as checked, cast(sum(agreed) as signed) as agreed
                from feedback_agreement
                where run_id = %(run_id)s
                group by rows_per_prompt
            ) as looks
        ) as agreement
    from feedback_run as run
    cross join (
        select
            cast(coalesce(sum(state = 'done'), 0) as signed) as chunks_done,
            cast(coalesce(sum(state = 'dead'), 0) as signed) as chunks_dead,
            cast(coalesce(sum(state = 'dead' and row_count = 0), 0) as signed) as chunks_lost,
            cast(coalesce(sum(stored), 0) as signed) as stored,
            cast(coalesce(sum(duplicates), 0) as signed) as duplicates,
            cast(coalesce(sum(known), 0) as signed) as known,
            cast(coalesce(sum(case when state = 'dead' then row_count else failed end), 0) as signed) as rows_dead,
            {_SUMS}
        from feedback_chunk
        where run_id = %(run_id)s
    ) as chunks
    where run.run_id = %(run_id)s
"""  # noqa: S608


class MysqlRuns:
    """The RunStore port."""

    def __init__(self, pool: MysqlPool, *, uniform: Uniform = random.uniform) -> None:
        self._pool = pool
        self._uniform = uniform

    async def open_run(self, run: NewRun) -> OpenedRun:
        return await retried(lambda: self._open_run(run), self._uniform)

    async def note_repeat(self, run_id: str, sequencer: str) -> None:
        async with self._pool.session() as session:
            await _note_upload(session, run_id, sequencer)

    async def note_ingest(self, run_id: str, progress: Ingested, *, after: int | None = None) -> bool:
        async def note() -> bool:
            async with self._pool.transaction() as session:
                # Found, not changed, is what counts: noting the same twice is no refusal.
                there = await session.first(
                    "select chunks_sent from feedback_run where run_id = %s and status = 'open'"
                    " and total_chunks is null for update",
                    (run_id,),
                )
                if there is None or (after is not None and there["chunks_sent"] != after):
                    return False
                await session.execute(
                    "update feedback_run set encoding = %(encoding)s, date_order = %(date_order)s,"
                    " problem = %(problem)s, rows_read = %(rows_read)s, rows_rejected = %(rows_rejected)s,"
                    " chunks_sent = %(chunks_sent)s, cuts = %(cuts)s, total_chunks = %(total_chunks)s,"
                    " quote = case when %(quote)s = '' then quote else %(quote)s end where run_id = %(run_id)s",
                    {
                        "run_id": run_id,
                        **{each.name: getattr(progress, each.name) for each in fields(progress)},
                        "cuts": json.dumps(list(progress.cuts)),
                    },
                )
                return True

        return await retried(note, self._uniform)

    async def abandon_ingest(self, run_id: str, problem: str) -> None:
        async with self._pool.session() as session:
            await session.execute(
                "update feedback_run set problem = %s, total_chunks = chunks_sent"
                " where run_id = %s and status = 'open' and total_chunks is null",
                (problem, run_id),
            )

    async def open_runs(self) -> list[OpenRun]:
        async with self._pool.session() as session:
            rows = await session.fetch(
                f"select run_id, {READY} as ready from feedback_run where status = 'open' order by started_at, run_id"  # noqa: S608
            )
        return [OpenRun(row["run_id"], bool(row["ready"])) for row in rows]

    async def run_state(self, run_id: str) -> RunState | None:
        async with self._pool.session() as session:
            row = await session.first(STATE, {"run_id": run_id})
        return None if row is None else _as_state(row)

    async def claim_report(self, run_id: str, *, every_seconds: float) -> bool:
        async with self._pool.session() as session:
            return bool(
                await session.execute(
                    "update feedback_run set reported_at = utc_timestamp(6) where run_id = %s and status = 'open'"
                    " and (reported_at is null or reported_at <= utc_timestamp(6) - interval %s microsecond)",
                    (run_id, round(every_seconds * 1e6)),
                )
            )

    async def close_if_ready(self, run_id: str) -> bool:
        async def close() -> bool:
            async with self._pool.transaction() as session:
                if await session.first("select 1 from feedback_run where run_id = %s for update", (run_id,)) is None:
                    return False
                ready = await session.first(
                    f"select 1 from feedback_run where run_id = %s and status = 'open' and {READY}",  # noqa: S608
                    (run_id,),
                )
                if ready is None:
                    return False
                # Read under the lock: a dead chunk that comes back to life waits for it, and opens the run again.
                state = await _state_of(session, run_id)
                await session.execute(
                    "update feedback_run set status = %s, finished_at = utc_timestamp(6) where run_id = %s",
                    (outcome(state), run_id),
                )
                return True

        return await retried(close, self._uniform)

    async def claim_announcement(self, *, claim_seconds: float) -> RunState | None:
        async def claim() -> str | None:
            async with self._pool.transaction() as session:
                found = await session.first(
                    "select run_id from feedback_run where status <> 'open' and announced_revision < revision"
                    " and (announcer_until is null or announcer_until < utc_timestamp(6))"
                    " order by finished_at limit 1 for update skip locked"
                )
                if found is None:
                    return None
                await session.execute(
                    "update feedback_run set announcer_until = utc_timestamp(6) + interval %s microsecond"
                    " where run_id = %s",
                    (round(claim_seconds * 1e6), found["run_id"]),
                )
                return str(found["run_id"])

        run_id = await retried(claim, self._uniform)
        return None if run_id is None else await self.run_state(run_id)

    async def announced(self, run_id: str, *, revision: int) -> None:
        async with self._pool.session() as session:
            await session.execute(
                "update feedback_run set announced_revision = greatest(announced_revision, %s), announcer_until = null"
                " where run_id = %s",
                (revision, run_id),
            )

    async def dead_rows(self, run_id: str) -> list[tuple[int, str]]:
        async with self._pool.session() as session:
            dead = await session.fetch(
                "select chunk_no, `lines`, reason from feedback_chunk where run_id = %s and state = 'dead'", (run_id,)
            )
            failed = await session.fetch(
                "select chunk_no, line_no, reason from feedback_failed_row where run_id = %s", (run_id,)
            )
        rows = [(chunk["chunk_no"], line, chunk["reason"]) for chunk in dead for line in json.loads(chunk["lines"])]
        rows += [(row["chunk_no"], row["line_no"], row["reason"]) for row in failed]
        return [(line, reason) for _, line, reason in sorted(rows)]

    async def _open_run(self, run: NewRun) -> OpenedRun:
        async with self._pool.transaction() as session:
            created = await session.execute(
                "insert into feedback_run"
                " (run_id, bucket, object_key, task, rows_per_chunk, tokens_per_chunk,"
                " cuts, date_order, problem, quote)"
                " values (%s, %s, %s, %s, %s, %s, '[]', '', '', '') on duplicate key update run_id = run_id",
                (run.run_id, run.bucket, run.key, run.task, run.rows_per_chunk, run.tokens_per_chunk),
            )
            await session.first("select 1 from feedback_run where run_id = %s for update", (run.run_id,))
            if created:
                await _note_upload(session, run.run_id, run.sequencer)
            seen = await session.first(
                "select 1 from feedback_upload where run_id = %s and sequencer = %s", (run.run_id, run.sequencer)
            )
            later_upload = seen is None
            state = await _state_of(session, run.run_id)
            over = state.status != "open"
            worth_another_try = bool(state.chunks_dead or state.problem)
            if later_upload and over and worth_another_try:
                await _open_again(session, run)
                state, later_upload = await _state_of(session, run.run_id), False
            row = await session.first(
                "select rows_per_chunk, tokens_per_chunk, chunks_sent, cuts from feedback_run where run_id = %s",
                (run.run_id,),
            )
        assert row is not None  # its row is locked
        return OpenedRun(
            rows_per_chunk=row["rows_per_chunk"],
            ingested=state.total_chunks is not None,
            repeated=later_upload and over,
            state=state,
            tokens_per_chunk=row["tokens_per_chunk"],
            chunks_sent=row["chunks_sent"],
            cuts=json.loads(row["cuts"]),
        )


async def _note_upload(session: Session, run_id: str, sequencer: str) -> None:
    await session.execute(
        "insert into feedback_upload (run_id, sequencer) values (%s, %s) on duplicate key update run_id = run_id",
        (run_id, sequencer),
    )


async def _open_again(session: Session, run: NewRun) -> None:
    await session.execute("delete from feedback_chunk where run_id = %s and state = 'dead'", (run.run_id,))
    await session.execute(
        "update feedback_run set status = 'open', revision = revision + 1, problem = '', total_chunks = null,"
        " chunks_sent = 0, cuts = '[]', finished_at = null, announcer_until = null where run_id = %s",
        (run.run_id,),
    )
    await _note_upload(session, run.run_id, run.sequencer)


async def _state_of(session: Session, run_id: str) -> RunState:
    row = await session.first(STATE, {"run_id": run_id})
    assert row is not None  # its row is locked
    return _as_state(row)


def _as_state(row: dict[str, Any]) -> RunState:
    return RunState(
        run_id=row["run_id"],
        bucket=row["bucket"],
        key=row["object_key"],
        task=row["task"],
        status=row["status"],
        revision=row["revision"],
        started_at=_seconds(row["started_at"]) or 0.0,
        finished_at=_seconds(row["finished_at"]),
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
            for size, checked, agreed in sorted(json.loads(row["agreement"] or "[]"))
        ],
        repeats=row["uploads"] - 1,
        quote=row["quote"],
        waiting_until=_seconds(row["waiting_until"]),
    )


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.replace(tzinfo=UTC).timestamp()
