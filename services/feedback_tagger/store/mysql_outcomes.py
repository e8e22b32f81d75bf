"""Outcomes of tickets on MySQL 8 and MariaDB."""

import random
from datetime import UTC

from services.feedback_tagger.domain.outcome import TicketStatus
from services.feedback_tagger.store.errors import retried
from services.feedback_tagger.store.mysql import MysqlPool
from shared.backoff import Uniform


class MysqlOutcomes:
    """The OutcomeStore port."""

    def __init__(self, pool: MysqlPool, *, uniform: Uniform = random.uniform) -> None:
        self._pool = pool
        self._uniform = uniform

    async def note(self, status: TicketStatus) -> bool:
        async def note() -> bool:
            async with self._pool.session() as session:
                # No "insert ignore": it would cut values that are too long, where they have to be refused.
                changed = await session.execute(
                    "insert into ticket_outcome"
                    " (ticket_id, version, state, outcome, employee, owner, resolver_group, told_at)"
                    " values (%s, %s, %s, %s, %s, %s, %s, %s)"
                    " on duplicate key update version = ticket_outcome.version",
                    (
                        status.ticket_id, status.version, status.state, status.outcome, status.employee, status.owner,
                        status.resolver_group, status.told_at.astimezone(UTC).replace(tzinfo=None),
                    ),
                )  # fmt: skip
                return changed == 1

        return await retried(note, self._uniform)
