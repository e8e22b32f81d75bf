"""What a database is like, for whoever looks after it: whose connection, which schema; nothing is changed."""

from dataclasses import dataclass

from services.feedback_tagger.store.address import EngineName
from services.feedback_tagger.store.migrations import migrations
from services.feedback_tagger.store.statements import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """``missing`` are migrations of this build that were not applied, ``newer`` numbers that this build lacks."""

    engine: EngineName
    user: str
    tls: bool
    missing: tuple[str, ...]
    newer: tuple[int, ...]


async def inspect(database: Database, engine: EngineName, *, tls: bool) -> DatabaseState:
    """Raises what the stores raise."""
    async with database.transaction() as statements:
        (who,) = await statements.fetch("select current_user as user_name")
        here = "current_schema()" if engine == "postgres" else "database()"
        named = "table_name = 'feedback_schema'"
        tables = await statements.fetch(
            f"select table_name from information_schema.tables where {named} and table_schema = {here}"  # noqa: S608
        )
        rows = await statements.fetch("select version from feedback_schema") if tables else []
    applied = {int(row["version"]) for row in rows}
    known = migrations(engine)
    return DatabaseState(
        engine=engine,
        user=str(who["user_name"]),
        tls=tls,
        missing=tuple(each.name for each in known if each.version not in applied),
        newer=tuple(sorted(applied - {each.version for each in known})),
    )
