"""The promise of an embedder: a text in, a vector of unit length out, with the tokens it cost."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Embedding:
    vector: tuple[float, ...] = field(repr=False)
    tokens: int


class Embedder(Protocol):
    """The same text gives the same vector. Raises Throttled, TransientError, or PermanentError for an empty text."""

    async def embed(self, text: str) -> Embedding: ...
