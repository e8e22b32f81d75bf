"""The tasks of one run as real processes: started, killed, stopped, paused, woken; and how each of them ended."""

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from local.processes import Command, LeashedProcess, inherited_environment, start_leashed
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
EXIT_SLACK_SECONDS = 3.0
"""From the end of the drain to the end of the process: closing connections, leaving Python, our own polling."""


@dataclass(slots=True, eq=False)
class Task:
    """One process. ``expected`` are the exit statuses that its end may have, by what was done to it."""

    name: str
    process: LeashedProcess
    output: Path
    pid: int = 0
    expected: tuple[int, ...] = ()
    stop_asked_at: float | None = None
    paused: bool = False

    def lines(self) -> list[dict[str, object]]:
        """What it printed, as far as it is JSON."""
        found = []
        for line in self.output.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def running(self) -> bool:
        return self.process.exit_status() is None

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


@dataclass(slots=True)
class Fleet:
    """``problems`` collects every task that ended as it should not have."""

    module: str
    environment: Mapping[str, str]
    folder: Path
    drain_seconds: float
    tasks: list[Task] = field(default_factory=list)
    ended: list[Task] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def start(self, *, how_many: int = 1) -> list[Task]:
        """Start tasks side by side and wait until each has printed its process id; by then its signals are handled."""
        begun = [self._start() for _ in range(how_many)]
        for task in begun:
            await eventually(partial(self._ready, task), within=START_SECONDS, what=f"{task.name}'s start")
        self.tasks += begun
        return begun

    def _start(self) -> Task:
        name = f"task-{next(self._numbers)}"
        output = self.folder / f"{name}.out"
        command = Command(
            name=name,
            arguments=[sys.executable, "-m", self.module],
            log=self.folder / f"{name}.err",
            environment={**inherited_environment(), **self.environment, "TASK_ID": name},
            folder=ROOT,
            output=output,
            grace_seconds=2.0,
        )
        return Task(name, start_leashed(command), output)

    async def _ready(self, task: Task) -> bool:
        assert task.running(), f"{task.name} did not start: {task.process.log_tail()}"
        ready = next((line for line in task.lines() if "ready" in line), None)
        task.pid = int(str(ready["ready"])) if ready else 0
        return ready is not None

    def awake(self) -> list[Task]:
        return [task for task in self.tasks if not task.paused and task.stop_asked_at is None]

    async def kill(self, task: Task) -> None:
        """SIGKILL, and wait until it is gone."""
        task.expected = (128 + signal.SIGKILL,)
        task.signal(signal.SIGKILL)
        await self._gone(task, within=10.0)

    async def stop(self, task: Task) -> float:
        """SIGTERM; the task must exit with status 0 inside its drain limit. Returns the seconds it took."""
        task.expected = (0,)
        task.stop_asked_at = time.monotonic()
        task.signal(signal.SIGTERM)
        await self._gone(task, within=self.drain_seconds + EXIT_SLACK_SECONDS)
        return time.monotonic() - task.stop_asked_at

    async def stop_all(self) -> None:
        await asyncio.gather(*(self.stop(task) for task in list(self.tasks)))

    def pause(self, task: Task) -> None:
        task.paused = True
        task.signal(signal.SIGSTOP)

    def wake(self, task: Task) -> None:
        task.signal(signal.SIGCONT)
        task.paused = False

    def look_for_crashes(self) -> None:
        """Move tasks that ended unasked out of the fleet and remember how."""
        for task in [task for task in self.tasks if not task.running()]:
            self._ended(task)

    async def _gone(self, task: Task, *, within: float) -> None:
        try:
            await eventually(lambda: _is_gone(task), within=within, what=f"the end of {task.name}")
        except AssertionError:
            self.problems.append(f"{task.name} still ran {within:.0f} s after it was asked to stop")
            task.expected = (*task.expected, 128 + signal.SIGKILL)
            task.signal(signal.SIGKILL)
            await eventually(lambda: _is_gone(task), what=f"the end of {task.name}")
        self._ended(task)

    def _ended(self, task: Task) -> None:
        if task not in self.tasks:
            return
        self.tasks.remove(task)
        self.ended.append(task)
        status = task.process.stop()
        if status not in task.expected:
            tail = "\n".join(task.output.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
            self.problems.append(f"{task.name} ended with status {status}:\n{task.process.log_tail()}\n{tail}")

    def close(self) -> None:
        """End what still runs, for the case that the test failed before it did so."""
        for task in list(self.tasks):
            task.signal(signal.SIGKILL)
            task.process.stop()


async def _is_gone(task: Task) -> bool:
    return not task.running()


@asynccontextmanager
async def fleet_of(
    module: str, environment: Mapping[str, str], folder: Path, *, drain_seconds: float
) -> AsyncIterator[Fleet]:
    """A fleet of ``python -m module`` that leaves nothing running."""
    fleet = Fleet(module, environment, folder, drain_seconds)
    try:
        yield fleet
    finally:
        fleet.close()
