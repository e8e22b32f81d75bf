"""Batch jobs on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from services.feedback_tagger.store.batches import NewPart, Part, Progress
from services.feedback_tagger.store.columns import storable
from services.feedback_tagger.store.errors import database_errors

_NAMES = ", ".join(each.name for each in fields(NewPart))
_PLACES = ", ".join(f"${place}" for place, _ in enumerate(fields(NewPart), start=1))
_AGE = "extract(epoch from now() - coalesce(submitted_at, created_at))::float8 as age_seconds"

# Made of the names above alone.
ADD = f"insert into feedback_batch_job ({_NAMES}) values ({_PLACES}) on conflict do nothing returning true"  # noqa: S608
PARTS = f"select *, {_AGE} from feedback_batch_job where run_id = $1 order by part"  # noqa: S608
TAKE_DUE = f"""
    update feedback_batch_job set next_look_at = now() + make_interval(secs => $1)
    where (run_id, part) = (
        select run_id, part from feedback_batch_job where state <> 'ended' and next_look_at <= now()
        order by next_look_at limit 1 for no key update skip locked
    ) returning *, {_AGE}
"""  # noqa: S608


class PostgresBatches:
    """The BatchStore port on an asyncpg pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def add(self, part: NewPart) -> bool:
        with database_errors():
            return bool(await self._pool.fetchval(ADD, *(getattr(part, each.name) for each in fields(NewPart))))

    async def parts(self, run_id: str) -> Sequence[Part]:
        with database_errors():
            return [as_part(row) for row in await self._pool.fetch(PARTS, run_id)]

    async def take_due(self, *, hold_seconds: float) -> Part | None:
        with database_errors():
            row = await self._pool.fetchrow(TAKE_DUE, hold_seconds)
        return None if row is None else as_part(row)

    async def note(self, run_id: str, part: int, progress: Progress, *, look_in: float) -> bool:
        with database_errors():
            noted = await self._pool.fetchval(
                "update feedback_batch_job set"
                " state = case when $3 = 'written' then state else $3 end,"
                " job_arn = case when $4 = '' then job_arn else $4 end,"
                " status = $5, reason = $6, processed = $7, succeeded = $8, failed = $9,"
                " merged = greatest(merged, $10), asked_again = greatest(asked_again, $11),"
                " spent_day = case when $13 = '' then spent_day else $13 end,"
                " submitted_at = case when $3 = 'submitted' then coalesce(submitted_at, now()) else submitted_at end,"
                " ended_at = case when $3 = 'ended' then now() end,"
                " next_look_at = now() + make_interval(secs => $12)"
                " where run_id = $1 and part = $2 and state <> 'ended' returning true",
                run_id, part, progress.state, progress.job_arn, progress.status, storable(progress.reason),
                progress.processed, progress.succeeded, progress.failed, progress.merged, progress.asked_again, look_in,
                progress.spent_day,
            )  # fmt: skip
        return bool(noted)


def as_part(row: Any) -> Part:
    """A row of the table with its ``age_seconds``, of either engine."""
    return Part(
        **{each.name: row[each.name] for each in fields(NewPart)},
        progress=Progress(**{each.name: row[each.name] for each in fields(Progress)}),
        age_seconds=float(row["age_seconds"]),
    )
