"""Rows and chunks on MySQL 8 and MariaDB: one chunk is one transaction, whoever else works on it."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from services.feedback_tagger.domain.spent import Agreement
from services.feedback_tagger.domain.task_table import TaskTable
from services.feedback_tagger.domain.taxonomy import Category, Taxonomy, taxonomy_of
from services.feedback_tagger.store.columns import COLUMNS, chunk_entries, counted, parted, single_entries, storable
from services.feedback_tagger.store.errors import Contended, retried
from services.feedback_tagger.store.mysql import MysqlPool, Session
from services.feedback_tagger.store.port import ChunkResult, LabelledRow
from shared import tracing
from shared.backoff import Uniform
from shared.errors import PermanentError

# A row without a date of its own gets the moment of its writing, as on PostgreSQL.
_PLACEHOLDERS = ", ".join("coalesce(%s, utc_timestamp(6))" if column == "create_date" else "%s" for column in COLUMNS)
_INSERT = f"insert into customer_feedback ({', '.join(COLUMNS)}) values "  # noqa: S608  # made of the names above
# Unlike "insert ignore", which would also cut what is too long. A row that is there already does not count as changed.
_KEEP = " on duplicate key update id = id"

_NEW_CHUNK = (
    "insert into feedback_chunk (run_id, chunk_no, state, reason, `lines`, row_count)"
    " select run_id, %(chunk_no)s, %(state)s, %(reason)s, %(lines)s, %(row_count)s from feedback_run"
    " where run_id = %(run_id)s on duplicate key update chunk_no = feedback_chunk.chunk_no"
)


class MysqlRows:
    """The RowStore port."""

    def __init__(self, pool: MysqlPool, *, uniform: Uniform = random.uniform) -> None:
        self._pool = pool
        self._uniform = uniform

    async def taxonomy(self) -> Taxonomy:
        async with self._pool.session() as session:
            rows = await session.fetch(
                "select id, category_name from customer_feedback_category"
                " where not coalesce(deleted, false) and trim(coalesce(category_name, '')) <> ''"
            )
        return taxonomy_of([Category(row["id"], row["category_name"]) for row in rows])

    async def chunk_is_done(self, run_id: str, chunk_no: int) -> bool:
        async with self._pool.session() as session:
            done = await session.first(
                "select 1 from feedback_chunk where run_id = %s and chunk_no = %s and state = 'done'",
                (run_id, chunk_no),
            )
        return done is not None

    async def known(self, identities: Sequence[str], *, table: TaskTable | None = None) -> set[str]:
        async with self._pool.session() as session:
            return await _known(session, identities, table)

    async def finish_chunk(self, result: ChunkResult) -> bool:
        with tracing.transaction("mysql", "finish_chunk", writes=len(result.labelled)):
            return await retried(lambda: self._finish_chunk(result), self._uniform)

    async def bury_chunk(self, run_id: str, chunk_no: int, *, lines: Sequence[int], reason: str) -> None:
        chunk = {
            "run_id": run_id,
            "chunk_no": chunk_no,
            "state": "dead",
            "reason": storable(reason),
            "lines": json.dumps(list(lines)),
            "row_count": len(lines),
        }
        async with self._pool.session() as session:
            if not await session.execute(_NEW_CHUNK, chunk):
                await _require_run(session, run_id)

    async def agreement(self, run_id: str) -> list[Agreement]:
        async with self._pool.session() as session:
            rows = await session.fetch(
                "select rows_per_prompt, cast(sum(checked) as signed) as checked, cast(sum(agreed) as signed) as agreed"
                " from feedback_agreement where run_id = %s group by rows_per_prompt order by rows_per_prompt",
                (run_id,),
            )
        return [Agreement(**row) for row in rows]

    async def add_singles(
        self, singles: Sequence[LabelledRow], *, execution_ids: Sequence[str], table: TaskTable | None = None
    ) -> int:
        entries = single_entries(singles, execution_ids, table)

        async def add() -> int:
            async with self._pool.transaction() as session:
                if table is not None:
                    return len(await _insert_records(session, entries, table))
                return await _insert(session, entries)

        return await retried(add, self._uniform) if entries else 0

    async def _finish_chunk(self, result: ChunkResult) -> bool:
        async with self._pool.transaction() as session:
            # The chunk comes first: a second worker on it waits here and finds it done.
            if not await _take_chunk(session, result):
                return False
            entries = chunk_entries(result)
            if result.table is not None:
                stored = await _insert_records(session, entries, result.table)
            elif await _insert(session, entries) == len(entries):
                stored = {entry["row_identity"] for entry in entries}
            else:
                stored = await _stored_here(session, result)
            await _keep_counts(session, result, stored)
        return True


async def _take_chunk(session: Session, result: ChunkResult) -> bool:
    """Whether the chunk is this transaction's to finish; a dead one is taken back and its run opened again."""
    place = (result.run_id, result.chunk_no)
    chunk = {
        "run_id": result.run_id,
        "chunk_no": result.chunk_no,
        "state": "done",
        "reason": "",
        "lines": "[]",
        "row_count": result.row_count,
    }
    if await session.execute(_NEW_CHUNK, chunk):
        return True
    # The run is locked before the chunk changes, as the finaliser does: it must not close on a count about to change.
    await _require_run(session, result.run_id, lock=True)
    revived = await session.execute(
        "update feedback_chunk set state = 'done', reason = '', `lines` = '[]', row_count = %s"
        " where run_id = %s and chunk_no = %s and state = 'dead'",
        (result.row_count, *place),
    )
    if revived:
        await session.execute(
            "update feedback_run set status = 'open', revision = revision + 1, finished_at = null,"
            " announcer_until = null where run_id = %s and status <> 'open'",
            (result.run_id,),
        )
    return bool(revived)


