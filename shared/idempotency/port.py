"""The promise of claims: one holder at a time, who may be replaced once its time ran out, and one remembered result."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from shared.errors import TransientError


@dataclass(frozen=True, slots=True)
class Claimed:
    """The work is the caller's until ``until`` (seconds since the epoch), longer if it renews.

    ``token`` is the fencing token: larger than that of every earlier holder of the key, also after the key was
    forgotten. A store that remembers the largest token it saw can refuse an ex-holder who wakes up late.
    """

    key: str
    token: int
    until: float


@dataclass(frozen=True, slots=True)
class InProgress:
    """Someone else holds it until ``until``, or renews; ask again then."""

    until: float


@dataclass(frozen=True, slots=True)
class Completed:
    """Done before; ``result`` is what the holder left."""

    result: str


Claim: TypeAlias = Claimed | InProgress | Completed


class ClaimLost(TransientError):
    """The claim ran out and someone else took it, or finished it: stop, for they may be at work."""


class Idempotency(Protocol):
    """Claims by key. Every call may raise TransientError or PermanentError; then nothing is known about its effect.

    An ambiguous failure keeps the claim: only ``release`` (which says that nothing happened) or time frees a key, so
    work that may have had its effect is not begun by another before ``until``. Tasks judge ``until`` by their own
    clocks: claim for much longer than clocks differ.
    """

    async def claim(self, key: str, *, owner: str, ttl_seconds: float) -> Claim:
        """Take the key if nobody holds it, its holder's time ran out, or it was released. ``owner`` is for reading."""
        ...

    async def renew(self, claimed: Claimed, *, ttl_seconds: float) -> Claimed:
        """Hold it until ``ttl_seconds`` from now. Raises ClaimLost if it was released, or another took or finished it;
        a claim that only ran out is renewed."""
        ...

    async def complete(self, claimed: Claimed, result: str, *, remember_seconds: float) -> None:
        """Remember ``result`` for every later claim. Doing so again is no error. Raises ClaimLost as ``renew`` does."""
        ...

    async def release(self, claimed: Claimed) -> None:
        """Let others have it at once: for work of which nothing happened. Does nothing if the claim is lost."""
        ...
