"""Bringing a MySQL or MariaDB database to this build's schema, one statement at a time, one task at a time.

A statement that changes a table commits by itself there, so a file is no transaction: each statement is noted before it
runs and after, and a rerun goes on where the last one stopped.
"""

import pymysql.err

from services.feedback_tagger.store.errors import mysql_errors, mysql_number
from services.feedback_tagger.store.migrations import Migration, migrations
from services.feedback_tagger.store.mysql import Session
from shared.errors import TransientError
from shared.logs import logger

log = logger("migrate")

LOCK_SECONDS = 600
# What a statement says whose effect is there already: table, column, or key of this name exists.
DONE_BEFORE = (1050, 1060, 1061)


async def migrate(session: Session) -> list[str]:
    """Apply what is missing; the names of the migrations that were finished."""
    with mysql_errors():
        # The lock is the server's, so its name holds the database's. It goes with a task that dies half-way.
        name = "concat('deskhand ', sha1(database()))"
        locked = await session.first(f"select get_lock({name}, {LOCK_SECONDS}) as locked")
        if locked is None or not locked["locked"]:
            raise TransientError("another task has been migrating this database for ten minutes")
        try:
            return await _apply_missing(session)
        finally:
            await session.fetch(f"select release_lock({name})")  # a constant


async def _apply_missing(session: Session) -> list[str]:
    await session.execute(
        "create table if not exists feedback_schema (version int not null primary key, name varchar(200) not null,"
        " applied_at datetime(6) not null default current_timestamp(6)) engine = InnoDB default character set utf8mb4"
    )
    # begun and done: between the two a task may die with the statement's effect there and nobody the wiser.
    await session.execute(
        "create table if not exists feedback_schema_step (version int not null, step int not null,"
        " done boolean not null default false, primary key (version, step)) engine = InnoDB"
    )
    there = {row["version"] for row in await session.fetch("select version from feedback_schema")}
    applied = []
    for migration in migrations("mysql"):
        if migration.version in there:
            continue
        await _apply(session, migration)
        log.info("migrated", migration=migration.name)
        applied.append(migration.name)
    return applied


async def _apply(session: Session, migration: Migration) -> None:
    steps = {
        row["step"]: bool(row["done"])
        for row in await session.fetch(
            "select step, done from feedback_schema_step where version = %s", (migration.version,)
        )
    }
    for step, statement in enumerate(migration.statements, start=1):
        if steps.get(step):
            continue
        if step not in steps:
            await session.execute(
                "insert into feedback_schema_step (version, step) values (%s, %s)", (migration.version, step)
            )
        try:
            await session.execute(statement)
        except pymysql.err.Error as error:
            if not (step in steps and mysql_number(error) in DONE_BEFORE):
                log.error("migration_stopped", migration=migration.name, step=step, reason=str(error))
                raise
        await session.execute(
            "update feedback_schema_step set done = true where version = %s and step = %s", (migration.version, step)
        )
    await session.execute(
        "insert into feedback_schema (version, name) values (%s, %s)", (migration.version, migration.name)
    )
