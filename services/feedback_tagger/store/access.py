"""The database's users and what each may do: the service its rows and runs, the dashboards their views, neither more.

Statements are decided here and run by the migration, after it, with the rights of whoever migrates.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.errors import BadInput

# What migrations alone may write.
SCHEMA_TABLES = ("feedback_schema", "feedback_schema_step")
# Chunks that died are forgotten when their file is uploaded again.
DELETED_FROM = ("feedback_chunk",)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Whom to let in; empty: nobody of that kind. The service signs in by IAM where the server can do that."""

    application_user: str = ""
    dashboard_user: str = ""
    dashboard_password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for variable, name in (("APPLICATION_USER", self.application_user), ("DASHBOARD_USER", self.dashboard_user)):
            if name and not _NAME.fullmatch(name):
                raise BadInput(field=variable, problem=f"is {name!r}", remedy="use letters, digits and _, at most 32")
        if self.dashboard_user and not self.dashboard_password:
            raise BadInput(field="DASHBOARD_USER", problem="has no password", remedy="set DASHBOARD_SECRET_ARN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the server has: names of tables and views of this database, of its users, and whether it knows IAM."""

    database: str
    tables: Sequence[str]
    views: Sequence[str]
    users: Sequence[str]
    iam: bool


def postgres_statements(access: Access, found: Found) -> list[str]:
    """Idempotent: a user that is there keeps its password or IAM and gets rights on what is new."""
    statements = []
    if user := access.application_user:
        if user not in found.users:
            statements.append(f'create role "{user}" login')
        if found.iam:
            statements.append(f'grant rds_iam to "{user}"')
        statements.append(f'grant usage on schema public to "{user}"')
        for table in found.tables:
            statements.append(f'grant {_rights(table)} on "{table}" to "{user}"')
        statements.append(f'grant usage on all sequences in schema public to "{user}"')
    if user := access.dashboard_user:
        password = access.dashboard_password.replace("'", "''")
        verb = "alter" if user in found.users else "create"
        statements += [
            # QuickSight's driver was last seen to know no other: with SCRAM it says "authentication type 10 is not
            # supported". Ours are random and long, so that the hash gives nothing away, and pass through TLS alone.
            "set local password_encryption = 'md5'",
            f"{verb} role \"{user}\" login password '{password}'",
            f'alter role "{user}" set default_transaction_read_only = on',
            f'grant usage on schema public to "{user}"',
            *(f'grant select on "{view}" to "{user}"' for view in found.views),
        ]
    return statements


def mysql_statements(access: Access, found: Found) -> list[str]:
    """As for PostgreSQL. A user without IAM gets a password that nobody knows: an empty one would open the door."""
    statements = []
    if user := access.application_user:
        if found.iam:
            how = "identified with AWSAuthenticationPlugin as 'RDS'"
        else:
            how = f"identified by '{secrets.token_hex(32)}'"
        statements.append(f"create user if not exists '{user}'@'%' {how}")
        if found.iam:
            # The token is a password in clear text: no TLS, no entry.
            statements.append(f"alter user '{user}'@'%' require ssl")
        for table in found.tables:
            statements.append(f"grant {_rights(table)} on `{found.database}`.`{table}` to '{user}'@'%'")
    if user := access.dashboard_user:
        password = access.dashboard_password.replace("\\", "\\\\").replace("'", "''")
        statements += [
            f"create user if not exists '{user}'@'%' identified by '{password}'",
            f"alter user '{user}'@'%' identified by '{password}'",
            *(f"grant select, show view on `{found.database}`.`{view}` to '{user}'@'%'" for view in found.views),
        ]
    return statements


def _rights(table: str) -> str:
    if table in SCHEMA_TABLES:
        return "select"
    return "select, insert, update, delete" if table in DELETED_FROM else "select, insert, update"
