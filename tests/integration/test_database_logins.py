"""How connections to real servers are opened and kept: rotated passwords, fresh tokens, verified TLS, lost links."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import pytest

from local.postgres import running_postgres
from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.store import mysql
from services.feedback_tagger.store.address import Address
from services.feedback_tagger.store.logins import SECRET_SECONDS, FixedLogin, Login, SecretLogin, TokenLogin
from services.feedback_tagger.store.opened import door_to, migrate_store, open_store
from services.feedback_tagger.store.port import ChunkResult, LabelledRow, NewRun
from shared.aws.clients import aws_session, open_client
from shared.aws.database_login import iam_token, secret_text
from shared.errors import BadInput, TransientError
from tests.support.certificates import an_authority, signed_by
from tests.support.cloud import AwsClients
from tests.support.databases import NO_MYSQL, Sql
from tests.support.mariadb import running_mariadb, server_program
from tests.support.waiting import eventually

ReadText: TypeAlias = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Guarded:
    """A database whose user ``svc`` needs a password, and whoever may change it."""

    admin: Sql
    url: str

    async def set_password(self, password: str) -> None:
        if self.admin.engine == "postgres":
            await self.admin.run(f"alter role svc login password '{password}'")
        else:
            await self.admin.run(f"alter user 'svc'@'%' identified by '{password}'")

    async def hang_up(self) -> None:
        """Close every connection of ``svc``, as a restart would."""
        if self.admin.engine == "postgres":
            await self.admin.rows("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'svc'")
            return
        for (number,) in await self.admin.rows("select id from information_schema.processlist where user = 'svc'"):
            await self.admin.run(f"kill {number}")

    async def connections(self) -> int:
        if self.admin.engine == "postgres":
            return int(await self.admin.value("select count(*) from pg_stat_activity where usename = 'svc'"))
        return int(await self.admin.value("select count(*) from information_schema.processlist where user = 'svc'"))


@pytest.fixture(params=["postgres", "mysql"])
def guarded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guarded]:
    if request.param == "mysql":
        admin = Sql(request.getfixturevalue("mysql_database"))
        asyncio.run(migrate_store(door_to(admin.url)))
        name = urlsplit(admin.url).path.removeprefix("/")
        asyncio.run(admin.run("drop user if exists 'svc'@'%'"))
        asyncio.run(admin.run("create user 'svc'@'%' identified by 'first'"))
        asyncio.run(admin.run(f"grant all on {name}.* to 'svc'@'%'"))
        query = urlsplit(admin.url).query
        where = f"/{name}?{query}" if query else f"{urlsplit(admin.url).netloc.rsplit('@')[-1]}/{name}"
        yield Guarded(admin, f"mysql://svc:first@{where}")
        return
    with running_postgres(tmp_path) as server:
        admin = Sql(server.create_database("guarded"))
        asyncio.run(migrate_store(door_to(admin.url)))
        asyncio.run(admin.run("create role svc login superuser password 'first'"))
        rules = Path(asyncio.run(admin.value("show hba_file")))
        rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n", encoding="utf-8")
        asyncio.run(admin.rows("select pg_reload_conf()"))
        yield Guarded(admin, admin.url.replace("postgres@", "svc:first@"))


@pytest.fixture
def secret(aws: AwsClients) -> str:
    created = aws("secretsmanager").create_secret(
        Name="database", SecretString=json.dumps({"username": "svc", "password": "first"})
    )
    return str(created["ARN"])


async def test_a_pool_outlives_the_rotation_of_its_secret(guarded: Guarded, secret: str, aws: AwsClients) -> None:
    async with open_client(aws_session(), "secretsmanager") as manager:
        logins = SecretLogin(secret_text(manager, arn=secret), lambda: 0.0)
        async with open_store(door_to(guarded.url, logins=logins), connections=2) as store:
            assert (await store.rows.taxonomy()).names
            await guarded.set_password("second")
            aws("secretsmanager").put_secret_value(
                SecretId=secret, SecretString=json.dumps({"username": "svc", "password": "second"})
            )
            # What stands is kept: a rotation closes nothing.
            assert (await store.rows.taxonomy()).names
            await guarded.hang_up()

            async def works_again() -> bool:
                try:
                    return bool((await store.rows.taxonomy()).names)
                except TransientError:
                    return False  # The connection that was cut; the next one is new.

            await eventually(works_again, what="a connection with the new password")
    aws("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)


async def test_a_wrong_password_is_said_so_and_may_be_mended(guarded: Guarded) -> None:
    wrong = FixedLogin(Login("svc", "not it"))
    async with open_store(door_to(guarded.url, logins=wrong), connections=1) as store:
        with pytest.raises(TransientError, match="refuses the login"):
            await store.rows.taxonomy()


async def test_every_new_connection_asks_for_a_token_of_its_own(guarded: Guarded) -> None:
    asked: list[str] = []

    async def token() -> str:
        # As if each token were good for one connection alone.
        asked.append(f"token-{len(asked)}")
        await guarded.set_password(asked[-1])
        return asked[-1]

    door = replace(door_to(guarded.url), logins=TokenLogin("svc", token))
    async with open_store(door, connections=3) as store:
        assert (await store.rows.taxonomy()).names
        assert (await store.rows.taxonomy()).names
        assert asked == ["token-0"]
        await guarded.hang_up()

        async def works_again() -> bool:
            try:
                return bool((await store.rows.taxonomy()).names)
            except TransientError:
                return False

        await eventually(works_again, what="a connection with the second token")
        assert asked[:2] == ["token-0", "token-1"]


async def test_a_connection_that_is_cut_in_a_transaction_leaves_nothing_and_may_be_tried_again(
    guarded: Guarded,
) -> None:
    async with open_store(door_to(guarded.url), connections=2) as store:
        await store.runs.open_run(
            NewRun(run_id="run-1", bucket="b", key="k", task="categorise", rows_per_chunk=20, sequencer="1")
        )
        found = [
            LabelledRow(Row(line=line, identity=name, feedback=Feedback(feedback=name)), "Payment")
            for line, name in enumerate("am", start=2)
        ]
        chunk = ChunkResult(run_id="run-1", chunk_no=0, row_count=2, labelled=found)

        async def waits() -> bool:
            return await guarded.admin.waiting() >= 1

        held = "insert into customer_feedback (feedback, row_identity) values ('not to stay', 'm')"
        async with guarded.admin.holding(held):
            work = asyncio.ensure_future(store.rows.finish_chunk(chunk))
            await eventually(waits, what="the chunk at the row that is held")
            await guarded.hang_up()
            with pytest.raises(TransientError):
                await work
        assert await guarded.admin.value("select count(*) from customer_feedback") == 0
        assert not await store.rows.chunk_is_done("run-1", 0)
        assert await store.rows.finish_chunk(chunk)
        assert await guarded.admin.value("select count(*) from customer_feedback") == 2


async def test_a_cancelled_statement_gives_its_answer_to_nobody_else(guarded: Guarded) -> None:
    async with open_store(door_to(guarded.url), connections=1) as store:

        async def waits() -> bool:
            return await guarded.admin.waiting() >= 1

        found = [LabelledRow(Row(line=2, identity="m", feedback=Feedback(feedback="m")), "Payment")]
        held = "insert into customer_feedback (feedback, row_identity) values ('not to stay', 'm')"
        async with guarded.admin.holding(held):
            work = asyncio.ensure_future(store.rows.add_singles(found, execution_ids=["m-1"]))
            await eventually(waits, what="the row that is held")
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
        assert await store.rows.known(["m", "n"]) == set()
        assert await store.rows.add_singles(found, execution_ids=["m-1"]) == 1


async def test_connections_of_the_mysql_pool_are_retired_by_age_and_by_the_server(mysql_database: str) -> None:
    await migrate_store(door_to(mysql_database))
    door, clock = door_to(mysql_database), [0.0]
    opened: list[mysql.Connection] = []

    async def connect() -> mysql.Connection:
        opened.append(await mysql.connect(door.address, door.logins, door.tls))
        return opened[-1]

    pool = mysql.MysqlPool(connect, connections=2, lifetime=60.0, now=lambda: clock[0])
    for _ in range(3):
        async with pool.session() as session:
            await session.fetch("select 1")
    assert len(opened) == 1
    clock[0] = 61.0
    async with pool.session() as session:
        await session.fetch("select 1")
    assert len(opened) == 2
    assert opened[0].closed
    await Sql(mysql_database).run(f"kill {opened[1].thread_id()}")

    async def seen() -> bool:
        return not opened[1].usable

    await eventually(seen, what="the end of the connection")
    async with pool.session() as session:
        await session.fetch("select 1")
    assert len(opened) == 3
    await pool.close()
    assert all(connection.closed for connection in opened)


async def test_an_iam_token_names_host_user_and_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    async with open_client(aws_session(), "rds") as rds:
        token = await iam_token(rds, host="db.example", port=3306, user="deskhand_app")()
    parts = urlsplit("//" + token)
    query = parse_qs(parts.query)
    assert parts.netloc == "db.example:3306"
    assert (query["Action"], query["DBUser"], query["X-Amz-Expires"]) == (["connect"], ["deskhand_app"], ["900"])
    assert "/eu-central-1/rds-db/" in query["X-Amz-Credential"][0]


async def test_a_secret_is_read_again_when_it_is_old() -> None:
    reads, clock = [0], [0.0]

    async def read() -> str:
        reads[0] += 1
        return json.dumps({"username": "svc", "password": f"p{reads[0]}", "host": "ignored"})

    logins = SecretLogin(read, lambda: clock[0])
    assert [(await logins.current()).password for _ in range(3)] == ["p1"] * 3
    clock[0] = SECRET_SECONDS
    assert (await logins.current()).password == "p2"
    assert logins.refused(Login("svc", "p2"))
    assert (await logins.current()).password == "p3"


async def test_a_secret_without_a_password_is_said_so_without_showing_it() -> None:
    async def read() -> str:
        return '{"username": "svc", "pass": "hunter2"}'

    with pytest.raises(TransientError, match="username and password") as raised:
        await SecretLogin(read, lambda: 0.0).current()
    assert "hunter2" not in str(raised.value)


@dataclass(frozen=True, slots=True)
class Encrypted:
    url: str
    ca_file: str
    other_ca_file: str


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    """A server with a certificate for 127.0.0.1 alone, signed by a private authority."""
    if server_program() is None:
        pytest.skip(NO_MYSQL)
    folder = tmp_path_factory.mktemp("certificates")
    authority, other = an_authority(folder, "authority"), an_authority(folder, "other")
    server = signed_by(authority, folder, "server", alternatives="IP:127.0.0.1")
    options = [
        f"--ssl-ca=HOME/{authority.certificate.name}",
        f"--ssl-cert=HOME/{server.certificate.name}",
        f"--ssl-key=HOME/{server.key.name}",
    ]
    readable = [authority.certificate, server.certificate, server.key]
    with running_mariadb(folder, options=options, readable=readable) as running:
        yield Encrypted(
            running.dsn("mysql", host="127.0.0.1") + "?sslmode=verify-full",
            str(authority.certificate),
            str(other.certificate),
        )


async def the_cipher(url: str, ca_file: str) -> str:
    door = door_to(url, ca_file=ca_file)
    connection = await mysql.connect(door.address, door.logins, door.tls)
    try:
        ((_, cipher),) = [tuple(row.values()) for row in await mysql.Session(connection).fetch(
            "show session status like 'Ssl_cipher'"
        )]  # fmt: skip
        return str(cipher)
    finally:
        connection.close()


async def test_a_connection_is_encrypted_where_the_authority_is_known(encrypted: Encrypted) -> None:
    assert await the_cipher(encrypted.url, encrypted.ca_file)


@pytest.mark.parametrize("known", ["another authority", "the system's"])
async def test_a_certificate_of_an_unknown_authority_is_refused_and_the_remedy_named(
    encrypted: Encrypted, known: str
) -> None:
    ca_file = encrypted.other_ca_file if known == "another authority" else ""
    with pytest.raises(TransientError, match="DATABASE_CA_FILE"):
        await the_cipher(encrypted.url, ca_file)


async def test_a_certificate_that_is_made_out_to_another_host_is_refused(encrypted: Encrypted) -> None:
    # localhost is where the server is and not what its certificate says.
    with pytest.raises(TransientError, match="cannot be verified"):
        await the_cipher(encrypted.url.replace("127.0.0.1", "localhost"), encrypted.ca_file)


async def test_a_server_without_tls_gets_no_password(mysql_database: str) -> None:
    with running_mariadb() as plain:
        url = plain.dsn("mysql", host="127.0.0.1")
        assert not await the_cipher(url, "")
        with pytest.raises(TransientError, match="offers no TLS"):
            await the_cipher(url + "?sslmode=verify-full", "")


async def test_a_token_travels_through_tls_alone(encrypted: Encrypted) -> None:
    password = urlsplit(encrypted.url).password or ""

    async def token() -> str:
        return password

    door = door_to(encrypted.url, ca_file=encrypted.ca_file, logins=TokenLogin("root", token))
    (await mysql.connect(door.address, door.logins, door.tls)).close()
    with pytest.raises(BadInput, match="plain text"):
        door_to(encrypted.url.replace("verify-full", "disable"), logins=TokenLogin("root", token))


def an_address(url: str) -> Address:
    return door_to(url).address


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("postgresql://u:p@db.example/d", True),
        ("postgresql://u:p@db.example/d?sslmode=prefer", True),
        ("postgresql://u:p@db.example/d?sslmode=disable", False),
        ("postgresql://u@/d?host=/run/postgresql", False),
        ("mysql://u:p@10.0.0.7:3307/d", True),
        ("mysql://u:p@127.0.0.1/d", False),
        ("mysql://u:p@[::1]/d", False),
        ("mariadb://u:p@localhost/d", False),
        ("mysql://u:p@/d?socket=/run/mysqld/mysqld.sock", False),
    ],
)
def test_tls_is_on_unless_the_server_is_on_this_machine(url: str, tls: bool) -> None:
    assert (door_to(url).tls is not None) is tls


@pytest.mark.parametrize("url", ["mysql://h", "oracle://u:hunter2@h/d", "mysql:///d", "mysql://u:hunter2@h:port/d", ""])
def test_a_url_that_leads_nowhere_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(BadInput, match="DATABASE_URL") as raised:
        door_to(url)
    assert "hunter2" not in str(raised.value)


def test_parts_of_a_url_are_decoded() -> None:
    address = an_address("mysql://us%40er:p%2Fw@h:3307/d%C3%A4ta")
    assert (address.user, address.password, address.port, address.database) == ("us@er", "p/w", 3307, "däta")
