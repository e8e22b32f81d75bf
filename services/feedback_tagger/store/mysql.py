"""Connections to MySQL 8 and MariaDB: opened with a login of the moment, retired by age, checked before use.

aiomysql's own pool keeps the password that it was made with, and an IAM token is good for a quarter of an hour.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias

import aiomysql
import aiomysql.connection
import pymysql.err
from pymysql.constants import CLIENT, CR

from services.feedback_tagger.store.address import Address
from services.feedback_tagger.store.errors import MYSQL_READ_ONLY, LoginRefused, mysql_errors, mysql_number
from services.feedback_tagger.store.logins import Logins
from shared.clock import Now
from shared.errors import DeskhandError

CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 60.0
# Old connections go, so that the pool follows a failover, a changed address and a user whose rights were taken.
LIFETIME_SECONDS = 600.0

SESSION = (
    # Whatever the server's own mode: a value that does not fit is an error and never cut.
    "set session sql_mode = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,ONLY_FULL_GROUP_BY', time_zone = '+00:00'",
    # As on PostgreSQL. The default would also lock the gaps between rows, and overlapping files would deadlock.
    "set session transaction isolation level read committed",
)

Values: TypeAlias = Sequence[Any] | Mapping[str, Any]
Connect: TypeAlias = Callable[[], Awaitable["Connection"]]


class Connection(aiomysql.connection.Connection):  # type: ignore[misc]  # aiomysql has no types
    """A connection that sends its password nowhere but where it was told to."""

    async def _request_authentication(self) -> None:
        # aiomysql goes on in plain text where a server, or whoever stands before it, offers no TLS.
        if self._ssl_context and not self.server_capabilities & CLIENT.SSL:
            raise pymysql.err.OperationalError(CR.CR_SSL_CONNECTION_ERROR, "the server offers no TLS")
        await super()._request_authentication()

    async def _process_auth(self, plugin_name: bytes, auth_packet: Any) -> Any:
        if plugin_name in (b"mysql_clear_password", b"mysql_old_password") and not self._secure:
            raise pymysql.err.OperationalError(CR.CR_AUTH_PLUGIN_CANNOT_LOAD, "the server asks for a bare password")
        return await super()._process_auth(plugin_name, auth_packet)

    def escape(self, obj: Any) -> Any:
        # aiomysql writes bytes by a function that PyMySQL has no more.
        return f"x'{obj.hex()}'" if isinstance(obj, bytes) else super().escape(obj)

    @property
    def usable(self) -> bool:
        """Not closed here, nor, as far as the socket knows, there."""
        return not (self.closed or self._reader.at_eof() or self._reader.exception() is not None)


class _Cursor(aiomysql.Cursor):  # type: ignore[misc]  # aiomysql has no types
    async def _show_warnings(self, conn: Any) -> None:
        """Nothing: in strict mode what matters is an error, and asking would cost a round trip."""


@dataclass(frozen=True, slots=True)
class Session:
    """Statements on one connection; ``%s`` and ``%(name)s`` stand for values."""

    connection: Connection

    async def execute(self, sql: str, values: Values | None = None) -> int:
        """How many rows changed: a row that was found and is as it was does not count."""
        async with self.connection.cursor(_Cursor) as cursor:
            return int(await cursor.execute(sql, values))

    async def fetch(self, sql: str, values: Values | None = None) -> list[dict[str, Any]]:
        async with self.connection.cursor(_Cursor) as cursor:
            await cursor.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    async def first(self, sql: str, values: Values | None = None) -> dict[str, Any] | None:
        return next(iter(await self.fetch(sql, values)), None)


class MysqlPool:
    """At most ``connections`` at once, made when they are needed."""

    def __init__(
        self, connect: Connect, *, connections: int, lifetime: float = LIFETIME_SECONDS, now: Now = monotonic
    ) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(connections)
        self._idle: deque[tuple[Connection, float]] = deque()
        self._lifetime = lifetime
        self._now = now
        self._closed = False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Each statement commits by itself. Raises the shared errors, as ``transaction`` does."""
        with mysql_errors():
            async with self._slots, asyncio.timeout(STATEMENT_SECONDS):
                connection, made_at = await self._taken()
                try:
                    yield Session(connection)
                except (pymysql.err.Error, DeskhandError) as error:
                    if isinstance(error, pymysql.err.Error) and mysql_number(error) in MYSQL_READ_ONLY:
                        # After a failover the old writer is a reader; every connection here may lead to it.
                        connection.close()
                        self._drop_idle()
                    # The server's own refusal leaves the connection as it was; a broken one is found out below.
                    self._give_back(connection, made_at)
                    raise
                except BaseException:
                    # Cancelled, perhaps between a statement and its answer: nobody may read that answer as another's.
                    connection.close()
                    raise
                self._give_back(connection, made_at)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """One transaction; an error rolls it back, and so does leaving by an exception of the caller's."""
        async with self.session() as session:
            await session.connection.begin()
            try:
                yield session
            except Exception:
                with contextlib.suppress(pymysql.err.Error, OSError):
                    await session.connection.rollback()
                raise
            await session.connection.commit()

    async def close(self) -> None:
        self._closed = True
        while self._idle:
            connection, _ = self._idle.pop()
            with contextlib.suppress(pymysql.err.Error, OSError):
                await connection.ensure_closed()

    async def _taken(self) -> tuple[Connection, float]:
        while self._idle:
            connection, made_at = self._idle.pop()
            if connection.usable and self._now() - made_at < self._lifetime:
                return connection, made_at
            connection.close()
        return await self._connect(), self._now()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()

    def _give_back(self, connection: Connection, made_at: float) -> None:
        if self._closed or not connection.usable or connection.get_transaction_status():
            connection.close()
        else:
            self._idle.append((connection, made_at))


async def connect(address: Address, logins: Logins, tls: ssl.SSLContext | None, *, database: bool = True) -> Connection:
    """Open one connection; a login that the server refuses is asked for once more."""
    login = await logins.current()
    try:
        return await _opened(address, login.user, login.password, logins.clear_text, tls, database=database)
    except LoginRefused:
        if not logins.refused(login):
            raise
    login = await logins.current()
    return await _opened(address, login.user, login.password, logins.clear_text, tls, database=database)


async def _opened(  # what a connection is made of
    address: Address, user: str, password: str, clear_text: bool, tls: ssl.SSLContext | None, *, database: bool
) -> Connection:
    with mysql_errors():
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = Connection(
                host=address.host or "localhost",
                port=address.port,
                unix_socket=address.socket or None,
                user=user,
                password=password,
                db=address.database if database else None,
                charset="utf8mb4",
                ssl=tls,
                # Sent at once, it would go out before anything of the server's is checked; TLS stands by then.
                auth_plugin="mysql_clear_password" if clear_text and tls else "",
                autocommit=True,
            )
            try:
                await connection._connect()
                session = Session(connection)
                for statement in SESSION:
                    await session.execute(statement)
            except BaseException:
                connection.close()
                # A refused handshake's socket is closed by the loop, in its next turns: who leaves at once leaks it.
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                raise
    return connection


@asynccontextmanager
async def mysql_pool(
    address: Address, logins: Logins, tls: ssl.SSLContext | None, *, connections: int
) -> AsyncIterator[MysqlPool]:
    """Connections are made when they are needed, so that a task starts while the database is away."""
    pool = MysqlPool(lambda: connect(address, logins, tls), connections=connections)
    try:
        yield pool
    finally:
        await pool.close()
