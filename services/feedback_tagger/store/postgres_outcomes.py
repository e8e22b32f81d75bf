"""Outcomes of tickets on PostgreSQL."""

from typing import Any

from services.feedback_tagger.domain.outcome import TicketStatus
from services.feedback_tagger.store.errors import database_errors


class PostgresOutcomes:
    """The OutcomeStore port on an asyncpg pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def note(self, status: TicketStatus) -> bool:
        with database_errors():
            done = await self._pool.execute(
                "insert into ticket_outcome"
                " (ticket_id, version, state, outcome, employee, owner, resolver_group, told_at)"
                " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (ticket_id, version) do nothing",
                status.ticket_id, status.version, status.state, status.outcome, status.employee, status.owner,
                status.resolver_group, status.told_at,
            )  # fmt: skip
        return bool(done == "INSERT 0 1")
