"""A MariaDB server for the measurements that compare databases, where the machine has one."""

from typing import Any


async def mysql_scalar(database_url: str, query: str) -> Any:
    """One value from a MySQL or MariaDB database."""
    from urllib.parse import parse_qs, unquote, urlsplit  # noqa: PLC0415

    import aiomysql  # type: ignore[import-untyped]  # noqa: PLC0415

    address = urlsplit(database_url)
    socket = parse_qs(address.query).get("unix_socket", [None])[0]
    connection = await aiomysql.connect(
        host=address.hostname or "localhost",
        port=address.port or 3306,
        user=unquote(address.username or ""),
        password=unquote(address.password or ""),
        db=address.path.strip("/"),
        unix_socket=socket,
    )
    try:
        async with connection.cursor() as cursor:
            await cursor.execute(query)
            row = await cursor.fetchone()
            return row[0] if row else None
    finally:
        connection.close()
