"""The store that a URL leads to: the engine by its scheme, the login by how it authenticates."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.feedback_tagger.store import mysql, mysql_migrate, postgres, postgres_migrate
from services.feedback_tagger.store.access import Access
from services.feedback_tagger.store.address import Address, address_of
from services.feedback_tagger.store.batches import BatchStore
from services.feedback_tagger.store.command_log import SqlCommandLog
from services.feedback_tagger.store.commands import CommandLog
from services.feedback_tagger.store.corrections import CorrectionStore
from services.feedback_tagger.store.discovery import DiscoveryStore
from services.feedback_tagger.store.examples import ExampleStore
from services.feedback_tagger.store.logins import FixedLogin, Login, Logins
from services.feedback_tagger.store.mysql_batches import MysqlBatches
from services.feedback_tagger.store.mysql_outcomes import MysqlOutcomes
from services.feedback_tagger.store.mysql_rows import MysqlRows
from services.feedback_tagger.store.mysql_runs import MysqlRuns
from services.feedback_tagger.store.mysql_upkeep import MysqlUpkeep
from services.feedback_tagger.store.outcomes import OutcomeStore
from services.feedback_tagger.store.port import RowStore, RunStore
from services.feedback_tagger.store.postgres_batches import PostgresBatches
from services.feedback_tagger.store.postgres_outcomes import PostgresOutcomes
from services.feedback_tagger.store.postgres_rows import PostgresRows
from services.feedback_tagger.store.postgres_runs import PostgresRuns
from services.feedback_tagger.store.postgres_upkeep import PostgresUpkeep
from services.feedback_tagger.store.sql_corrections import SqlCorrections
from services.feedback_tagger.store.sql_discovery import SqlDiscovery
from services.feedback_tagger.store.sql_examples import SqlExamples
from services.feedback_tagger.store.sql_taxonomy import SqlTaxonomy
from services.feedback_tagger.store.statements import Database, MysqlDatabase, PostgresDatabase
from services.feedback_tagger.store.taxonomy import TaxonomyStore
from services.feedback_tagger.store.tls import tls_context
from services.feedback_tagger.store.upkeep import Upkeep
from shared.errors import BadInput


@dataclass(frozen=True, slots=True)
class Store:
    runs: RunStore
    rows: RowStore
    upkeep: Upkeep
    outcomes: OutcomeStore
    batches: BatchStore
    commands: CommandLog
    taxonomy: TaxonomyStore
    discovery: DiscoveryStore
    corrections: CorrectionStore
    examples: ExampleStore


@dataclass(frozen=True, slots=True)
class Door:
    """Everything it takes to open a connection."""

    address: Address
    logins: Logins = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)


def door_to(url: str, *, ca_file: str = "", logins: Logins | None = None) -> Door:
    """``logins``: whom to go in as; without it, the URL's own user and password. Raises BadInput."""
    address = address_of(url)
    logins = logins or FixedLogin(Login(address.user, address.password))
    tls = tls_context(address, ca_file)
    if logins.clear_text and tls is None:
        raise BadInput(
            field="DATABASE_AUTH",
            problem="is iam, whose token would travel in plain text",
            remedy="name the server by its host and leave TLS on",
        )
    return Door(address, logins, tls)


@asynccontextmanager
async def open_store(door: Door, *, connections: int) -> AsyncIterator[Store]:
    """At most ``connections`` at once, made when they are needed; all are closed at the end."""
    if door.address.engine == "mysql":
        async with mysql.mysql_pool(door.address, door.logins, door.tls, connections=connections) as pool:
            both = MysqlDatabase(pool)
            yield Store(
                MysqlRuns(pool),
                MysqlRows(pool),
                MysqlUpkeep(pool),
                MysqlOutcomes(pool),
                MysqlBatches(pool),
                SqlCommandLog(both),
                SqlTaxonomy(both),
                discovery=SqlDiscovery(both),
                corrections=SqlCorrections(both),
                examples=SqlExamples(both),
            )
    else:
        url, logins = door.address.url, _logins_of_postgres(door)
        async with postgres.postgres_pool(url, connections=connections, logins=logins, tls=door.tls) as pool:
            alike = PostgresDatabase(pool)
            yield Store(
                PostgresRuns(pool),
                PostgresRows(pool),
                PostgresUpkeep(pool),
                PostgresOutcomes(pool),
                PostgresBatches(pool),
                SqlCommandLog(alike),
                SqlTaxonomy(alike),
                discovery=SqlDiscovery(alike),
                corrections=SqlCorrections(alike),
                examples=SqlExamples(alike),
            )


@asynccontextmanager
async def open_database(door: Door) -> AsyncIterator[Database]:
    """One connection for an operator's own statements; closed at the end."""
    if door.address.engine == "mysql":
        async with mysql.mysql_pool(door.address, door.logins, door.tls, connections=1) as pool:
            yield MysqlDatabase(pool)
    else:
        url, logins = door.address.url, _logins_of_postgres(door)
        async with postgres.postgres_pool(url, connections=1, logins=logins, tls=door.tls) as pool:
            yield PostgresDatabase(pool)


async def migrate_store(door: Door, access: Access | None = None) -> list[str]:
    """Connect, apply what is missing of this build's migrations, let ``access`` in, leave; the names of those applied.

    A database that is ahead of this build is left alone: during a deploy old tasks run on the new schema.
    """
    if door.address.engine == "mysql":
        connection = await mysql.connect(door.address, door.logins, door.tls)
        try:
            return await mysql_migrate.migrate(mysql.Session(connection), access)
        finally:
            connection.close()
    connection = await postgres.connect(door.address.url, _logins_of_postgres(door), door.tls)
    try:
        return await postgres_migrate.migrate(connection, access)
    finally:
        await connection.close()


def _logins_of_postgres(door: Door) -> Logins | None:
    # libpq's own rules fill in what the URL leaves out: PGUSER, PGPASSWORD, a password file.
    of_the_url = FixedLogin(Login(door.address.user, door.address.password))
    return None if door.logins == of_the_url else door.logins
