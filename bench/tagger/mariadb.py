"""Asking a MySQL or MariaDB database for one value."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import aiomysql


async def mysql_scalar(database_url: str, query: str) -> Any:
    """The first column of the first row, or None; ``database_url`` may name a socket instead of a port."""
    address = urlsplit(database_url)
    connection = await aiomysql.connect(
        host=address.hostname or "localhost",
        port=address.port or 3306,
        user=unquote(address.username or ""),
        password=unquote(address.password or ""),
        db=address.path.strip("/") or None,
        unix_socket=parse_qs(address.query).get("socket", [None])[0],
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(query)
            row = await cursor.fetchone()
            return row[0] if row else None
    finally:
        connection.close()
