"""Opening the pool of PostgreSQL connections that runs and rows share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.feedback_tagger.store.errors import database_errors

STATEMENT_SECONDS = 60.0


@asynccontextmanager
async def postgres_pool(dsn: str, *, connections: int) -> AsyncIterator[Any]:
    """Connections are made when they are needed, so that a task starts while the database is away."""
    with database_errors():
        pool = await asyncpg.create_pool(
            dsn, min_size=0, max_size=connections, command_timeout=STATEMENT_SECONDS, timeout=10
        )
    try:
        yield pool
    finally:
        await pool.close()
