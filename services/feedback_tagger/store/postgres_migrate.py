"""Bringing a PostgreSQL database to this build's schema: each file one transaction, one task at a time."""

from typing import Any

from services.feedback_tagger.store.access import Access, Found, postgres_statements
from services.feedback_tagger.store.errors import database_errors
from services.feedback_tagger.store.migrations import migrations
from shared.logs import logger

log = logger("migrate")

# Any number does, if every build uses the same one.
LOCK = 0x4465736B68616E64


async def migrate(connection: Any, access: Access | None = None) -> list[str]:
    """Apply what is missing, each migration in a transaction of its own, and let ``access`` in; what was applied."""
    with database_errors():
        # Held by the connection: it goes with a task that dies half-way, and the next one goes on.
        await connection.execute("select pg_advisory_lock($1)", LOCK)
        try:
            applied = await _apply_missing(connection)
            if access is not None:
                await _let_in(connection, access)
            return applied
        finally:
            await connection.execute("select pg_advisory_unlock($1)", LOCK)


async def _let_in(connection: Any, access: Access) -> None:
    relations = await connection.fetch(
        "select relname, relkind::text from pg_class where relnamespace = 'public'::regnamespace"
        " and relkind in ('r', 'v') order by relname"
    )
    roles = [row["rolname"] for row in await connection.fetch("select rolname from pg_roles")]
    found = Found(
        database="",
        tables=[row["relname"] for row in relations if row["relkind"] == "r"],
        views=[row["relname"] for row in relations if row["relkind"] == "v"],
        users=roles,
        iam="rds_iam" in roles,
    )
    async with connection.transaction():
        for statement in postgres_statements(access, found):
            await connection.execute(statement)
    log.info("users", application=access.application_user, dashboards=access.dashboard_user, iam=found.iam)


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
