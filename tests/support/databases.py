"""Real database servers for tests, one of each engine a session, and an empty database for every test.

Where a server comes from, in this order: a DSN in the environment, a container (where Docker can start the
image that is named), server programs on this machine; for PostgreSQL, at last, the wheel.
"""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from local.postgres import Postgres
from services.feedback_tagger.store import mysql
from services.feedback_tagger.store.opened import door_to
from tests.support.mariadb import running_mariadb, server_program

POSTGRES_DSN = "DESKHAND_TEST_POSTGRES_DSN"
POSTGRES_IMAGE = "DESKHAND_TEST_POSTGRES_IMAGE"
MYSQL_DSN = "DESKHAND_TEST_MYSQL_DSN"
MYSQL_IMAGE = "DESKHAND_TEST_MYSQL_IMAGE"
NO_MYSQL = (
    f"no MySQL or MariaDB: install mariadb-server (`apt-get install mariadb-server`), or name a server in {MYSQL_DSN},"
    f" or an image for Docker in {MYSQL_IMAGE}"
)

NewDatabase: TypeAlias = Callable[[], str]
"""Creates an empty database and returns its DSN."""


@dataclass(frozen=True, slots=True)
class Sql:
    """Plain statements against a database of either engine; what is written differently says so itself."""

    url: str

    @property
    def engine(self) -> str:
        return door_to(self.url).address.engine

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one statement, in its own order."""
        if self.engine == "postgres":
            connection = await asyncpg.connect(self.url)
            try:
                return [tuple(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()
        door = door_to(self.url)
        connection = await mysql.connect(door.address, door.logins, door.tls)
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(sql)
                return list(await cursor.fetchall())
        finally:
            connection.close()

    async def dicts(self, sql: str) -> list[dict[str, Any]]:
        """As ``rows``, by the names of the columns."""
        if self.engine == "postgres":
            connection = await asyncpg.connect(self.url)
            try:
                return [dict(row) for row in await connection.fetch(sql)]
            finally:
                await connection.close()
        door = door_to(self.url)
        connection = await mysql.connect(door.address, door.logins, door.tls)
        try:
            return await mysql.Session(connection).fetch(sql)
        finally:
            connection.close()

    async def run(self, sql: str) -> None:
        if self.engine == "postgres":
            connection = await asyncpg.connect(self.url)
            try:
                await connection.execute(sql)
            finally:
                await connection.close()
            return
        door = door_to(self.url)
        connection = await mysql.connect(door.address, door.logins, door.tls, database=bool(door.address.database))
        try:
            await mysql.Session(connection).execute(sql)
        finally:
            connection.close()

    @asynccontextmanager
    async def holding(self, sql: str) -> AsyncIterator[None]:
        """A transaction that has run ``sql`` and holds its locks; it is rolled back at the end."""
        if self.engine == "postgres":
            holder = await asyncpg.connect(self.url)
            try:
                await holder.execute(f"begin; {sql}")
                yield
                await holder.execute("rollback")
            finally:
                await holder.close()
            return
        door = door_to(self.url)
        connection = await mysql.connect(door.address, door.logins, door.tls)
        try:
            await connection.begin()
            await mysql.Session(connection).execute(sql)
            yield
            await connection.rollback()
        finally:
            connection.close()

    async def waiting(self) -> int:
        """How many transactions wait for a lock."""
        if self.engine == "postgres":
            return int(await self.value("select count(*) from pg_locks where not granted"))
        # Not innodb_trx, which is a copy that grows no fresher while it is asked more than ten times a second.
        ((_, waits),) = await self.rows("show global status like 'Innodb_row_lock_current_waits'")
        return int(waits)

    async def value(self, sql: str) -> Any:
        ((value,),) = await self.rows(sql)
        return value


@contextmanager
def postgres_databases() -> Iterator[NewDatabase | None]:
    """New databases on the PostgreSQL server that the environment names; None where it names none."""
    with ExitStack() as stack:
        if dsn := os.environ.get(POSTGRES_DSN):
            yield lambda: _created(dsn, "postgres")
        elif image := _usable_image(POSTGRES_IMAGE):
            from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415  # needs Docker to be there

            container = stack.enter_context(PostgresContainer(image, driver=None))
            yield lambda: _created(container.get_connection_url(), "postgres")
        else:
            yield None


@contextmanager
def mysql_databases() -> Iterator[NewDatabase | None]:
    """New databases on one MySQL or MariaDB server; None where there is none."""
    with ExitStack() as stack:
        if dsn := os.environ.get(MYSQL_DSN):
            yield lambda: _created(dsn, "mysql")
        elif image := _usable_image(MYSQL_IMAGE):
            from testcontainers.community.mysql import MySqlContainer  # noqa: PLC0415  # needs Docker to be there

            container = stack.enter_context(MySqlContainer(image, username="root", dialect=None))
            url = re.sub(r"^[a-z+]+://", "mysql://", container.get_connection_url())
            yield lambda: _created(url, "mysql")
        elif server_program() is not None:
            running = stack.enter_context(running_mariadb())
            yield lambda: _created(running.dsn("mysql"), "mysql")
        else:
            yield None


def _usable_image(variable: str) -> str | None:
    image = os.environ.get(variable)
    if image and shutil.which("docker") is None:
        raise pytest.UsageError(f"{variable} names an image, and there is no docker to start it")
    return image


def _name() -> str:
    return f"test_{secrets.token_hex(4)}"


def _created(dsn: str, engine: str) -> str:
    """A new database beside the one that ``dsn`` names."""
    name, parts = _name(), urlsplit(dsn)
    # Whatever the server's own is.
    utf8 = " character set utf8mb4" if engine == "mysql" else " encoding 'UTF8' template template0"

    asyncio.run(Sql(dsn).run(f"create database {name}{utf8}"))
    return urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def new_postgres_database(request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    with postgres_databases() as create:
        if create is None:
            wheel: Postgres = request.getfixturevalue("postgres")
            yield lambda: wheel.create_database(_name())
        else:
            yield create


@pytest.fixture(scope="session")
def new_mysql_database() -> Iterator[NewDatabase | None]:
    with mysql_databases() as create:
        yield create


@pytest.fixture
def postgres_database(new_postgres_database: NewDatabase) -> str:
    """The DSN of a new, empty PostgreSQL database."""
    return new_postgres_database()


@pytest.fixture
def mysql_database(new_mysql_database: NewDatabase | None) -> str:
    """The DSN of a new, empty MySQL or MariaDB database; skips where there is no server."""
    if new_mysql_database is None:
        pytest.skip(NO_MYSQL)
    return new_mysql_database()


@pytest.fixture(params=["postgres", "mysql"])
def any_database(request: pytest.FixtureRequest) -> str:
    """The DSN of a new, empty database: the test runs once an engine."""
    return str(request.getfixturevalue(f"{request.param}_database"))
