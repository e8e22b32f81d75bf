"""The way to the database that the settings describe, made of AWS clients where they say so."""

import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from json import dumps

from aiobotocore.session import AioSession

from services.feedback_tagger.discovery.texts import row_digest
from services.feedback_tagger.settings import DatabaseSettings, MigrationSettings
from services.feedback_tagger.store.access import Access
from services.feedback_tagger.store.address import address_of
from services.feedback_tagger.store.erasing import Person, erase
from services.feedback_tagger.store.inspection import DatabaseState, inspect
from services.feedback_tagger.store.logins import Logins, SecretLogin, TokenLogin, login_of
from services.feedback_tagger.store.opened import Door, door_to, open_database
from shared.aws.clients import aws_session, open_client
from shared.aws.database_login import iam_token, put_secret_text, secret_text
from shared.clock import wall_clock
from shared.errors import PermanentError


async def open_door(settings: DatabaseSettings, session: AioSession, stack: AsyncExitStack) -> Door:
    """The clients that logins need live as long as ``stack``. Raises BadInput."""
    url = settings.database_url.get_secret_value()
    logins: Logins | None = None
    if settings.database_auth == "iam":
        address = address_of(url)
        rds = await stack.enter_async_context(open_client(session, "rds", connections=1))
        token = iam_token(rds, host=address.host, port=address.port, user=address.user)
        logins = TokenLogin(address.user, token)
    elif settings.database_auth == "secret":
        manager = await stack.enter_async_context(open_client(session, "secretsmanager", connections=2))
        logins = SecretLogin(secret_text(manager, arn=settings.database_secret_arn), wall_clock)
    return door_to(url, ca_file=settings.database_ca_file, logins=logins)


async def database_state(settings: DatabaseSettings) -> DatabaseState:
    """A look with the login of the settings. Raises BadInput, TransientError or PermanentError."""
    async with AsyncExitStack() as stack:
        door = await open_door(settings, aws_session(), stack)
        database = await stack.enter_async_context(open_database(door))
        return await inspect(database, door.address.engine, tls=door.tls is not None)


async def erase_person(settings: DatabaseSettings, person: Person, *, really: bool) -> Mapping[str, int]:
    """Rows by table that went, or would. Raises BadInput, TransientError or PermanentError."""
    async with AsyncExitStack() as stack:
        door = await open_door(settings, aws_session(), stack)
        database = await stack.enter_async_context(open_database(door))
        return await erase(database, person, digest_of=row_digest, really=really)


async def access_of(settings: MigrationSettings, session: AioSession) -> Access | None:
    """Whom the migration lets in, as far as the settings name anybody. Raises BadInput."""
    if not settings.application_user and not settings.dashboard_user:
        return None
    password = ""
    if settings.dashboard_user and settings.dashboard_secret_arn:
        async with open_client(session, "secretsmanager", connections=1) as manager:
            arn = settings.dashboard_secret_arn
            text = await secret_text(manager, arn=arn, empty_if_absent=True)()
            if not text:
                text = dumps({"username": settings.dashboard_user, "password": secrets.token_urlsafe(32)})
                await put_secret_text(manager, arn=arn, text=text)
        login = login_of(text)
        if login.user != settings.dashboard_user:
            raise PermanentError(f"the secret of the dashboards names another user than {settings.dashboard_user}")
        password = login.password
    return Access(
        application_user=settings.application_user,
        dashboard_user=settings.dashboard_user,
        dashboard_password=password,
    )
