"""As whom a connection is opened, asked anew for each one: passwords rotate and tokens run out while a pool lives."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from json import JSONDecodeError, loads
from typing import Protocol, TypeAlias

from shared.clock import Now
from shared.errors import PermanentError, TransientError

# Long enough that a burst of new connections reads a secret once, short enough that a rotation is over soon.
SECRET_SECONDS = 300.0

ReadText: TypeAlias = Callable[[], Awaitable[str]]
"""A token or a secret as it is now; raises TransientError or PermanentError."""


@dataclass(frozen=True, slots=True)
class Login:
    user: str
    password: str = field(repr=False)


class Logins(Protocol):
    """Every new connection asks ``current``; nothing here is used by a connection that stands."""

    @property
    def clear_text(self) -> bool:
        """The server must see the password itself (an IAM token), so it may travel through TLS alone."""
        ...

    async def current(self) -> Login: ...

    def refused(self, login: Login) -> bool:
        """The server would not have ``login``; whether ``current`` may give another one now."""
        ...


@dataclass(frozen=True, slots=True)
class FixedLogin:
    """User and password of the URL."""

    login: Login
    clear_text: bool = field(init=False, default=False)

    async def current(self) -> Login:
        return self.login

    def refused(self, login: Login) -> bool:  # noqa: ARG002  # there is no other
        return False


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A fresh IAM token for each connection: it is signed here and costs no call."""

    user: str
    token: ReadText = field(repr=False)
    clear_text: bool = field(init=False, default=True)

    async def current(self) -> Login:
        return Login(self.user, await self.token())

    def refused(self, login: Login) -> bool:  # noqa: ARG002  # a second token would be as good as the first
        return False


@dataclass(slots=True)
class SecretLogin:
    """User and password of a secret as RDS keeps it (JSON with ``username`` and ``password``).

    Read again when it is older than SECRET_SECONDS, and at once when the server refuses what it said before.
    """

    read: ReadText = field(repr=False)
    now: Now = field(repr=False)
    clear_text: bool = field(init=False, default=False)
    _login: Login | None = field(init=False, default=None)
    _read_at: float = field(init=False, default=0.0)

    async def current(self) -> Login:
        if self._login is None or not 0 <= self.now() - self._read_at < SECRET_SECONDS:
            try:
                self._login = login_of(await self.read())
            except PermanentError as error:
                # No row is to blame for a secret that is missing or forbidden, and it may be mended any time.
                raise TransientError(f"the database's secret: {error}") from error
            self._read_at = self.now()
        return self._login

    def refused(self, login: Login) -> bool:
        if self._login == login:
            self._login = None
        return True


def login_of(secret: str) -> Login:
    """Raises PermanentError, which does not repeat the secret."""
    try:
        found = loads(secret)
        return Login(str(found["username"]), str(found["password"]))
    except (JSONDecodeError, KeyError, TypeError):
        raise PermanentError("is no JSON object with username and password") from None
