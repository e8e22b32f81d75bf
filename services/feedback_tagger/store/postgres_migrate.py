"""Bringing a PostgreSQL database to this build's schema: each file one transaction, one task at a time."""

from typing import Any

from services.feedback_tagger.store.errors import database_errors
from services.feedback_tagger.store.migrations import migrations
from shared.logs import logger

log = logger("migrate")

# Any number does, if every build uses the same one.
LOCK = 0x4465736B68616E64


async def migrate(connection: Any) -> list[str]:
    """Apply what is missing, each migration in a transaction of its own; the names of those applied."""
    with database_errors():
        # Held by the connection: it goes with a task that dies half-way, and the next one goes on.
        await connection.execute("select pg_advisory_lock($1)", LOCK)
        try:
            return await _apply_missing(connection)
        finally:
            await connection.execute("select pg_advisory_unlock($1)", LOCK)


async def _apply_missing(connection: Any) -> list[str]:
    if not await connection.fetchval("select to_regclass('feedback_schema') is not null"):
        await connection.execute(
            "create table feedback_schema"
            " (version integer primary key, name text not null, applied_at timestamptz not null default now())"
        )
    there = {row["version"] for row in await connection.fetch("select version from feedback_schema")}
    applied = []
    for migration in migrations("postgres"):
        if migration.version in there:
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "insert into feedback_schema (version, name) values ($1, $2)", migration.version, migration.name
            )
        log.info("migrated", migration=migration.name)
        applied.append(migration.name)
    return applied
