"""Bringing a database to this build's schema: numbered files, forward only, one task at a time.

A database that is ahead of this build is left alone: during a deploy old tasks run on the new schema.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import asyncpg

from services.feedback_tagger.store.errors import database_errors
from shared.logs import logger

log = logger("migrate")

# Any number does, if every build uses the same one.
LOCK = 0x4465736B68616E64
_NAME = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """Every migration of this build, in order."""
    folder = files("services.feedback_tagger.store").joinpath("migrations", "postgres")
    found = [
        Migration(int(match[1]), entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := _NAME.fullmatch(entry.name)) is not None
    ]
    return sorted(found, key=lambda migration: migration.version)


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
    await connection.execute(
        "create table if not exists feedback_schema"
        " (version integer primary key, name text not null, applied_at timestamptz not null default now())"
    )
    there = {row["version"] for row in await connection.fetch("select version from feedback_schema")}
    applied = []
    for migration in migrations():
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


async def migrate_database(dsn: str) -> list[str]:
    """Connect, migrate, leave."""
    with database_errors():
        connection = await asyncpg.connect(dsn)
    try:
        return await migrate(connection)
    finally:
        await connection.close()
