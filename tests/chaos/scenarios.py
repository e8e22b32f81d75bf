"""One misfortune each, dealt at the moment that matters, and what the checks say about the build that met it.

Where chaos throws until something breaks, a scenario aims: short enough to meet every broken build in every test run.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from local.provisioning import Provisioned
from tests.chaos import stores
from tests.chaos.bridge_run import BridgeStores
from tests.chaos.consumer_run import FIFO, STANDARD, ConsumerStores
from tests.chaos.findings import BridgeRun, Finding, QueueRun, bridge_findings, queue_findings
from tests.chaos.fleet import Fleet, fleet_of
from tests.support.fault_proxy import Faults, fault_proxy
from tests.support.waiting import eventually

Scenario: TypeAlias = Callable[[Provisioned, Path, str], Awaitable[list[Finding]]]

DRAIN_SECONDS = 10.0
WITHIN = 40.0


def bodies(lane: str, count: int, *, seconds: float = 0.0, kind: str = "plain") -> list[dict[str, Any]]:
    """Messages of one lane, each handled for ``seconds``."""
    return [{"id": f"{lane}-{n}", "lane": lane, "kind": kind, "seconds": seconds} for n in range(1, count + 1)]


class Scene:
    """The stores and the fleet of one consumer scenario."""

    def __init__(self, stored: ConsumerStores, fleet: Fleet, queue: str) -> None:
        self.stored = stored
        self.fleet = fleet
        self.queue = queue
        self.sent: list[dict[str, Any]] = []

    async def send(self, messages: list[dict[str, Any]]) -> None:
        self.sent += messages
        await asyncio.to_thread(self.stored.send, self.queue, messages)

    def begun(self) -> Counter[str]:
        """How often each message was handed to a handler, over all tasks that ever lived."""
        tasks = self.fleet.tasks + self.fleet.ended
        return Counter(str(line["begun"]) for task in tasks for line in task.lines() if "begun" in line)

    async def until(self, check: Callable[[], bool], what: str) -> None:
        async def checked() -> bool:
            return await asyncio.to_thread(check)

        await eventually(checked, within=WITHIN, what=what)

    async def until_empty(self) -> None:
        await self.until(lambda: self.stored.waiting() == 0, "an empty queue")

    async def findings(self) -> list[Finding]:
        """Stop what runs and read the stores."""
        await self.fleet.stop_all()
        run = QueueRun(
            fifo=self.queue == FIFO,
            sent={body["id"] for body in self.sent},
            poison={body["id"] for body in self.sent if body["kind"] == "poison"},
            applied=await asyncio.to_thread(self.stored.applied),
            letters=await asyncio.to_thread(self.stored.letters, self.queue),
            left=sum(await asyncio.to_thread(stores.counts, self.stored.sqs, self.stored.resources.queues[self.queue])),
        )
        return queue_findings(run) + [Finding("bad exit", problem) for problem in self.fleet.problems]


@asynccontextmanager
async def _scene(
    resources: Provisioned, folder: Path, build: str, queue: str, *, endpoint: str | None = None, **settings: str
) -> AsyncIterator[Scene]:
    stored = await asyncio.to_thread(ConsumerStores, resources)
    environment = stored.environment(endpoint or resources.environment["AWS_ENDPOINT_URL"], BUILD=build, **settings)
    async with fleet_of("tests.chaos.consumer_task", environment, folder, drain_seconds=DRAIN_SECONDS) as fleet:
        yield Scene(stored, fleet, queue)


async def killed_at_work(resources: Provisioned, folder: Path, build: str) -> list[Finding]:
    """SIGKILL while handlers run; another task takes over."""
    async with _scene(resources, folder, build, STANDARD, VISIBILITY_SECONDS="2") as scene:
        (first,) = await scene.fleet.start()
        await scene.send(bodies("s", 6, seconds=0.5))
        await scene.until(lambda: len(scene.begun()) >= 2, "work under way")
        await scene.fleet.kill(first)
        await scene.fleet.start()
        await scene.until_empty()
        return await scene.findings()


async def write_that_arrives_late(resources: Provisioned, folder: Path, build: str) -> list[Finding]:
    """The effect's write is kept on the way and its task paused, until another has done the work; then it arrives."""
    target = resources.environment["AWS_ENDPOINT_URL"]
    async with (
        fault_proxy(target, Faults(), random.Random(0)) as proxy,
        _scene(resources, folder, build, STANDARD, endpoint=proxy.url, VISIBILITY_SECONDS="2") as scene,
    ):
        (first,) = await scene.fleet.start()
        held = proxy.hold_next(scene.stored.effect_table.encode(), "UpdateItem", "TransactWriteItems")
        await scene.send(bodies("s", 1))
        await asyncio.wait_for(held.caught.wait(), WITHIN)
        scene.fleet.pause(first)
        await scene.fleet.start()
        await scene.until_empty()
        held.let_go.set()
        await asyncio.wait_for(held.arrived.wait(), WITHIN)
        scene.fleet.wake(first)
        return await scene.findings()