async def _require_run(session: Session, run_id: str, *, lock: bool = False) -> None:
    known = "select 1 from feedback_run where run_id = %s"
    if await session.first(f"{known} for update" if lock else known, (run_id,)) is None:
        raise PermanentError(f"the database knows no run {run_id}")


async def _insert(session: Session, entries: Sequence[dict[str, Any]]) -> int:
    """How many of the rows were new; the others are left as they are."""
    if not entries:
        return 0
    values = [_parameter(entry[column]) if column == "create_date" else entry[column]
              for entry in entries for column in COLUMNS]  # fmt: skip
    return await session.execute(_INSERT + ", ".join([f"({_PLACEHOLDERS})"] * len(entries)) + _KEEP, values)


async def _insert_records(session: Session, entries: Sequence[dict[str, Any]], table: TaskTable) -> set[str]:
    """The identities of the rows that were new; the others are left as they are, and none of their records added."""
    there = await _known(session, [entry["row_identity"] for entry in entries], table)
    first, others = parted([entry for entry in entries if entry["row_identity"] not in there])
    if not first:
        return set()
    if await _insert_into(session, table, first) < len(first):
        # Another transaction stored one of the rows since. Which one, the server does not say: looked up anew, it
        # shows, and the two answers do not end up side by side.
        raise Contended("another task stored a row at the same moment")
    if others:
        await _insert_into(session, table, others)
    return {entry["row_identity"] for entry in first}


async def _insert_into(session: Session, table: TaskTable, entries: Sequence[dict[str, Any]]) -> int:
    names = [name for name, _ in table.all_columns]
    place = f"({', '.join('coalesce(%s, utc_timestamp(6))' if name == 'create_date' else '%s' for name in names)})"
    return await session.execute(
        # Names that the table has checked, and placeholders.
        f"insert into {table.name} ({', '.join(names)}) values {', '.join([place] * len(entries))}"  # noqa: S608
        " on duplicate key update part = part",
        [_parameter(entry[name]) for entry in entries for name in names],
    )


async def _known(session: Session, identities: Sequence[str], table: TaskTable | None) -> set[str]:
    if not identities:
        return set()
    place = "customer_feedback where true" if table is None else f"{table.name} where part = 1"
    rows = await session.fetch(
        # A checked name, and placeholders.
        f"select row_identity from {place} and row_identity in ({_list(identities)})",  # noqa: S608
        list(identities),
    )
    return {row["row_identity"] for row in rows}


def _parameter(value: Any) -> Any:
    # A datetime column has no zone: it is UTC by our own rule.
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


async def _stored_here(session: Session, result: ChunkResult) -> set[str]:
    """Which rows this transaction stored: nobody else writes rows under this chunk."""
    rows = await session.fetch(
        # Placeholders alone are put in.
        "select row_identity from customer_feedback where run_id = %s and chunk_no = %s"  # noqa: S608
        f" and row_identity in ({_list(result.labelled)})",
        (result.run_id, result.chunk_no, *(labelled.row.identity for labelled in result.labelled)),
    )
    return {row["row_identity"] for row in rows}


async def _keep_counts(session: Session, result: ChunkResult, identities: set[str]) -> None:
    stored, spent = len(identities), result.spent
    by_label, known = counted(result.labelled, identities)
    await session.execute(
        "update feedback_chunk set stored = %s, duplicates = %s, failed = %s, calls = %s, throttles = %s,"
        " input_tokens = %s, output_tokens = %s, cache_read_tokens = %s, cache_write_tokens = %s, nano_usd = %s,"
        " unpriced_calls = %s, known = %s, ended_at = utc_timestamp(6) where run_id = %s and chunk_no = %s",
        (
            stored, result.row_count - stored - len(result.failed), len(result.failed), spent.calls, spent.throttles,
            spent.input_tokens, spent.output_tokens, spent.cache_read_tokens, spent.cache_write_tokens, spent.nano_usd,
            spent.unpriced_calls, known, result.run_id, result.chunk_no,
        ),
    )  # fmt: skip
    place = (result.run_id, result.chunk_no)
    await _insert_all(
        session,
        "insert into feedback_chunk_label (run_id, chunk_no, label, row_count) values ",
        [(*place, label, count) for label, count in by_label.items()],
    )
    await _insert_all(
        session,
        "insert into feedback_failed_row (run_id, chunk_no, line_no, reason) values ",
        [(*place, row.line, storable(row.reason)) for row in result.failed],
    )
    looks: dict[int, Counter[str]] = {}
    for looked in result.agreement:
        looks.setdefault(looked.rows_per_prompt, Counter()).update(checked=looked.checked, agreed=looked.agreed)
    await _insert_all(
        session,
        "insert into feedback_agreement (run_id, chunk_no, rows_per_prompt, checked, agreed) values ",
        [(*place, size, look["checked"], look["agreed"]) for size, look in looks.items()],
    )


async def _insert_all(session: Session, insert: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        places = ", ".join([f"({_list(rows[0])})"] * len(rows))
        await session.execute(insert + places, [value for row in rows for value in row])


def _list(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))
