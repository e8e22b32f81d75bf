"""The promise of a knowledge base: a question in, the best passages out, each with its source."""

from dataclasses import dataclass, field
from typing import Protocol

PASSAGES_WANTED = 3


@dataclass(frozen=True, slots=True)
class Passage:
    text: str = field(repr=False)
    source: str


class KnowledgeBase(Protocol):
    """Raises TransientError or PermanentError."""

    async def search(self, query: str) -> tuple[Passage, ...]:
        """At most three passages, best first; none if nothing fits."""
        ...
