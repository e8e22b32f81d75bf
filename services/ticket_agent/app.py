"""The loops of the ticket agent: what each reads, who handles it, how many at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from services.ticket_agent.bridge import Bridge
from services.ticket_agent.decisions import Decisions
from services.ticket_agent.intake import Intake
from services.ticket_agent.notifier import Notifier
from services.ticket_agent.sweeper import Sweeper
from services.ticket_agent.worker import Worker
from shared.clock import Now
from shared.health import Health
from shared.lifecycle import Loop
from shared.model.fleet import FleetQuota
from shared.queue.consumer import Consumer, ConsumerSettings, Handler
from shared.queue.dead_letters import OnDeadLetter
from shared.queue.failures import FailureCounts
from shared.queue.port import Queue
from shared.stream.consumer import StreamConsumer
from shared.stream.port import Leases, StreamSource

STALLED_SECONDS = 90.0
"""Each loop turns at least once a long poll (20 s); four of them missed in a row is no slow network any more."""

BEYOND_THE_RUN_SECONDS = 60.0
"""What a worker needs beside the agent's own time: taking the ticket before, handing it over after."""


@dataclass(frozen=True, slots=True)
class QueuePair:
    """A queue and where its dead letters go."""

    queue: Queue
    dead_letters: Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketAgent:
    """Everything that runs, wired to its ports. ``owner`` names this task's life in the stream's leases."""

    intake: Intake
    decisions: Decisions
    bridge: Bridge
    worker: Worker
    notifier: Notifier
    sweeper: Sweeper
    quota: FleetQuota
    intake_queue: QueuePair
    decisions_queue: QueuePair
    work_queue: QueuePair
    updates_queue: QueuePair
    stream: StreamSource
    leases: Leases
    failures: FailureCounts
    health: Health
    now: Now
    owner: str
    ticket_workers: int
    run_seconds: float
    long_poll_seconds: int
    visibility_seconds: int

    def loops(self) -> Sequence[Loop]:
        """In the order of a ticket's way through them."""
        stream = StreamConsumer(
            source=self.stream,
            leases=self.leases,
            deliver=self.bridge.deliver,
            quarantine=self.bridge.quarantine,
            on_gap=self.bridge.on_gap,
            owner=self.owner,
            now=self.now,
            beat=self.health.watch("bridge", stalled_after=STALLED_SECONDS),
        )
        return (
            self._consumer("intake", self.intake_queue, self.intake.handle, self._short(workers=8)),
            self._consumer("decisions", self.decisions_queue, self.decisions.handle, self._short(workers=2)),
            Loop("bridge", stream.run),
            self._consumer(
                "worker",
                self.work_queue,
                self.worker.handle,
                # No prefetch: a ticket that waits here for a worker would be idle while another task has one free.
                ConsumerSettings(
                    workers=self.ticket_workers,
                    deadline_seconds=self.run_seconds + BEYOND_THE_RUN_SECONDS,
                    wait_seconds=self.long_poll_seconds,
                    visibility_seconds=self.visibility_seconds,
                ),
                on_dead_letter=self.worker.before_dead_letter,
            ),
            self._consumer("notifier", self.updates_queue, self.notifier.handle, self._short(workers=4)),
            Loop("sweeper", self._swept()),
            Loop("quota", self.quota.run),
        )

    def _swept(self) -> Callable[[asyncio.Event], Awaitable[None]]:
        self.sweeper.beat = self.health.watch("sweeper", stalled_after=STALLED_SECONDS + self.sweeper.sweep_seconds)
        return self.sweeper.run

    def _consumer(
        self,
        name: str,
        pair: QueuePair,
        handle: Handler,
        settings: ConsumerSettings,
        on_dead_letter: OnDeadLetter | None = None,
    ) -> Loop:
        consumer = Consumer(
            queue=pair.queue,
            dead_letters=pair.dead_letters,
            handle=handle,
            failures=self.failures,
            settings=settings,
            now=self.now,
            beat=self.health.watch(name, stalled_after=STALLED_SECONDS),
            on_dead_letter=on_dead_letter,
        )
        return Loop(name, consumer.run)

    def _short(self, *, workers: int) -> ConsumerSettings:
        """For handlers that make a few store calls: a receive may bring more than is worked on."""
        return ConsumerSettings(
            workers=workers,
            prefetch=2 * workers,
            deadline_seconds=30.0,
            wait_seconds=self.long_poll_seconds,
            visibility_seconds=self.visibility_seconds,
        )
