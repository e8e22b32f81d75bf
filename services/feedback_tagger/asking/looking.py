"""What the pool looks up again and again, and may be a few seconds old: categories, and what a run came to so far."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from services.feedback_tagger.domain.run import RunState
from services.feedback_tagger.domain.spent import NANO, Agreement
from services.feedback_tagger.planner.tier import Tier
from services.feedback_tagger.store.port import RowStore, RunStore
from shared.clock import Now
from shared.errors import PermanentError

K = TypeVar("K")
V = TypeVar("V")

MOST_KEPT = 256
"""Runs that are under way at once are far fewer; what is beyond is looked up anew."""


@dataclass(slots=True)
class Recent(Generic[K, V]):
    """``read(key)``, asked again once the answer is older than ``seconds``; all who ask meanwhile wait for one answer.

    A pool's workers find an answer too old at the same moment, and adding up a large run takes a database a second.
    """

    read: Callable[[K], Awaitable[V]] = field(repr=False)
    now: Now = field(repr=False)
    seconds: float
    _kept: dict[K, tuple[float, V]] = field(init=False, default_factory=dict, repr=False)
    _under_way: "dict[K, asyncio.Task[V]]" = field(init=False, default_factory=dict, repr=False)

    async def __call__(self, key: K) -> V:
        kept = self._kept.get(key)
        # A clock that was set back must not keep an old answer for ever.
        if kept is not None and 0 <= self.now() - kept[0] < self.seconds:
            return kept[1]
        reading = self._under_way.get(key)
        if reading is None:
            reading = self._under_way[key] = asyncio.create_task(self._read_anew(key))
            # Where everybody who waited was cancelled, nobody else takes notice of an error.
            reading.add_done_callback(_notice)
        # One who is cancelled must not take the answer from the others.
        return await asyncio.shield(reading)

    async def _read_anew(self, key: K) -> V:
        try:
            value = await self.read(key)
        finally:
            del self._under_way[key]
        if len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = (self.now(), value)
        return value


def _notice(reading: "asyncio.Task[Any]") -> None:
    if not reading.cancelled():
        reading.exception()


@dataclass(slots=True, kw_only=True)
class Outlook:
    """What a run came to so far, as far as it decides how its next chunk is asked; ``seconds`` old at most.

    ``run_usd`` is what one run may cost, None: as much as it takes. Chunks that are under way when the last dollar goes
    are finished, so a run may exceed it by what its tasks have in work within ``seconds``.
    """

    runs: RunStore = field(repr=False)
    rows: RowStore = field(repr=False)
    run_usd: float | None
    now: Now = field(repr=False)
    seconds: float
    _states: Recent[str, RunState | None] = field(init=False, repr=False)
    _seen: Recent[str, list[Agreement]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._states = Recent(self.runs.run_state, self.now, self.seconds)
        self._seen = Recent(self.rows.agreement, self.now, self.seconds)

    async def seen(self, run_id: str) -> Sequence[Agreement]:
        """What the agreement check has found."""
        return await self._seen(run_id)

    async def tier(self, run_id: str) -> Tier:
        """What the run was quoted for."""
        state = await self._states(run_id)
        return "flex" if state is not None and state.expected.get("tier") == "flex" else "default"

    async def check_budget(self, run_id: str) -> None:
        """Raises PermanentError if the run has cost as much as it may: its further rows are for a person to decide."""
        if self.run_usd is None:
            return
        state = await self._states(run_id)
        if state is not None and state.spent.nano_usd >= self.run_usd * NANO:
            raise PermanentError(
                f"the run has cost the ${self.run_usd:g} that one run may (RUN_USD); raise it and redrive this chunk"
            )
