"""Statements that PostgreSQL, MySQL 8 and MariaDB all take, over either pool: ``%s`` stands for a value.

For tables that few tasks write and that one wording serves: two dialects of it would drift apart. What must be fast or
is worded differently has adapters of its own.
"""

import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from services.feedback_tagger.store.errors import database_errors, retried
from services.feedback_tagger.store.mysql import MysqlPool, Session
from shared.backoff import Uniform

T = TypeVar("T")
_PLACE = re.compile(r"%s")
ROWS_AT_ONCE = 500


class Statements(Protocol):
    """One connection's worth. Raises what the stores raise."""

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """How many rows changed. Of an update that leaves a row as it was, one engine says one and the other none."""
        ...

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Mapping[str, Any]]: ...

    async def insert(self, table: str, row: Mapping[str, Any], *, key: str) -> int:
        """Add a row whose whole number ``key`` the database gives; returns it."""
        ...

    async def insert_missing(self, table: str, rows: Sequence[Mapping[str, Any]], *, key: str) -> int:
        """Add rows unless their key is there; all have the same columns. ``key`` is one column of it. How many."""
        ...


class Database(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Statements]: ...


async def first(statements: Statements, sql: str, values: Sequence[Any] = ()) -> Mapping[str, Any] | None:
    return next(iter(await statements.fetch(sql, values)), None)


async def in_transaction(
    database: Database, work: Callable[[Statements], Awaitable[T]], uniform: Uniform = random.uniform
) -> T:
    """``work`` in one transaction, again while the database gives way to others."""

    async def once() -> T:
        async with database.transaction() as statements:
            return await work(statements)

    return await retried(once, uniform)


def places(values: Sequence[Any]) -> str:
    """``%s, %s`` for a list of values."""
    return ", ".join(["%s"] * len(values))


def seconds(moment: datetime | None) -> float | None:
    """Since the epoch; one engine's times have no zone and are UTC by our own rule."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class PostgresDatabase:
    """Over an asyncpg pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Statements]:
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                yield _OnPostgres(connection)


class MysqlDatabase:
    """Over our pool of aiomysql connections."""

    def __init__(self, pool: MysqlPool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Statements]:
        async with self._pool.transaction() as session:
            yield _OnMysql(session)


class _OnPostgres:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        # "UPDATE 3", "INSERT 0 3"
        status: str = await self._connection.execute(_numbered(sql), *values)
        return int(status.rpartition(" ")[2]) if status[-1:].isdigit() else 0

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Mapping[str, Any]]:
        return [dict(row) for row in await self._connection.fetch(_numbered(sql), *values)]

    async def insert(self, table: str, row: Mapping[str, Any], *, key: str) -> int:
        # Names are our own throughout.
        sql = f"insert into {table} ({', '.join(row)}) values ({places(list(row))}) returning {key}"  # noqa: S608
        return int(await self._connection.fetchval(_numbered(sql), *row.values()))

    async def insert_missing(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        key: str,  # noqa: ARG002
    ) -> int:
        return await _insert_missing(self, table, rows, "on conflict do nothing")


class _OnMysql:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return await self._session.execute(sql, list(values) or None)

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[Mapping[str, Any]]:
        return list(await self._session.fetch(sql, list(values) or None))

    async def insert(self, table: str, row: Mapping[str, Any], *, key: str) -> int:  # noqa: ARG002
        sql = f"insert into {table} ({', '.join(row)}) values ({places(list(row))})"  # noqa: S608
        await self._session.execute(sql, list(row.values()))
        (given,) = await self._session.fetch("select last_insert_id() as given")
        return int(given["given"])

    async def insert_missing(self, table: str, rows: Sequence[Mapping[str, Any]], *, key: str) -> int:
        # Unlike "insert ignore", which would also cut what is too long.
        return await _insert_missing(self, table, rows, f"on duplicate key update {key} = {table}.{key}")


async def _insert_missing(statements: Statements, table: str, rows: Sequence[Mapping[str, Any]], otherwise: str) -> int:
    added = 0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        names = list(some[0])
        many = ", ".join([f"({places(names)})"] * len(some))
        sql = f"insert into {table} ({', '.join(names)}) values {many} {otherwise}"  # noqa: S608
        added += await statements.execute(sql, [row[name] for row in some for name in names])
    return added


def _numbered(sql: str) -> str:
    numbers = iter(range(1, sql.count("%s") + 1))
    return _PLACE.sub(lambda _: f"${next(numbers)}", sql)
