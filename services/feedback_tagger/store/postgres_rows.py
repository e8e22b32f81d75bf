"""Rows and chunks on PostgreSQL: one chunk is one transaction, whoever else works on it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from json.encoder import encode_basestring as _quoted
from typing import Any

import asyncpg

from services.feedback_tagger.domain.spent import Agreement
from services.feedback_tagger.domain.task_table import ColumnType, TaskTable
from services.feedback_tagger.domain.taxonomy import Category, Taxonomy, taxonomy_of
from services.feedback_tagger.store.columns import COLUMNS, chunk_entries, single_entries, storable
from services.feedback_tagger.store.errors import database_errors, retried
from services.feedback_tagger.store.port import ChunkResult, LabelledRow
from shared import tracing
from shared.backoff import Uniform

# Of customer_feedback; the rest is text.
_OWN_TYPES: Mapping[str, ColumnType] = {
    "create_date": "moment", "chunk_no": "integer", "line_no": "integer", "extra": "json",
}  # fmt: skip
# As rows travel: one JSON text, which is read there. JSON inside it is text.
_SENT_TYPES: Mapping[ColumnType, str] = {
    "text": "text", "integer": "bigint", "decimal": "numeric", "boolean": "boolean", "moment": "timestamptz",
    "json": "text",
}  # fmt: skip
_OWN_COLUMNS = tuple((name, _OWN_TYPES.get(name, "text")) for name in COLUMNS)


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
        with tracing.transaction("postgresql", "finish_chunk", writes=len(result.labelled)):
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
                return int(await self._pool.fetchval(_adding(table), _as_json(entries)))

        with tracing.transaction("postgresql", "add_singles", writes=len(entries)):
            return await retried(add, self._uniform)

    async def _finish_chunk(self, result: ChunkResult) -> bool:
        with database_errors():
            async with self._pool.acquire() as connection:
                if await _finish(connection, result):
                    return True
                async with connection.transaction():
                    return await _take_back(connection, result) and await _finish(connection, result)


async def _finish(connection: Any, result: ChunkResult) -> bool:
    """Whether the chunk was not there; then it is now, with its rows and counts. One statement: a round trip for each
    table costs a task more than all that it does with the rows."""
    spent = result.spent
    try:
        finished = await connection.fetchval(
            _finishing(result.table), result.run_id, result.chunk_no, result.row_count, _given(result),
            _as_json([{"line_no": row.line, "reason": storable(row.reason)} for row in result.failed]),
            _as_json([asdict(looked) for looked in result.agreement]),
            spent.calls, spent.throttles, spent.input_tokens, spent.output_tokens, spent.cache_read_tokens,
            spent.cache_write_tokens, spent.nano_usd, spent.unpriced_calls,
        )  # fmt: skip
    except asyncpg.UniqueViolationError as error:
        if error.table_name != "feedback_chunk":
            raise
        return False  # Another worker was faster; of our rows none is there.
    return bool(finished)


async def _take_back(connection: Any, result: ChunkResult) -> bool:
    """Whether the chunk was dead; then it is gone, and its run open again."""
    # The run is locked before the chunk, as the finaliser does: it must not close on a count that is about to change.
    await connection.execute("select from feedback_run where run_id = $1 for no key update", result.run_id)
    dead = await connection.fetchval(
        "delete from feedback_chunk where run_id = $1 and chunk_no = $2 and state = 'dead' returning true",
        result.run_id, result.chunk_no,
    )  # fmt: skip
    if dead:
        await connection.execute(
            "update feedback_run set status = 'open', revision = revision + 1, finished_at = null,"
            " announcer_until = null where run_id = $1 and status <> 'open'",
            result.run_id,
        )
    return bool(dead)


def _given(result: ChunkResult) -> str:
    counts_as = {each.row.identity: each for each in reversed(result.labelled)}
    entries = chunk_entries(result)
    for entry in entries:
        labelled = counts_as[entry["row_identity"]]
        entry["_counts_as"], entry["_known"] = labelled.counts_as, labelled.known
    return _as_json(entries)


def _as_json(entries: Sequence[Mapping[str, Any]]) -> str:
    """All rows as one value: of arrays, the driver looks at every element's type, which costs more than this. Written
    out, as in a chunk's message: an encoder that looks for nesting takes thrice as long."""
    return f"[{','.join([_as_object(entry) for entry in entries])}]"


