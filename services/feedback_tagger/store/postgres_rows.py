"""Rows and chunks on PostgreSQL: a chunk and all that it comes to are in one transaction, whoever else works on it."""

import random
from collections.abc import Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from services.feedback_tagger.domain.spent import Agreement
from services.feedback_tagger.domain.task_table import TaskTable
from services.feedback_tagger.domain.taxonomy import Category, Taxonomy, taxonomy_of
from services.feedback_tagger.store.columns import single_entries, storable
from services.feedback_tagger.store.errors import Contended, database_errors, retried
from services.feedback_tagger.store.gathered import Gathered
from services.feedback_tagger.store.port import ChunkResult, LabelledRow
from services.feedback_tagger.store.postgres_chunks import adding, as_text, finish, take_back
from shared import tracing
from shared.backoff import Uniform
from shared.errors import TransientError
from shared.logs import logger

log = logger("store")

CALLS_TOGETHER = 20
"""Chunks in one transaction at most: what a deadlock, or one of them that is refused, has the others do again."""


class _Together:
    """What chunks of one table do together. A table that is not there yet is no trouble of another's chunks."""

    def __init__(self, pool: Any, table: TaskTable | None, context: Context) -> None:
        self.lookups: Gathered[Sequence[str], set[str]] = Gathered(
            carry_out=partial(_look_up, pool, table), most=CALLS_TOGETHER, context=context
        )
        self.endings: Gathered[ChunkResult, bool] = Gathered(
            carry_out=partial(_finish_together, pool), most=CALLS_TOGETHER, context=context
        )


class PostgresRows:
    """The RowStore port on an asyncpg pool."""

    def __init__(self, pool: Any, *, uniform: Uniform = random.uniform) -> None:
        self._pool = pool
        self._uniform = uniform
        self._context = copy_context()
        self._tables: dict[TaskTable | None, _Together] = {}

    async def taxonomy(self) -> Taxonomy:
        with database_errors():
            rows = await self._pool.fetch(
                "select id, category_name from customer_feedback_category"
                " where not coalesce(deleted, false) and btrim(coalesce(category_name, '')) <> ''"
            )
        return taxonomy_of([Category(row["id"], row["category_name"]) for row in rows])

    async def chunk_is_done(self, run_id: str, chunk_no: int) -> bool:
        with database_errors():
            done = await self._pool.fetchval(
                "select true from feedback_chunk where run_id = $1 and chunk_no = $2 and state = 'done'",
                run_id, chunk_no,
            )  # fmt: skip
        return bool(done)

    async def known(self, identities: Sequence[str], *, table: TaskTable | None = None) -> set[str]:
        return await self._of(table).lookups(identities) if identities else set()

    async def finish_chunk(self, result: ChunkResult) -> bool:
        with tracing.transaction("postgresql", "finish_chunk", writes=len(result.labelled)):
            # What goes wrong together is found out alone: a chunk costs the others of its moment a second try at most.
            return await self._of(result.table).endings(result) or await retried(
                lambda: self._finish_alone(result), self._uniform
            )

    async def bury_chunk(self, run_id: str, chunk_no: int, *, lines: Sequence[int], reason: str) -> None:
        with database_errors():
            await self._pool.execute(
                "insert into feedback_chunk (run_id, chunk_no, state, reason, lines, row_count)"
                " values ($1, $2, 'dead', $3, $4, $5) on conflict (run_id, chunk_no) do nothing",
                run_id, chunk_no, storable(reason), list(lines), len(lines),
            )  # fmt: skip

    async def agreement(self, run_id: str) -> list[Agreement]:
        with database_errors():
            rows = await self._pool.fetch(
                "select rows_per_prompt, sum(checked)::bigint as checked, sum(agreed)::bigint as agreed"
                " from feedback_agreement where run_id = $1 group by rows_per_prompt order by rows_per_prompt",
                run_id,
            )
        return [Agreement(**row) for row in rows]

    async def add_singles(
        self, singles: Sequence[LabelledRow], *, execution_ids: Sequence[str], table: TaskTable | None = None
    ) -> int:
        entries = single_entries(singles, execution_ids, table)

        async def add() -> int:
            with database_errors():
                return int(await self._pool.fetchval(adding(table), as_text(entries)))

        with tracing.transaction("postgresql", "add_singles", writes=len(entries)):
            return await retried(add, self._uniform)

    def _of(self, table: TaskTable | None) -> _Together:
        if table not in self._tables:
            self._tables[table] = _Together(self._pool, table, self._context)
        return self._tables[table]

    async def _finish_alone(self, result: ChunkResult) -> bool:
        with database_errors():
            async with self._pool.acquire() as connection:
                if await finish(connection, [result]):
                    return True
                async with connection.transaction():
                    return await take_back(connection, result) and bool(await finish(connection, [result]))


async def _look_up(pool: Any, table: TaskTable | None, asked: Sequence[Sequence[str]]) -> list[set[str]]:
    place = "customer_feedback where true" if table is None else f"{table.name} where part = 1"
    with database_errors():
        rows = await pool.fetch(
            f"select row_identity from {place} and row_identity = any($1::text[])",  # noqa: S608  # a checked name
            [identity for identities in asked for identity in identities],
        )
    there = {row["row_identity"] for row in rows}
    return [there.intersection(identities) for identities in asked]


async def _finish_together(pool: Any, results: Sequence[ChunkResult]) -> list[bool]:
    """Which of them are done now; of those that are not, nothing has happened."""
    try:
        with database_errors():
            async with pool.acquire() as connection:
                done = await finish(connection, results)
    except Exception as error:
        if isinstance(error, TransientError) and not isinstance(error, Contended):
            raise  # The database is away, for each of them.
        log.info("chunks_parted", chunks=len(results), error_class=type(error).__name__)
        return [False] * len(results)
    return [(result.run_id, result.chunk_no) in done for result in results]
