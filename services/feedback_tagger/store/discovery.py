"""The promise of what discovery keeps: which texts it has seen, what they mean, where each belongs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from services.feedback_tagger.domain.spent import NOTHING, Spent


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """A stored row without a label, of a run that is over or of none."""

    row_id: int
    title: str | None = field(repr=False)
    feedback: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Vector:
    digest: str
    numbers: Sequence[float] = field(repr=False)
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    digest: str
    distance: float


@dataclass(frozen=True, slots=True)
class NewProposal:
    centroid: Sequence[float] = field(repr=False)
    members: Sequence[Member] = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownProposal:
    """One that still takes texts: proposed or rejected."""

    proposal_id: int
    centroid: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grown:
    """A proposal with other members than when somebody last asked whether it holds two subjects; ``texts`` counts
    them."""

    proposal_id: int
    texts: int


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A proposal without a name, its middle, and texts near to it."""

    proposal_id: int
    pass_no: int
    centroid: Sequence[float] = field(repr=False)
    texts: Sequence[str] = field(repr=False)
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """All that one pass decides; ``seen`` are the texts it looked at."""

    joined: Sequence[tuple[int, Member]]
    new: Sequence[NewProposal]
    seen: Sequence[str] = field(repr=False)
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """``number`` is that of the pass under way; ``texts`` wait for their first look."""

    number: int
    texts: int


class DiscoveryStore(Protocol):
    """Raises TransientError and PermanentError as the stores do. Every method may be repeated after a kill."""

    async def fresh_rows(self, *, at_most: int) -> list[UnknownRow]:
        """Rows that nobody has noted, by their ids."""
        ...

    async def note_rows(self, digests: Mapping[int, str]) -> None:
        """The text of each row. A text that was decided on before labels the row too, piece by piece from now on."""
        ...

    async def waiting(self) -> int:
        """How many texts wait for their first look."""
        ...

    async def begin_pass(self) -> Pass:
        """The pass under way, or the next one."""
        ...

    async def note_quote(self, number: int, *, texts: int, nano_usd: int) -> None: ...

    async def without_vector(self, model_id: str, *, at_most: int) -> list[tuple[str, UnknownRow]]:
        """Texts that wait, each by one of its rows."""
        ...

    async def keep_vectors(
        self, number: int, model_id: str, vectors: Sequence[Vector], spent: Spent, problems: Mapping[str, str]
    ) -> None:
        """What embedding gave and cost; ``problems`` by text says why one has none."""
        ...

    async def vectors(self, digests: Sequence[str], model_id: str) -> list[Vector]: ...

    async def unplaced(self, model_id: str, *, at_most: int) -> list[Vector]:
        """Texts in no proposal: those that wait and those that were left over."""
        ...

    async def taking(self, model_id: str) -> list[KnownProposal]: ...

    async def place(self, number: int, model_id: str, placing: Placing) -> bool:
        """End the pass with what it decided, whole or not at all. False, and nothing changed, if it has ended, or if
        somebody has decided meanwhile about a proposal that texts were to join."""
        ...

    async def unnamed(self, model_id: str, *, texts: int) -> list[Unnamed]: ...

    async def keep_name(
        self, proposal_id: int, name: str, description: str, *, extends: str, near: int | None, spent: Spent = NOTHING
    ) -> None:
        """Unless it has one."""
        ...

    async def grown(self, model_id: str) -> list[Grown]:
        """Those that wait for a decision."""
        ...

    async def members(self, proposal_id: int) -> list[Vector]:
        """The texts of a proposal that have a vector of its own model."""
        ...

    async def keep_parts(self, proposal_id: int, *, texts: int, parts: Sequence[int]) -> None:
        """How many texts each subject would have that it was found to hold, when it had ``texts``; none: it is one."""
        ...

    async def category_texts(self, *, each: int) -> list[tuple[str, list[UnknownRow]]]:
        """Every category with some rows that have its label, the oldest first."""
        ...

    async def summary(self) -> Mapping[str, Any]:
        """What discovery came to so far, and cost, as JSON values."""
        ...
