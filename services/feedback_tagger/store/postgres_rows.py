"""Rows and chunks on PostgreSQL: one chunk is one transaction, whoever else works on it."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from services.feedback_tagger.domain.spent import Agreement
from services.feedback_tagger.domain.task_table import ColumnType, TaskTable
from services.feedback_tagger.domain.taxonomy import Category, Taxonomy, taxonomy_of
from services.feedback_tagger.store.columns import COLUMNS, chunk_entries, counted, parted, single_entries, storable
from services.feedback_tagger.store.errors import database_errors, retried
from services.feedback_tagger.store.port import ChunkResult, LabelledRow
from shared.backoff import Uniform

_TYPES = {"create_date": "timestamptz", "chunk_no": "integer", "line_no": "integer"}
_VALUES = ", ".join(
    {"create_date": "coalesce(create_date, now())", "extra": "extra::jsonb"}.get(name, name) for name in COLUMNS
)
_ARRAYS = ", ".join(f"${place}::{_TYPES.get(name, 'text')}[]" for place, name in enumerate(COLUMNS, start=1))
_NAMES = ", ".join(COLUMNS)
INSERT_ROWS = (
    # Made of the names above alone.
    f"insert into customer_feedback ({_NAMES}) select {_VALUES} from unnest({_ARRAYS}) as new ({_NAMES})"  # noqa: S608
    " on conflict (row_identity) do nothing returning row_identity"
)
# JSON travels as text and is read there.
_ARRAY_TYPES: Mapping[ColumnType, str] = {
    "text": "text", "integer": "bigint", "decimal": "numeric", "boolean": "boolean", "moment": "timestamptz",
    "json": "text",
}  # fmt: skip


class PostgresRows:
    """The RowStore port on an asyncpg pool."""

    def __init__(self, pool: Any, *, uniform: Uniform = random.uniform) -> None:
        self._pool = pool
        self._uniform = uniform

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
        place = "customer_feedback where true" if table is None else f"{table.name} where part = 1"
        with database_errors():
            rows = await self._pool.fetch(
                f"select row_identity from {place} and row_identity = any($1::text[])",  # noqa: S608  # a checked name
                list(identities),
            )
        return {row["row_identity"] for row in rows}

    async def finish_chunk(self, result: ChunkResult) -> bool:
        return await retried(lambda: self._finish_chunk(result), self._uniform)

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
                async with self._pool.acquire() as connection, connection.transaction():
                    return len(await _insert(connection, entries, table))

        return await retried(add, self._uniform)

    async def _finish_chunk(self, result: ChunkResult) -> bool:
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                # The chunk comes first: a second worker on it waits here and finds it done.
                if not await _take_chunk(connection, result):
                    return False
                stored = await _insert(connection, chunk_entries(result), result.table)
                await _keep_counts(connection, result, stored)
        return True


async def _take_chunk(connection: Any, result: ChunkResult) -> bool:
    """Whether the chunk is this transaction's to finish; a dead one is taken back and its run opened again."""
    inserted = await connection.fetchval(
        "insert into feedback_chunk (run_id, chunk_no, state, row_count) values ($1, $2, 'done', $3)"
        " on conflict (run_id, chunk_no) do nothing returning true",
        result.run_id, result.chunk_no, result.row_count,
    )  # fmt: skip
    if inserted:
        return True
    # The run is locked before the chunk, as the finaliser does: it must not close on a count that is about to change.
    await connection.execute("select from feedback_run where run_id = $1 for no key update", result.run_id)
    revived = await connection.fetchval(
        "update feedback_chunk set state = 'done', reason = '', lines = '{}', row_count = $3"
        " where run_id = $1 and chunk_no = $2 and state = 'dead' returning true",
        result.run_id, result.chunk_no, result.row_count,
    )  # fmt: skip
    if revived:
        await connection.execute(
            "update feedback_run set status = 'open', revision = revision + 1, finished_at = null,"
            " announcer_until = null where run_id = $1 and status <> 'open'",
            result.run_id,
        )
    return bool(revived)


