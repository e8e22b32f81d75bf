"""The promise of what the sweeper asks of the database: which runs stand still, and how they come to an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ChunkId:
    run_id: str
    number: int


class Upkeep(Protocol):
    """Raises TransientError and PermanentError as the stores do. Times are the database's own."""

    async def note_waiting(self, run_id: str, *, seconds: float) -> None:
        """No chunk of the run is asked about for so long, because a budget is used up."""
        ...

    async def idle_runs(self, *, idle_seconds: float) -> list[str]:
        """Open runs that did not move for so long: no row read, no chunk sent, none ended, nothing waited for.

        Standing still is measured from the first call that finds a run where it is, by any task.
        """
        ...

    async def uncounted(self, chunks: Sequence[ChunkId]) -> set[ChunkId]:
        """Those of an open run that are neither done nor dead."""
        ...

    async def give_up(self, run_id: str, *, idle_seconds: float, problem: str) -> int | None:
        """End an idle run: each chunk that has not ended counts as dead, and lost; an ingest that was not over yet is
        now, with ``problem``.

        Returns how many chunks were lost; None, and nothing changed, if the run is over or has moved after all. A lost
        chunk that turns up later is done as any dead one, and opens the run again.
        """
        ...


def missing(total: int, there: Sequence[int]) -> list[int]:
    """The numbers below ``total`` that are not there."""
    return sorted(set(range(total)) - set(there))
