"""Bringing a MySQL or MariaDB database to this build's schema, one statement at a time, one task at a time.

A statement that changes a table commits by itself there, so a file is no transaction: each statement is noted before it
runs and after, and a rerun goes on where the last one stopped.
"""

import pymysql.err

from services.feedback_tagger.store.access import Access, Found, mysql_statements
from services.feedback_tagger.store.errors import mysql_errors, mysql_number
from services.feedback_tagger.store.migrations import Migration, migrations
from services.feedback_tagger.store.mysql import Session
from shared.errors import TransientError
from shared.logs import logger

log = logger("migrate")

LOCK_SECONDS = 600
# What a statement says whose effect is there already: table, column, or key of this name exists.
DONE_BEFORE = (1050, 1060, 1061)


async def migrate(session: Session, access: Access | None = None) -> list[str]:
    """Apply what is missing, and let ``access`` in; the names of the migrations that were finished."""
    with mysql_errors():
        # The lock is the server's, so its name holds the database's. It goes with a task that dies half-way.
        name = "concat('deskhand ', sha1(database()))"
        locked = await session.first(f"select get_lock({name}, {LOCK_SECONDS}) as locked")
        if locked is None or not locked["locked"]:
            raise TransientError("another task has been migrating this database for ten minutes")
        try:
            applied = await _apply_missing(session)
            if access is not None:
                await _let_in(session, access)
            return applied
        finally:
            await session.fetch(f"select release_lock({name})")  # a constant


async def _let_in(session: Session, access: Access) -> None:
    relations = await session.fetch(
        "select table_name as name, table_type as kind from information_schema.tables"
        " where table_schema = database() order by table_name"
    )
    database = await session.first("select database() as name")
    iam = await session.first(
        "select 1 from information_schema.plugins"
        " where plugin_name = 'AWSAuthenticationPlugin' and plugin_status = 'ACTIVE'"
    )
    found = Found(
        database=database["name"] if database else "",
        tables=[row["name"] for row in relations if row["kind"] == "BASE TABLE"],
        views=[row["name"] for row in relations if row["kind"] == "VIEW"],
        users=(),
        iam=iam is not None,
    )
    for statement in mysql_statements(access, found):
        await session.execute(statement)
    log.info("users", application=access.application_user, dashboards=access.dashboard_user, iam=found.iam)


async def _apply_missing(session: Session) -> list[str]:
    # The service's own user, who may create nothing, comes here too at each start of a task.
    known = await session.first(
        "select count(*) as tables_there from information_schema.tables where table_schema = database()"
        " and table_name in ('feedback_schema', 'feedback_schema_step')"
    )
    if known is None or known["tables_there"] < 2:
        await _create_records(session)
    there = {row["version"] for row in await session.fetch("select version from feedback_schema")}
    applied = []
    for migration in migrations("mysql"):
        if migration.version in there:
            continue
        await _apply(session, migration)
        log.info("migrated", migration=migration.name)
        applied.append(migration.name)
    return applied


async def _create_records(session: Session) -> None:
    await session.execute(
        "create table if not exists feedback_schema (version int not null primary key, name varchar(200) not null,"
        " applied_at datetime(6) not null default current_timestamp(6)) engine = InnoDB default character set utf8mb4"
    )
    # begun and done: between the two a task may die with the statement's effect there and nobody the wiser.
    await session.execute(
        "create table if not exists feedback_schema_step (version int not null, step int not null,"
        " done boolean not null default false, primary key (version, step)) engine = InnoDB"
    )


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