async def redriven_and_still_poison(resources: Provisioned, folder: Path, build: str) -> list[Finding]:
    """A dead letter is sent back at once and fails again, well inside the five minutes of deduplication."""
    async with _scene(resources, folder, build, FIFO) as scene:
        await scene.fleet.start()
        await scene.send(bodies("g", 1, kind="poison"))
        await scene.until(lambda: scene.begun()["g-1"] == 1, "the first failure")
        await scene.until_empty()
        await asyncio.to_thread(scene.stored.redrive, FIFO, 1)
        await scene.until(lambda: scene.begun()["g-1"] == 2, "the second failure")
        await scene.until_empty()
        return await scene.findings()


async def work_that_outlasts_visibility(resources: Provisioned, folder: Path, build: str) -> list[Finding]:
    """Handling takes longer than the visibility timeout, with nothing else amiss: nobody else may be given it."""
    async with _scene(resources, folder, build, STANDARD, VISIBILITY_SECONDS="2") as scene:
        await scene.fleet.start()
        await scene.send(bodies("s", 3, seconds=3.5))
        await scene.until_empty()
        again = [Finding("begun twice", f"{each}: {n} times") for each, n in scene.begun().items() if n > 1]
        return again + await scene.findings()


async def stopped_with_messages_in_hand(resources: Provisioned, folder: Path, build: str) -> list[Finding]:
    """SIGTERM while messages are received and not begun: when the task is gone, they are there for others at once."""
    settings = {"VISIBILITY_SECONDS": "60", "WORKERS": "1", "PREFETCH": "9"}
    async with _scene(resources, folder, build, STANDARD, **settings) as scene:
        (first,) = await scene.fleet.start()
        await scene.send(bodies("s", 8, seconds=1.0))
        await scene.until(lambda: len(scene.begun()) >= 1, "work under way")
        await scene.fleet.stop(first)
        _, in_flight = await asyncio.to_thread(stores.counts, scene.stored.sqs, resources.queues[STANDARD])
        exits = [Finding("bad exit", problem) for problem in scene.fleet.problems]
        return exits + ([Finding("left over", f"{in_flight} hidden by a task that is gone")] if in_flight else [])


async def killed_after_its_checkpoint(resources: Provisioned, folder: Path, build: str) -> list[Finding]:
    """The bridge is killed the moment its checkpoint moves: what lies before it must be in the queue."""
    stored = BridgeStores(resources)
    environment = stored.environment(resources.environment["AWS_ENDPOINT_URL"], BUILD=build, LEASE_SECONDS="1.8")
    async with fleet_of("tests.chaos.bridge_task", environment, folder, drain_seconds=DRAIN_SECONDS) as fleet:
        (first,) = await fleet.start()
        for ticket in range(5):
            await asyncio.to_thread(stored.put, ticket, 1)

        async def checkpoint_moved() -> bool:
            return await asyncio.to_thread(stored.checkpoint) >= 0

        await eventually(checkpoint_moved, within=WITHIN, what="a checkpoint")
        await fleet.kill(first)
        freeze = await asyncio.to_thread(stored.freeze)
        run = BridgeRun(await asyncio.to_thread(stored.written), list(stored.arrivals), [freeze])
        ahead = [finding for finding in bridge_findings(run) if finding.promise == "checkpoint ahead"]
        return ahead + [Finding("bad exit", problem) for problem in fleet.problems]
