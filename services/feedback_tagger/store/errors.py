"""What asyncpg and the socket beneath it raise, told apart: may pass, or will not."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from shared.errors import PermanentError, TransientError

# SQLSTATE classes whose cause is in the values: data exception, integrity constraint violation. A statement that is
# itself wrong (class 42) is neither: it may be a migration on its way or a bug, and the loop counts it as a failure.
REFUSED_VALUES = ("22", "23")
WRONG_STATEMENT = "42"


@contextmanager
def database_errors() -> Iterator[None]:
    """Translate whatever a database call inside the block raises; chain the original, whose text may hold values."""
    try:
        yield
    except asyncpg.PostgresError as error:
        state = str(getattr(error, "sqlstate", "") or "")
        if state.startswith(WRONG_STATEMENT):
            raise
        if state.startswith(REFUSED_VALUES):
            raise PermanentError(f"PostgreSQL refuses the values: {type(error).__name__} ({state})") from error
        raise TransientError(f"PostgreSQL: {type(error).__name__} ({state})") from error
    except asyncpg.DataError as error:
        raise PermanentError(f"PostgreSQL cannot take the values: {type(error).__name__}") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise TransientError(f"PostgreSQL: {type(error).__name__}: {error}") from error
