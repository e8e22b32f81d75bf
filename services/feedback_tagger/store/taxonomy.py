"""The promise of changes to the categories: whole or not at all, each with a version, a sender and a reason."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from services.feedback_tagger.domain.command import Command
from services.feedback_tagger.store.discovery import NewProposal, Vector

Outcome: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KnownCategory:
    category_id: int
    name: str
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """``state``: proposed, accepted, rejected, merged or split. ``extends`` names the category that it looks like;
    ``parts`` has the sizes of the subjects that it seems to hold, if they are two."""

    proposal_id: int
    state: str
    name: str = ""
    description: str = ""
    extends: str = ""
    near: int | None = None
    category_id: int | None = None
    into: int | None = None
    part_of: int | None = None
    parts: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A row of a proposal as a person sees it."""

    row_id: int
    ref_id: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownProposal:
    proposal: Proposal
    texts: int
    rows: int
    examples: Sequence[Example] = field(repr=False)


class Changing(Protocol):
    """The categories while one change holds them: nobody else changes them meanwhile. Times are the database's."""

    async def categories(self, *, deleted: bool = False) -> list[KnownCategory]:
        """In the order of their ids; with the deleted ones if asked."""
        ...

    async def add(self, name: str) -> KnownCategory:
        """A new category, or a deleted one of that name brought back."""
        ...

    async def rename(self, category_id: int, name: str) -> None: ...

    async def delete(self, category_id: int) -> None:
        """Softly: no row loses its label."""
        ...

    async def relabel(self, old: str, new: str) -> None:
        """From now on, piece by piece, rows labelled ``old`` become ``new``; corrections go along."""
        ...

    async def proposal(self, proposal_id: int) -> Proposal | None: ...

    async def accept(self, proposal_id: int, category: KnownCategory) -> int:
        """Label its rows, piece by piece from now on; how many texts it has."""
        ...

    async def reject(self, proposal_id: int) -> None: ...

    async def name(self, proposal_id: int, name: str) -> None: ...

    async def merge(self, proposal_id: int, into: int) -> int:
        """Its texts go over to the other proposal; how many."""
        ...

    async def members(self, proposal_id: int) -> list[Vector]:
        """Its texts that have a vector of its own model."""
        ...

    async def split(self, proposal_id: int, parts: Sequence[NewProposal]) -> list[int]:
        """Proposals with these texts instead of it, their numbers in the same order. A text that is in no part goes to
        the first."""
        ...

    async def note(self, kind: str, reason: str, *, name: str = "", **ids: int | None) -> None:
        """Say what happened and why. ``ids``: proposal_id, category_id. Where the categories have changed since the
        last note, they get a version."""
        ...


Work: TypeAlias = Callable[[Changing], Awaitable[Outcome]]


class TaxonomyStore(Protocol):
    async def change(self, command: Command, work: Work) -> Outcome:
        """``work`` and its outcome in one transaction; a command that has ended is not done again. What ``work`` raises
        leaves everything as it was."""
        ...

    async def version(self) -> int: ...

    async def proposals(self, *, examples: int) -> list[ShownProposal]:
        """Those that wait for a decision, the largest first."""
        ...

    async def history(self, *, latest: int) -> list[Mapping[str, Any]]:
        """Events as JSON values, the latest first."""
        ...

    async def relabel_some(self, *, rows: int) -> int | None:
        """Go on with one change of labels by at most so many rows; how many changed. None: there is nothing to do."""
        ...
