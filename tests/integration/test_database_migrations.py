"""Migrations on real servers: once whoever starts together, further after a stop half-way, and whom they let in."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import pytest

from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.store.access import Access, Found, mysql_statements, postgres_statements
from services.feedback_tagger.store.migrations import Migration, migrations
from services.feedback_tagger.store.opened import Store, door_to, migrate_store, open_store
from services.feedback_tagger.store.port import ChunkResult, Ingested, LabelledRow, NewRun
from shared.errors import BadInput, TransientError
from tests.support.cloud import AwsClients
from tests.support.databases import Sql

ACCESS = Access(application_user="desk_app", dashboard_user="desk_board", dashboard_password="it's \\ secret")


@pytest.fixture
async def let_in(any_database: str) -> AsyncIterator[Sql]:
    """A migrated database with both users, who go again afterwards: users are the server's, not the database's."""
    sql = Sql(any_database)
    await migrate_store(door_to(any_database), ACCESS)
    yield sql
    for user in (ACCESS.application_user, ACCESS.dashboard_user):
        if sql.engine == "postgres":
            await sql.run(f"drop owned by {user}")
            await sql.run(f"drop role {user}")
        else:
            await sql.run(f"drop user '{user}'@'%'")


async def as_user(sql: Sql, user: str, password: str = "known") -> Sql:
    """The same database through the eyes of ``user``, who gets the password first (PostgreSQL asks for none)."""
    parts = urlsplit(sql.url)
    if sql.engine == "mysql":
        await sql.run(f"alter user '{user}'@'%' identified by '{password}'")
        login = f"{user}:{password}"
    else:
        login = user
    return Sql(urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}")))


async def a_whole_run(store: Store) -> None:
    run = NewRun(run_id="run-1", bucket="b", key="k", task="categorise", rows_per_chunk=20, sequencer="1")
    await store.runs.open_run(run)
    row = LabelledRow(Row(line=2, identity="a", feedback=Feedback(feedback="text")), "Payment")
    await store.rows.finish_chunk(ChunkResult(run_id="run-1", chunk_no=0, row_count=1, labelled=[row]))
    await store.rows.bury_chunk("run-1", 1, lines=[3], reason="gone")
    await store.upkeep.note_waiting("run-1", seconds=0)
    await store.upkeep.idle_runs(idle_seconds=1000)
    await store.runs.note_ingest("run-1", Ingested(rows_read=2, chunks_sent=2, total_chunks=2))
    assert await store.runs.close_if_ready("run-1")
    again = await store.runs.open_run(replace(run, sequencer="2"))
    assert (again.ingested, again.state.chunks_dead) == (False, 0)


async def test_the_service_may_do_its_work_and_change_no_table(let_in: Sql) -> None:
    service = await as_user(let_in, ACCESS.application_user)
    assert await migrate_store(door_to(service.url)) == []
    async with open_store(door_to(service.url), connections=2) as store:
        await a_whole_run(store)
    for forbidden in (
        "drop table customer_feedback",
        "delete from customer_feedback",
        "create table mine (id int)",
        "insert into feedback_schema (version, name) values (99, 'mine')",
    ):
        with pytest.raises(Exception, match=r"(?i)denied|must be owner"):
            await service.run(forbidden)


async def test_the_dashboards_may_read_views_alone(let_in: Sql) -> None:
    await let_in.run("insert into customer_feedback (feedback, label_llm) values ('text', 'Payment')")
    board = await as_user(let_in, ACCESS.dashboard_user)
    assert await board.rows("select label, feedback_count from feedback_by_category") == [("Payment", 1)]
    for view in ("feedback_latest", "feedback_by_month", "feedback_run_summary", "feedback_cost_by_month"):
        await board.rows(f"select * from {view}")
    for forbidden in ("select feedback from customer_feedback", "update customer_feedback set title = 'x'"):
        with pytest.raises(Exception, match=r"(?i)denied|read-only"):
            await board.run(forbidden)


async def test_the_dashboards_password_is_kept_in_the_way_that_quicksight_knows(postgres_database: str) -> None:
    sql, user = Sql(postgres_database), "desk_quicksight"
    await migrate_store(door_to(postgres_database), replace(ACCESS, application_user="", dashboard_user=user))
    try:
        kept = await sql.value(f"select rolpassword from pg_authid where rolname = '{user}'")
        assert str(kept).startswith("md5")
    finally:
        await sql.run(f"drop owned by {user}")
        await sql.run(f"drop role {user}")


async def test_letting_in_again_changes_no_password_of_the_service(let_in: Sql) -> None:
    service = await as_user(let_in, ACCESS.application_user)
    assert await migrate_store(door_to(let_in.url), ACCESS) == []
    assert await service.value("select count(*) from customer_feedback_category") == 5


async def test_a_task_that_is_newer_than_its_database_waits_for_the_migration(let_in: Sql) -> None:
    service = await as_user(let_in, ACCESS.application_user)
    newest = max(each.version for each in migrations(door_to(let_in.url).address.engine))
    await let_in.run(f"delete from feedback_schema where version = {newest}")
    if let_in.engine == "mysql":
        await let_in.run(f"delete from feedback_schema_step where version = {newest}")
    with pytest.raises(TransientError, match="migrate"):
        await migrate_store(door_to(service.url))


def test_iam_is_granted_where_the_server_knows_it() -> None:
    found = Found(database="d", tables=["feedback_run"], views=[], users=["rds_iam"], iam=True)
    app = Access(application_user="desk_app")
    assert 'grant rds_iam to "desk_app"' in postgres_statements(app, found)
    created, encrypted, *_ = mysql_statements(app, found)
    assert created == "create user if not exists 'desk_app'@'%' identified with AWSAuthenticationPlugin as 'RDS'"
    assert encrypted == "alter user 'desk_app'@'%' require ssl"


def test_without_iam_no_user_of_mysql_is_left_with_an_empty_password() -> None:
    found = Found(database="d", tables=[], views=[], users=[], iam=False)
    (one,), (other,) = (mysql_statements(Access(application_user="desk_app"), found) for _ in range(2))
    assert one.startswith("create user if not exists 'desk_app'@'%' identified by '")
    assert one != other


@pytest.mark.parametrize("name", ["x'; drop table customer_feedback; --", 'a"b', "a b", "9", "a" * 33])
def test_a_user_name_that_would_need_quotes_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="APPLICATION_USER"):
        Access(application_user=name)


async def test_a_migration_that_stopped_half_way_goes_on_where_it_was(mysql_database: str) -> None:
    """The task died with the last statement of the second file in effect, and before it could note that."""
    sql, door = Sql(mysql_database), door_to(mysql_database)
    first, second, *others = migrations("mysql")
    await sql.run(
        "create table feedback_schema (version int not null primary key, name varchar(200) not null,"
        " applied_at datetime(6) not null default current_timestamp(6))"
    )
    await sql.run(
        "create table feedback_schema_step (version int not null, step int not null,"
        " done boolean not null default false, primary key (version, step))"
    )
    for statement in (*first.statements, *second.statements):
        await sql.run(statement)
    await sql.run(f"insert into feedback_schema (version, name) values (1, '{first.name}')")
    last = len(second.statements)
    for step in range(1, last + 1):
        await sql.run(f"insert into feedback_schema_step values (2, {step}, {step < last})")
    assert await migrate_store(door) == [each.name for each in (second, *others)]
    async with open_store(door, connections=1) as store:
        await a_whole_run(store)


async def test_a_statement_that_fails_stops_there_and_the_next_run_tries_it_again(mysql_database: str) -> None:
    sql, door = Sql(mysql_database), door_to(mysql_database)
    await sql.run("create table feedback_upload (in_the_way int)")
    with pytest.raises(Exception, match="feedback_upload"):
        await migrate_store(door)
    steps = await sql.rows("select step, done from feedback_schema_step where version = 2 order by step")
    assert steps == [(1, 1), (2, 0)]
    await sql.run("drop table feedback_upload")
    assert len(await migrate_store(door)) == len(migrations("mysql")) - 1
    async with open_store(door, connections=1) as store:
        await a_whole_run(store)


def test_statements_end_with_their_line_and_comments_are_left_out() -> None:
    migration = Migration(1, "x", "-- one; two;\ncreate table a (b text default ';');\n\n  -- three\nselect 1;")
    assert migration.statements == ("create table a (b text default ';')", "select 1")


def test_both_engines_have_the_same_tables_and_views_to_show() -> None:
    def views(engine: str) -> set[str]:
        text = "\n".join(each.sql for each in migrations("mysql" if engine == "mysql" else "postgres"))
        return {
            line.split(" view ")[1].split(" ")[0] for line in text.splitlines() if " view " in line and " as" in line
        }

    assert views("mysql") == views("postgres")


def migrate_command(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.feedback_tagger", "migrate"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_migrate_command_brings_a_database_up_to_date_and_fills_the_dashboards_secret(
    any_database: str, aws: AwsClients
) -> None:
    engine = door_to(any_database).address.engine
    manager = aws("secretsmanager")
    arn = manager.create_secret(Name=f"dashboards-{engine}")["ARN"]
    environment = {
        "DATABASE_URL": any_database,
        "APPLICATION_USER": f"cmd_app_{engine}",
        "DASHBOARD_USER": f"cmd_board_{engine}",
        "DASHBOARD_SECRET_ARN": arn,
    }
    first = migrate_command(environment)
    assert first.returncode == 0, first.stderr
    assert f"{len(migrations(engine))} migrations applied" in first.stdout
    written = json.loads(manager.get_secret_value(SecretId=arn)["SecretString"])
    assert written["username"] == f"cmd_board_{engine}"
    again = migrate_command(environment)
    assert again.returncode == 0, again.stderr
    assert "0 migrations applied" in again.stdout
    assert json.loads(manager.get_secret_value(SecretId=arn)["SecretString"]) == written
    parts = urlsplit(any_database)
    login = f"{written['username']}:{written['password']}@{parts.netloc.rpartition('@')[2]}"
    board = Sql(urlunsplit(parts._replace(netloc=login)))
    assert asyncio.run(board.value("select count(*) from feedback_latest")) == 0


def test_the_migrate_command_says_what_is_wrong_with_its_settings() -> None:
    refused = migrate_command({"DATABASE_URL": "mysql://u:hunter2@h/d", "DATABASE_AUTH": "secret"})
    assert refused.returncode == 1
    assert "DATABASE_SECRET_ARN" in refused.stderr
    assert "hunter2" not in refused.stderr
