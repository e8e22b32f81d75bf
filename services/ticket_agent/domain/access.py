"""Access to an environment: ordered types, standing rows, grants that end, and what somebody holds now.

Read < Write < Developer and DevOps < Admin: whoever holds a type holds all below it. Developer and DevOps lie side by
side and cover each other in neither direction: docs/decisions/access-types.md says why.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

SECONDS_PER_DAY = 86_400


class AccessType(Enum):
    """The value is the text that people write and rows hold."""

    READ = "Read"
    WRITE = "Write"
    DEVELOPER = "Developer"
    DEVOPS = "DevOps"
    ADMIN = "Admin"

    @property
    def text(self) -> str:
        return self.value

    @property
    def covers(self) -> frozenset["AccessType"]:
        """The types that a holder of this one holds, itself included."""
        return _COVERS[self]

    @classmethod
    def named(cls, text: str) -> "AccessType | None":
        """The type of that name in any case, None if there is none."""
        return _BY_NAME.get(text.strip().casefold())


_WRITERS = frozenset({AccessType.READ, AccessType.WRITE})
_COVERS = {
    AccessType.READ: frozenset({AccessType.READ}),
    AccessType.WRITE: _WRITERS,
    AccessType.DEVELOPER: _WRITERS | {AccessType.DEVELOPER},
    AccessType.DEVOPS: _WRITERS | {AccessType.DEVOPS},
    AccessType.ADMIN: frozenset(AccessType),
}
_BY_NAME = {access_type.text.casefold(): access_type for access_type in AccessType}
ACCESS_TYPE_NAMES = tuple(access_type.text for access_type in AccessType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A row of the reference's kind: access without an end. ``recorded`` is the type's text on the row, if any."""

    employee_id: str
    environment_id: str
    recorded: str | None = None

    @property
    def access_type(self) -> AccessType:
        # A row without a type, or with one nobody knows, is access, but never more than the least.
        return (AccessType.named(self.recorded) if self.recorded else None) or AccessType.READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Access that one ticket gave, and that ends. Times are seconds since the epoch."""

    employee_id: str
    environment_id: str
    access_type: AccessType
    ticket_id: str
    reason: str
    granted_at: int
    expires_at: int

    def active(self, now: float) -> bool:
        return now < self.expires_at


Holding: TypeAlias = Standing | Grant


def expiry(*, now: float, days: int) -> int:
    """The second at which access for ``days`` from ``now`` ends."""
    return int(now) + days * SECONDS_PER_DAY


def active_holdings(holdings: Iterable[Holding], now: float) -> list[Holding]:
    return [held for held in holdings if isinstance(held, Standing) or held.active(now)]


def covered(active: Iterable[Holding]) -> frozenset[AccessType]:
    """Every type that these holdings amount to."""
    return frozenset(access_type for held in active for access_type in held.access_type.covers)


def best_holding(active: Iterable[Holding], asked: AccessType | None) -> Holding | None:
    """The holding that covers ``asked`` and ends last, or never; without one, the holding that covers most."""

    def worth(held: Holding) -> tuple[bool, int, bool, int]:
        covers = held.access_type.covers
        ends = held.expires_at if isinstance(held, Grant) else 0
        return asked in covers, len(covers) if asked not in covers else 0, isinstance(held, Standing), ends

    return max(active, key=worth, default=None)
