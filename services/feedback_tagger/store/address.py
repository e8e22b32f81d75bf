"""What DATABASE_URL says: which engine, where, as whom, and whether the way there needs TLS."""

import ipaddress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from shared.errors import BadInput

EngineName: TypeAlias = Literal["postgres", "mysql"]

_ENGINES: dict[str, tuple[EngineName, int]] = {
    "postgres": ("postgres", 5432),
    "postgresql": ("postgres", 5432),
    "mysql": ("mysql", 3306),
    "mariadb": ("mysql", 3306),
}
_EXAMPLE = "write it as postgresql://user:password@host:5432/database or mysql://user:password@host:3306/database"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """``socket`` is a path where the server is reached through one; ``url`` is the text as it was given."""

    engine: EngineName
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    socket: str = ""
    tls: bool
    url: str = field(repr=False)


def address_of(url: str) -> Address:
    """Read a URL. TLS is on, certificate and name verified, unless the server is on this machine.

    ``sslmode=disable`` in the URL turns it off, any other mode on: there is no unverified TLS.

    Raises BadInput, which does not repeat the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput(field="DATABASE_URL", problem="is no URL", remedy=_EXAMPLE) from None
    if parts.scheme not in _ENGINES:
        raise BadInput(field="DATABASE_URL", problem=f"has the scheme {parts.scheme!r}", remedy=_EXAMPLE)
    engine, usual_port = _ENGINES[parts.scheme]
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host = options.get("host") or parts.hostname or ""
    socket = options.get("socket") or options.get("unix_socket") or (host if host.startswith("/") else "")
    database = unquote(parts.path.removeprefix("/"))
    if not database:
        raise BadInput(field="DATABASE_URL", problem="names no database", remedy=_EXAMPLE)
    if not host and not socket and engine == "mysql":
        raise BadInput(field="DATABASE_URL", problem="names neither a host nor a socket", remedy=_EXAMPLE)
    return Address(
        engine=engine,
        host=host,
        port=port or int(options.get("port") or usual_port),
        database=database,
        user=unquote(parts.username or "") or options.get("user", ""),
        password=unquote(parts.password or ""),
        socket=socket,
        tls=_wants_tls(options.get("sslmode"), host=host, socket=socket),
        url=url,
    )


def _wants_tls(mode: str | None, *, host: str, socket: str) -> bool:
    if socket or not host:
        return False
    return mode != "disable" if mode else not _on_this_machine(host)


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
