"""The statement by which PostgreSQL stores chunks: rows, counts and spend of several in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias

import asyncpg
import orjson

from services.feedback_tagger.domain.spent import Spent
from services.feedback_tagger.domain.task_table import ColumnType, TaskTable
from services.feedback_tagger.store.columns import COLUMNS, chunk_entries, storable
from services.feedback_tagger.store.port import ChunkResult

Place: TypeAlias = tuple[str, int]
"""A chunk's run and number."""

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
_SPENT = tuple(each.name for each in fields(Spent))


async def finish(connection: Any, results: Sequence[ChunkResult]) -> set[Place]:
    """Which of the chunks, all of one task's table, were not there; now they are, with their rows and counts.

    One statement: a round trip for each table costs a task more than all that it does with the rows.
    """
    rows = [entry for result in results for entry in _rows(result)]
    failed = [{**_place(result), "line_no": row.line, "reason": storable(row.reason)}
              for result in results for row in result.failed]  # fmt: skip
    looked = [{**_place(result), **asdict(look)} for result in results for look in result.agreement]
    chunks = [{**_place(result), "row_count": result.row_count, "failed": len(result.failed), **asdict(result.spent)}
              for result in results]  # fmt: skip
    try:
        finished = await connection.fetch(
            _finishing(results[0].table), as_text(chunks), as_text(rows), as_text(failed), as_text(looked)
        )
    except asyncpg.UniqueViolationError as error:
        if error.table_name != "feedback_chunk":
            raise
        return set()  # Another worker was faster with one of them; of our rows none is there.
    return {(chunk["run_id"], chunk["chunk_no"]) for chunk in finished}


async def take_back(connection: Any, result: ChunkResult) -> bool:
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


def as_text(entries: Sequence[Mapping[str, Any]]) -> str:
    """All rows as one value: of arrays, the driver looks at every element's type, which costs more than this."""
    return orjson.dumps(entries, default=_as_number).decode()


def _as_number(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)  # Read as the column's type, which keeps every digit.
    raise TypeError(type(value).__name__)


def _place(result: ChunkResult) -> dict[str, Any]:
    return {"run_id": result.run_id, "chunk_no": result.chunk_no}


def _rows(result: ChunkResult) -> list[dict[str, Any]]:
    counts_as = {each.row.identity: each for each in reversed(result.labelled)}
    entries = chunk_entries(result)
    for entry in entries:
        labelled = counts_as[entry["row_identity"]]
        entry["_counts_as"], entry["_known"] = labelled.counts_as, labelled.known
    return entries


def _same_row(other: str) -> str:
    """As in ``given``; a row of no run has neither of the two."""
    return (
        f"{other}.row_identity = given.row_identity and {other}.run_id is not distinct from given.run_id"
        f" and {other}.chunk_no is not distinct from given.chunk_no"
    )


def _storing(table: TaskTable | None, place: str, condition: str) -> str:
    """The beginning of a statement that stores the rows in the JSON at ``place`` for which ``condition`` holds.

    ``given`` are all records, ``first_record`` those rows that were new, by chunk; the others are left as they are.
    """
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
        # In the order of identities: two transactions with rows in common wait for each other instead of deadlocking.
        f' as row ({sent}, _counts_as text, _known boolean) where {condition} order by row_identity collate "C"), '
        f"first_record as ({insert} where {first} on conflict ({key}) do nothing"
        " returning row_identity, run_id, chunk_no), "
        # A row whose first record is there is another transaction's: its answer and ours must not end up side by side.
        "other_records as ("
        + (
            "select"
            if table is None
            else f"{insert} where part <> 1 and exists (select from first_record as first where {_same_row('first')})"
            f" on conflict ({key}) do nothing"
        )
        + ")"
    )


@cache
def adding(table: TaskTable | None) -> str:
    return f"with {_storing(table, '$1', 'true')} select count(*) from first_record"  # noqa: S608  # checked names


@cache
def _finishing(table: TaskTable | None) -> str:
    """Rows first, since chunks are written with their counts: where another worker writes one of them meanwhile, the
    statement fails and leaves none of them."""
    mine = "(run_id, chunk_no) in (select run_id, chunk_no from fresh)"
    first = "true" if table is None else "part = 1"
    spent = ", ".join(_SPENT)
    return (
        "with fresh as materialized (select * from json_to_recordset($1::json)"  # noqa: S608  # checked names
        " as chunk (run_id text, chunk_no integer, row_count integer, failed integer,"
        f" {' bigint, '.join(_SPENT)} bigint)"
        " where not exists (select from feedback_chunk as there"
        " where there.run_id = chunk.run_id and there.chunk_no = chunk.chunk_no)), "
        f"{_storing(table, '$2', mine)}, "
        "stored as materialized (select given.run_id, given.chunk_no, _counts_as, _known"
        f" from given join first_record as first on {_same_row('first')} where {first}), "
        "labels as (insert into feedback_chunk_label (run_id, chunk_no, label, row_count)"
        " select run_id, chunk_no, _counts_as, count(*) from stored group by run_id, chunk_no, _counts_as), "
        "refused as (insert into feedback_failed_row (run_id, chunk_no, line_no, reason)"
        " select run_id, chunk_no, line_no, reason from json_to_recordset($3::json)"
        f" as row (run_id text, chunk_no integer, line_no integer, reason text) where {mine}), "
        "looked as (insert into feedback_agreement (run_id, chunk_no, rows_per_prompt, checked, agreed)"
        " select run_id, chunk_no, rows_per_prompt, sum(checked), sum(agreed) from json_to_recordset($4::json)"
        " as row (run_id text, chunk_no integer, rows_per_prompt integer, checked integer, agreed integer)"
        f" where {mine} group by run_id, chunk_no, rows_per_prompt) "
        f"insert into feedback_chunk (run_id, chunk_no, state, row_count, stored, failed, duplicates, known, {spent})"
        " select run_id, chunk_no, 'done', row_count, coalesce(stored, 0), failed,"
        f" row_count - coalesce(stored, 0) - failed, coalesce(known, 0), {spent}"
        " from fresh left join (select run_id, chunk_no, count(*) as stored, count(*) filter (where _known) as known"
        " from stored group by run_id, chunk_no) as counts using (run_id, chunk_no) order by run_id, chunk_no"
        " returning run_id, chunk_no"
    )