async def _insert(connection: Any, entries: Sequence[dict[str, Any]], table: TaskTable | None) -> set[str]:
    """The identities of the rows that were new; the others are left as they are."""
    if table is None:
        inserted = await connection.fetch(INSERT_ROWS, *([entry[column] for entry in entries] for column in COLUMNS))
        return {row["row_identity"] for row in inserted}
    first, others = parted(entries)
    names = [name for name, _ in table.all_columns]
    statement = _insert_into(table)

    async def insert(some: Sequence[dict[str, Any]]) -> set[str]:
        stored = await connection.fetch(statement, *([entry[name] for entry in some] for name in names))
        return {row["row_identity"] for row in stored}

    # A row whose first record is there is another transaction's: its answer and ours must not end up side by side.
    new = await insert(first)
    if following := [entry for entry in others if entry["row_identity"] in new]:
        await insert(following)
    return new


def _insert_into(table: TaskTable) -> str:
    names = ", ".join(name for name, _ in table.all_columns)
    arrays = ", ".join(
        f"${place}::{_ARRAY_TYPES[kind]}[]" for place, (_, kind) in enumerate(table.all_columns, start=1)
    )
    values = ", ".join(
        "coalesce(create_date, now())" if name == "create_date" else f"{name}::jsonb" if kind == "json" else name
        for name, kind in table.all_columns
    )
    # Made of names that the table has checked.
    return (
        f"insert into {table.name} ({names}) select {values} from unnest({arrays}) as new ({names})"  # noqa: S608
        " on conflict (row_identity, part) do nothing returning row_identity"
    )


async def _keep_counts(connection: Any, result: ChunkResult, identities: set[str]) -> None:
    spent, stored = result.spent, len(identities)
    by_label, known = counted(result.labelled, identities)
    await connection.execute(
        "update feedback_chunk set stored = $3, duplicates = $4, failed = $5, calls = $6, throttles = $7,"
        " input_tokens = $8, output_tokens = $9, cache_read_tokens = $10, cache_write_tokens = $11, nano_usd = $12,"
        " unpriced_calls = $13, known = $14, ended_at = now() where run_id = $1 and chunk_no = $2",
        result.run_id, result.chunk_no, stored, result.row_count - stored - len(result.failed), len(result.failed),
        spent.calls, spent.throttles, spent.input_tokens, spent.output_tokens, spent.cache_read_tokens,
        spent.cache_write_tokens, spent.nano_usd, spent.unpriced_calls, known,
    )  # fmt: skip
    place = (result.run_id, result.chunk_no)
    if by_label:
        await connection.execute(
            "insert into feedback_chunk_label (run_id, chunk_no, label, row_count)"
            " select $1, $2, label, row_count from unnest($3::text[], $4::integer[]) as new (label, row_count)",
            *place, list(by_label), list(by_label.values()),
        )  # fmt: skip
    if result.failed:
        await connection.execute(
            "insert into feedback_failed_row (run_id, chunk_no, line_no, reason)"
            " select $1, $2, line_no, reason from unnest($3::integer[], $4::text[]) as new (line_no, reason)",
            *place, [row.line for row in result.failed], [storable(row.reason) for row in result.failed],
        )  # fmt: skip
    for looked in result.agreement:
        await connection.execute(
            "insert into feedback_agreement (run_id, chunk_no, rows_per_prompt, checked, agreed)"
            " values ($1, $2, $3, $4, $5) on conflict (run_id, chunk_no, rows_per_prompt) do update"
            " set checked = feedback_agreement.checked + excluded.checked,"
            " agreed = feedback_agreement.agreed + excluded.agreed",
            *place, looked.rows_per_prompt, looked.checked, looked.agreed,
        )  # fmt: skip
