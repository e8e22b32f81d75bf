"""Batch jobs on MySQL 8 and MariaDB."""

import random
from collections.abc import Sequence
from dataclasses import asdict, fields

from services.feedback_tagger.store.batches import NewPart, Part, Progress
from services.feedback_tagger.store.columns import storable
from services.feedback_tagger.store.errors import retried
from services.feedback_tagger.store.mysql import MysqlPool
from services.feedback_tagger.store.postgres_batches import as_part
from shared.backoff import Uniform

_NAMES = ", ".join(each.name for each in fields(NewPart))
_PLACES = ", ".join(f"%({each.name})s" for each in fields(NewPart))
_AGE = "timestampdiff(microsecond, coalesce(submitted_at, created_at), utc_timestamp(6)) / 1e6 as age_seconds"

# Made of the names above alone. No "insert ignore": it would cut values that are too long.
ADD = (
    f"insert into feedback_batch_job ({_NAMES}, reason, created_at, next_look_at)"  # noqa: S608
    f" values ({_PLACES}, '', utc_timestamp(6), utc_timestamp(6))"
    " on duplicate key update part = feedback_batch_job.part"
)
PARTS = f"select *, {_AGE} from feedback_batch_job where run_id = %s order by part"  # noqa: S608
DUE = (
    f"select *, {_AGE} from feedback_batch_job where state <> 'ended'"  # noqa: S608
    " and next_look_at <= utc_timestamp(6) order by next_look_at limit 1 for update skip locked"
)
# Assignments take effect from left to right: whether the part has ended is asked by the condition, before them.
NOTE = """
    update feedback_batch_job set
        submitted_at = if(%(state)s = 'submitted', coalesce(submitted_at, utc_timestamp(6)), submitted_at),
        ended_at = if(%(state)s = 'ended', utc_timestamp(6), null),
        state = if(%(state)s = 'written', state, %(state)s),
        job_arn = if(%(job_arn)s = '', job_arn, %(job_arn)s),
        status = %(status)s, reason = %(reason)s,
        processed = %(processed)s, succeeded = %(succeeded)s, failed = %(failed)s,
        merged = greatest(merged, %(merged)s), asked_again = greatest(asked_again, %(asked_again)s),
        spent_day = if(%(spent_day)s = '', spent_day, %(spent_day)s),
        next_look_at = utc_timestamp(6) + interval %(look_in)s microsecond
    where run_id = %(run_id)s and part = %(part)s and state <> 'ended'
"""


class MysqlBatches:
    """The BatchStore port."""

    def __init__(self, pool: MysqlPool, *, uniform: Uniform = random.uniform) -> None:
        self._pool = pool
        self._uniform = uniform

    async def add(self, part: NewPart) -> bool:
        async def add() -> bool:
            async with self._pool.session() as session:
                return await session.execute(ADD, asdict(part)) == 1

        return await retried(add, self._uniform)

    async def parts(self, run_id: str) -> Sequence[Part]:
        async with self._pool.session() as session:
            return [as_part(row) for row in await session.fetch(PARTS, (run_id,))]

    async def take_due(self, *, hold_seconds: float) -> Part | None:
        async def take() -> Part | None:
            async with self._pool.transaction() as session:
                found = await session.first(DUE)
                if found is None:
                    return None
                await session.execute(
                    "update feedback_batch_job set next_look_at = utc_timestamp(6) + interval %s microsecond"
                    " where run_id = %s and part = %s",
                    (round(hold_seconds * 1e6), found["run_id"], found["part"]),
                )
                return as_part(found)

        return await retried(take, self._uniform)

    async def note(self, run_id: str, part: int, progress: Progress, *, look_in: float) -> bool:
        values = {**asdict(progress), "reason": storable(progress.reason)}

        async def note() -> bool:
            async with self._pool.session() as session:
                place = {"run_id": run_id, "part": part, "look_in": round(look_in * 1e6)}
                return await session.execute(NOTE, {**values, **place}) == 1

        return await retried(note, self._uniform)
