"""Rows and chunks on PostgreSQL: one chunk is one transaction, whoever else works on it."""

import json
from collections.abc import Sequence
from typing import Any

from services.feedback_tagger.domain.spent import Agreement
from services.feedback_tagger.domain.taxonomy import Category, Taxonomy, taxonomy_of
from services.feedback_tagger.store.errors import database_errors
from services.feedback_tagger.store.port import ChunkResult, LabelledRow

_COLUMNS = {
    "product_name": "text",
    "store": "text",
    "ref_id": "text",
    "stars": "text",
    "title": "text",
    "feedback": "text",
    "label_llm": "text",
    "create_date": "timestamptz",
    "execution_id": "text",
    "run_id": "text",
    "line_no": "integer",
    "row_identity": "text",
    "extra": "text",
}
_VALUES = ", ".join(
    {"create_date": "coalesce(create_date, now())", "extra": "extra::jsonb"}.get(c, c) for c in _COLUMNS
)
_ARRAYS = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(_COLUMNS.values(), start=1))
_NAMES = ", ".join(_COLUMNS)
INSERT_ROWS = (
    # Made of the names above alone.
    f"insert into customer_feedback ({_NAMES}) select {_VALUES} from unnest({_ARRAYS}) as new ({_NAMES})"  # noqa: S608
    " on conflict (row_identity) do nothing returning 1"
)


class PostgresRows:
    """The RowStore port on an asyncpg pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

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

    async def known(self, identities: Sequence[str]) -> set[str]:
        with database_errors():
            rows = await self._pool.fetch(
                "select row_identity from customer_feedback where row_identity = any($1::text[])", list(identities)
            )
        return {row["row_identity"] for row in rows}

    async def finish_chunk(self, result: ChunkResult) -> bool:
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                # The chunk comes first: a second worker on it waits here and finds it done.
                if not await _take_chunk(connection, result):
                    return False
                stored = await _insert(
                    connection, result.labelled, [result.run_id] * len(result.labelled), run_id=result.run_id
                )
                await connection.execute(
                    "update feedback_chunk set stored = $3, duplicates = $4, calls = $5, input_tokens = $6,"
                    " output_tokens = $7, ended_at = now() where run_id = $1 and chunk_no = $2",
                    result.run_id, result.chunk_no, stored, result.row_count - stored, result.spent.calls,
                    result.spent.input_tokens, result.spent.output_tokens,
                )  # fmt: skip
        return True

    async def bury_chunk(self, run_id: str, chunk_no: int, *, lines: Sequence[int], reason: str) -> None:
        with database_errors():
            await self._pool.execute(
                "insert into feedback_chunk (run_id, chunk_no, state, reason, lines, row_count)"
                " values ($1, $2, 'dead', $3, $4, $5) on conflict (run_id, chunk_no) do nothing",
                run_id, chunk_no, reason.replace("\x00", ""), list(lines), len(lines),
            )  # fmt: skip

    async def agreement(self, run_id: str) -> list[Agreement]:  # noqa: ARG002  # nothing is sampled yet
        return []

    async def add_singles(self, singles: Sequence[LabelledRow], *, execution_ids: Sequence[str]) -> int:
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                return await _insert(connection, singles, execution_ids, run_id=None)


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


async def _insert(
    connection: Any, rows: Sequence[LabelledRow], execution_ids: Sequence[str], *, run_id: str | None
) -> int:
    # In the order of identities: two transactions with rows in common wait for each other instead of deadlocking.
    entries = sorted(
        (_values(labelled, execution_id, run_id) for labelled, execution_id in zip(rows, execution_ids, strict=True)),
        key=lambda values: str(values["row_identity"]),
    )
    inserted = await connection.fetch(INSERT_ROWS, *([entry[column] for entry in entries] for column in _COLUMNS))
    return len(inserted)


def _values(labelled: LabelledRow, execution_id: str, run_id: str | None) -> dict[str, Any]:
    row, feedback = labelled.row, labelled.row.feedback
    return {
        "product_name": feedback.product_name,
        "store": feedback.store,
        "ref_id": feedback.ref_id,
        "stars": feedback.stars,
        "title": feedback.title,
        "feedback": feedback.feedback,
        "label_llm": labelled.label,
        "create_date": feedback.create_date,
        "execution_id": execution_id,
        "run_id": run_id,
        "line_no": row.line or None,
        "row_identity": row.identity,
        "extra": json.dumps(dict(feedback.extra)) if feedback.extra else None,
    }