def _as_object(entry: Mapping[str, Any]) -> str:
    # What is left out is null.
    parts = [f'"{name}":{_as_value(value)}' for name, value in entry.items() if value is not None]
    return f"{{{','.join(parts)}}}"


def _as_value(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f'"{value.isoformat()}"'
    return str(value)  # A whole number or a Decimal.


def _storing(table: TaskTable | None, place: str, condition: str) -> str:
    """The beginning of a statement that stores the rows in the JSON at ``place`` if ``condition`` holds: ``given`` are
    all records, ``first_record`` the identities of the rows that were new; the others are left as they are."""
    if table is None:
        name, key, columns, first = "customer_feedback", "row_identity", _OWN_COLUMNS, "true"
    else:
        name, key, columns, first = table.name, "row_identity, part", table.all_columns, "part = 1"
    names = ", ".join(column for column, _ in columns)
    sent = ", ".join(f"{column} {_SENT_TYPES[kind]}" for column, kind in columns)
    values = ", ".join(
        "coalesce(create_date, now())" if column == "create_date" else f"{column}::jsonb" if kind == "json" else column
        for column, kind in columns
    )
    # Made of names that this file or the table has checked.
    insert = f"insert into {name} ({names}) select {values} from given"  # noqa: S608
    return (
        f"given as materialized (select * from json_to_recordset({place}::json)"  # noqa: S608
        f" as row ({sent}, _counts_as text, _known boolean) where {condition}), "
        f"first_record as ({insert} where {first} on conflict ({key}) do nothing returning row_identity), "
        # A row whose first record is there is another transaction's: its answer and ours must not end up side by side.
        "other_records as ("
        + (
            "select"
            if table is None
            else f"{insert} where part <> 1 and row_identity in (table first_record) on conflict ({key}) do nothing"
        )
        + ")"
    )


@cache
def _adding(table: TaskTable | None) -> str:
    return f"with {_storing(table, '$1', 'true')} select count(*) from first_record"  # noqa: S608  # checked names


@cache
def _finishing(table: TaskTable | None) -> str:
    """Rows first, since the chunk is written with their counts: where another worker writes the chunk meanwhile, the
    statement fails and leaves none of them."""
    fresh = "exists (select from fresh)"
    first = "true" if table is None else "part = 1"
    return (
        "with fresh as materialized (select where not exists"  # noqa: S608  # checked names
        " (select from feedback_chunk where run_id = $1 and chunk_no = $2)), "
        f"{_storing(table, '$4', fresh)}, "
        "stored as materialized (select _counts_as, _known from given join first_record using (row_identity)"
        f" where {first}), "
        "labels as (insert into feedback_chunk_label (run_id, chunk_no, label, row_count)"
        " select $1, $2, _counts_as, count(*) from stored group by _counts_as), "
        "failed as (insert into feedback_failed_row (run_id, chunk_no, line_no, reason)"
        " select $1, $2, line_no, reason from json_to_recordset($5::json) as row (line_no integer, reason text)"
        f" where {fresh}), "
        "looked as (insert into feedback_agreement (run_id, chunk_no, rows_per_prompt, checked, agreed)"
        " select $1, $2, rows_per_prompt, sum(checked), sum(agreed) from json_to_recordset($6::json)"
        f" as row (rows_per_prompt integer, checked integer, agreed integer) where {fresh} group by rows_per_prompt) "
        "insert into feedback_chunk (run_id, chunk_no, state, row_count, stored, failed, duplicates, known, calls,"
        " throttles, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, nano_usd, unpriced_calls)"
        " select $1, $2, 'done', $3::integer, stored, failed, $3::integer - stored - failed, known,"
        " $7, $8, $9, $10, $11, $12, $13, $14"
        " from (select count(*) as stored, count(*) filter (where _known) as known from stored) as counts,"
        f" json_array_length($5::json) as failed where {fresh} returning true"
    )
