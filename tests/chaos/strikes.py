"""Carrying a schedule out against running tasks."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.chaos.fleet import Fleet, Task
from tests.chaos.schedule import Blow, Strike


class Cuttable(Protocol):
    """What a cut strikes: every connection that waits for an answer."""

    def cut_connections(self) -> int: ...


@dataclass(slots=True, kw_only=True)
class Striker:
    """Keeps as many tasks alive as one of ``numbers`` says while it strikes them. ``pause_seconds`` outlasts what a
    task holds; without a ``proxy`` no connection can be cut."""

    fleet: Fleet
    die: random.Random
    pause_seconds: float
    proxy: Cuttable | None = None
    numbers: Sequence[int] = (2, 3, 3, 4)
    dealt: Counter[str] = field(default_factory=Counter)
    _asleep: list["asyncio.Task[None]"] = field(default_factory=list)
    _ending: list["asyncio.Task[float]"] = field(default_factory=list)

    async def run(self, strikes: Sequence[Strike]) -> None:
        """Every strike at its time, or as soon after it as a victim is there; then wake everybody."""
        clock = asyncio.get_running_loop().time
        began = clock()
        for strike in strikes:
            await asyncio.sleep(max(0.0, began + strike.at - clock()))
            await self.deal(strike)
        await self.settled()

    async def settled(self) -> None:
        """Until everybody who was paused is awake, and who was asked to stop has ended."""
        await asyncio.gather(*self._asleep, *self._ending)

    async def deal(self, strike: Strike) -> None:
        """One strike, now, whatever its time."""
        self.fleet.look_for_crashes()
        self.dealt[strike.blow.name.lower()] += 1
        if strike.blow is Blow.CUT:
            assert self.proxy is not None, "a schedule with cuts needs a proxy"
            self.proxy.cut_connections()
            return
        victims = self.fleet.awake()
        if not victims:
            victims = await self.fleet.start()
        victim = victims[int(strike.victim * len(victims))]
        if strike.blow is Blow.PAUSE:
            self.fleet.pause(victim)
            self._asleep.append(asyncio.create_task(self._wake_later(victim)))
        elif strike.blow is Blow.KILL:
            await self.fleet.kill(victim)
        else:
            # It drains while its successor starts, as in a deploy.
            self._ending.append(asyncio.create_task(self.fleet.stop(victim)))
            # It must have been asked by the time that tasks are counted, or nobody is started in its place.
            await asyncio.sleep(0)
        await self._make_up_numbers()

    async def _make_up_numbers(self) -> None:
        wanted = self.die.choice(self.numbers)
        missing = wanted - len(self.fleet.awake())
        if missing > 0:
            await self.fleet.start(how_many=missing)

    async def _wake_later(self, victim: Task) -> None:
        await asyncio.sleep(self.pause_seconds)
        self.fleet.wake(victim)
