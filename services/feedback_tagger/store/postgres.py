"""Opening the pool of PostgreSQL connections that runs and rows share."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.feedback_tagger.store.errors import LoginRefused, database_errors
from services.feedback_tagger.store.logins import Logins

CONNECT_SECONDS = 10.0
STATEMENT_SECONDS = 60.0
# Old connections go, so that the pool follows a failover, a changed address and a user whose rights were taken.
LIFETIME_SECONDS = 600.0


@asynccontextmanager
async def postgres_pool(
    url: str, *, connections: int, logins: Logins | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Any]:
    """Connections are made when they are needed, so that a task starts while the database is away.

    Without ``logins`` the URL's own user and password are used.
    """

    async def connect_anew(*_: Any, **options: Any) -> Any:
        return await connect(url, logins, tls, **options)

    with database_errors():
        pool = await asyncpg.create_pool(
            url,
            connect=connect_anew,
            reset=_as_it_is,
            min_size=0,
            max_size=connections,
            command_timeout=STATEMENT_SECONDS,
        )
    ageing = asyncio.create_task(_expire(pool))
    try:
        yield pool
    finally:
        ageing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ageing
        await pool.close()


async def connect(url: str, logins: Logins | None, tls: ssl.SSLContext | None, **options: Any) -> Any:
    """Open one connection; a login that the server refuses is asked for once more."""
    # After a failover the name may lead to a reader for a while.
    options = {"timeout": CONNECT_SECONDS, "target_session_attrs": "read-write", **options}
    if tls is not None:
        options["ssl"] = tls
    if logins is None:
        with database_errors():
            return await asyncpg.connect(url, **options)
    login = await logins.current()
    try:
        with database_errors():
            return await asyncpg.connect(url, user=login.user, password=login.password, **options)
    except LoginRefused:
        if not logins.refused(login):
            raise
    login = await logins.current()
    with database_errors():
        return await asyncpg.connect(url, user=login.user, password=login.password, **options)


async def _as_it_is(_: Any) -> None:
    """A transaction that is left open is rolled back by the pool itself; nothing else is ever set on a connection, and
    asking the server to forget it would be a round trip for every use."""


async def _expire(pool: Any) -> None:
    while True:
        await asyncio.sleep(LIFETIME_SECONDS)
        await pool.expire_connections()
