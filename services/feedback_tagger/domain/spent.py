"""What asking about rows has cost, and what a second look at a sample of the answers has shown."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

NANO = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Tokens as the models counted them; ``nano_usd`` is billionths of a dollar by the price file.

    ``unpriced_calls`` were made to a model that the price file does not have: their cost is unknown, not nothing.
    """

    calls: int = 0
    throttles: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    nano_usd: int = 0
    unpriced_calls: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(Spent)})


NOTHING = Spent()


def total(parts: Iterable[Spent]) -> Spent:
    return sum(parts, NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Of ``checked`` rows that were answered in a prompt of ``rows_per_prompt`` and asked again, ``agreed`` kept
    their label."""

    rows_per_prompt: int
    checked: int
    agreed: int
