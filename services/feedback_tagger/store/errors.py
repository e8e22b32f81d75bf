"""What asyncpg, aiomysql and the socket beneath them raise, told apart: may pass, or will not."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import asyncpg
import pymysql.err

from shared.backoff import Backoff, Uniform
from shared.errors import PermanentError, TransientError

T = TypeVar("T")

# SQLSTATE classes whose cause is in the values: data exception, integrity constraint violation. A statement that is
# itself wrong (class 42) is neither: it may be a migration on its way or a bug, and the loop counts it as a failure.
REFUSED_VALUES = ("22", "23")
WRONG_STATEMENT = "42"
# Serialization failure, deadlock.
POSTGRES_CONTENTION = ("40001", "40P01")
# ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_CHECKREAD of MariaDB.
MYSQL_CONTENTION = (1205, 1213, 1020)
# Access denied, access to the database denied, a user who must use a socket: rights that somebody mends or rotates.
MYSQL_LOGIN = (1044, 1045, 1698)
# Of a command, a column, a table or a routine.
MYSQL_RIGHTS = (1142, 1143, 1227, 1370)
# Values: too long, out of range, wrong, not of the column's character set, refused by a check or a key.
MYSQL_VALUES = frozenset({1048, 1062, 1264, 1265, 1292, 1366, 1406, 1411, 1416, 1451, 1452, 3819, 4025, 1690, 3140})

# No such column, syntax, no such table, no such function, other columns than values.
MYSQL_WRONG_STATEMENT = frozenset({1054, 1064, 1146, 1305, 1136})
# The server became a reader: --read-only, read-only mode, read-only transaction.
MYSQL_READ_ONLY = frozenset({1290, 1792, 1836})

TRIES = 6
AGAIN = Backoff(base=0.02, cap=0.5)


class Contended(TransientError):
    """The database rolled the transaction back because of another one; nothing of it happened."""


class LoginRefused(TransientError):
    """User or password are wrong, which a rotation may mend."""


async def retried(transaction: Callable[[], Awaitable[T]], uniform: Uniform) -> T:
    """Run a whole transaction again while the database gives way to others, a bounded number of times.

    A connection that is lost is not tried again here: nobody knows whether its commit arrived.
    """
    for attempt in range(TRIES - 1):
        try:
            return await transaction()
        except Contended:
            await asyncio.sleep(AGAIN.delay(attempt, uniform))
    return await transaction()


@contextmanager
def database_errors() -> Iterator[None]:
    """Translate whatever a PostgreSQL call inside the block raises; chain the original, whose text may hold values."""
    try:
        yield
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise LoginRefused(f"PostgreSQL refuses the login: {type(error).__name__} ({error.sqlstate})") from error
    except asyncpg.InsufficientPrivilegeError as error:
        # Of the service's user, before the migration that lets it in, or before it may what is new.
        raise TransientError(f"PostgreSQL: {error}; run the migrate command") from error
    except asyncpg.PostgresError as error:
        state = str(getattr(error, "sqlstate", "") or "")
        if state.startswith(WRONG_STATEMENT):
            raise
        if state.startswith(REFUSED_VALUES):
            raise PermanentError(f"PostgreSQL refuses the values: {type(error).__name__} ({state})") from error
        if state in POSTGRES_CONTENTION:
            raise Contended(f"PostgreSQL: {type(error).__name__} ({state})") from error
        raise TransientError(f"PostgreSQL: {type(error).__name__} ({state})") from error
    except asyncpg.DataError as error:
        raise PermanentError(f"PostgreSQL cannot take the values: {type(error).__name__}") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise TransientError(f"PostgreSQL: {_connection_problem(error)}") from error


@contextmanager
def mysql_errors() -> Iterator[None]:
    """Translate whatever a MySQL or MariaDB call inside the block raises; chain the original."""
    try:
        yield
    except pymysql.err.Error as error:
        number = mysql_number(error)
        if number in MYSQL_LOGIN:
            raise LoginRefused(f"MySQL refuses the login ({number})") from error
        if number in MYSQL_RIGHTS:
            raise TransientError(f"MySQL: {error}; run the migrate command") from error
        if number in MYSQL_CONTENTION:
            raise Contended(f"MySQL: {type(error).__name__} ({number})") from error
        if number in MYSQL_VALUES or isinstance(error, pymysql.err.DataError):
            raise PermanentError(f"MySQL refuses the values: {type(error).__name__} ({number})") from error
        if number in MYSQL_WRONG_STATEMENT or isinstance(error, pymysql.err.ProgrammingError):
            raise
        raise TransientError(f"MySQL: {_connection_problem(error.__cause__ or error)} ({number})") from error
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise TransientError(f"MySQL: {_connection_problem(error)}") from error


def mysql_number(error: pymysql.err.Error) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _connection_problem(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate cannot be verified ({error.verify_message}); DATABASE_CA_FILE must name the authorities"
            " that sign it, and DATABASE_URL the host that it is made out to"
        )
    return f"{type(error).__name__}: {error}"
