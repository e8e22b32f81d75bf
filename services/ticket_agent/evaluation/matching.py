"""How a trajectory compares with the expected one: four matches over the names of the tools invoked. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MATCHES = ("strict", "unordered", "subset", "superset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """``strict``: the same calls in the same order. ``unordered``: the same calls, as often, in any order.

    ``subset``: nothing was called beyond what is expected. ``superset``: everything expected was called. A tool that is
    called twice counts twice in all of them.
    """

    strict: bool
    unordered: bool
    subset: bool
    superset: bool

    @property
    def closest(self) -> str:
        """The first of them that holds."""
        return next((name for name in MATCHES if getattr(self, name)), "none")


def match(invoked: Sequence[str], expected: Sequence[str]) -> Matches:
    made, wanted = Counter(invoked), Counter(expected)
    return Matches(
        strict=list(invoked) == list(expected),
        unordered=made == wanted,
        subset=made <= wanted,
        superset=made >= wanted,
    )
