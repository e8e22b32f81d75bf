"""Receive, handle, settle: at least once, in order where the queue keeps it, nothing lost wherever it is stopped.

A message is READY or BEHIND another of its lane, then AT_WORK, then DONE (its delete is on the way) or LEAVING (its
change of visibility is). Until it leaves, heartbeats keep it invisible to others; whoever stops this consumer at any
await leaves each message deleted after its handler completed, or visible again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from shared import tracing
from shared.backoff import Backoff, Uniform
from shared.clock import Now, as_utc_text, wall_clock
from shared.errors import DeskhandError, TransientError
from shared.health import Beat
from shared.logs import logger, unit_begins
from shared.queue.batches import BATCH, Batches
from shared.queue.dead_letters import OnDeadLetter, dead_letter, move
from shared.queue.failures import FailureCounts, Failures
from shared.queue.hand import Hand, Held, Stage
from shared.queue.heartbeats import Heartbeats
from shared.queue.message import Ack, DeadLetter, GiveBack, Message, Retry, Settlement
from shared.queue.port import Failed, Queue
from shared.queue.settlement import (
    ConsumerSettings,
    DeadlineExceeded,
    Outcome,
    counts_against_message,
    is_failure,
    longest_invisibility,
    settle,
)
from shared.tracing import TRACEPARENT
from shared.waiting import is_set_within

__all__ = ["Consumer", "ConsumerSettings", "Handler"]

log = logger("queue.consumer")

Handler: TypeAlias = Callable[[Message], Awaitable[Settlement | None]]
"""Does the work of one message. None means Ack; TransientError asks for a retry, PermanentError for the dead letter;
anything else counts as a failure. It is cancelled at its deadline, and as soon as the message may be someone else's."""

POLL_BACKOFF = Backoff(base=0.5, cap=20.0)

MESSAGE_ID = "message_id"

LEAVE_SECONDS = 3.0
"""For the last calls of a cancelled consumer, twice: inside the 10 s between the drain limit and the kill."""


def _no_beat() -> None: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Consumer:
    """One queue's consumer; ``run`` once.

    ``now`` is the time of day for failure records; everything else runs on the event loop's clock. ``beat`` is called
    each time a receiver turns, also when the turn failed.
    """

    queue: Queue
    dead_letters: Queue
    handle: Handler
    failures: FailureCounts
    settings: ConsumerSettings
    now: Now = wall_clock
    uniform: Uniform = random.uniform
    beat: Beat = _no_beat
    on_dead_letter: OnDeadLetter | None = None

    _hand: Hand = field(init=False)
    _ready: "asyncio.Queue[Held | None]" = field(init=False, default_factory=asyncio.Queue)
    _polls: "set[asyncio.Task[list[Message]]]" = field(init=False, default_factory=set)
    _asked_for: int = field(init=False, default=0)
    _freed: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _draining: bool = field(init=False, default=False)
    _deletes: "Batches[Held]" = field(init=False)
    _changes: "Batches[tuple[Held, int]]" = field(init=False)
    _changing: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self._hand = Hand(fifo=self.queue.fifo)
        self._deletes = Batches(
            name="deletes",
            carry_out=self._delete,
            done=self._deleted,
            still_wanted=lambda held: held.lost is None,
            linger=self.settings.linger_seconds,
            call_seconds=self.settings.visibility_seconds / 3,
            uniform=self.uniform,
        )
        self._changes = Batches(
            name="changes",
            carry_out=self._change,
            done=self._changed,
            # Once its time ran out, the message is visible whatever we ask for.
            still_wanted=lambda change: change[0].visible_at > _time(),
            linger=self.settings.linger_seconds,
            call_seconds=self.settings.visibility_seconds / 3,
            uniform=self.uniform,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until ``stop``, then drain: receive nothing new, give back what was not begun, finish the rest.

        Cancelled, it cancels its handlers, gives back what they held and returns within seconds.
        """
        heartbeats = Heartbeats(
            queue=self.queue,
            hand=self._hand,
            visibility_seconds=self.settings.visibility_seconds,
            changing=self._changing,
            lost=self._lose,
        )
        receivers = [asyncio.create_task(self._receive(stop)) for _ in range(self.settings.receivers)]
        workers = [asyncio.create_task(self._work()) for _ in range(self.settings.workers)]
        upkeep = [asyncio.create_task(run()) for run in (heartbeats.run, self._deletes.run, self._changes.run)]
        life = asyncio.create_task(self._live(stop, [*receivers, *workers]))
        pending: set[asyncio.Task[None]] = {life, *receivers, *workers, *upkeep}
        try:
            while not life.done():
                ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()  # A part that crashed brings the consumer down with its reason.
        finally:
            await self._leave([life, *receivers, *workers, *upkeep])

    async def _live(self, stop: asyncio.Event, loops: Sequence["asyncio.Task[None]"]) -> None:
        await stop.wait()
        self._draining = True
        for held in self._hand:
            if held.stage in (Stage.READY, Stage.BEHIND):
                self._give_back(held, 0, outcome="given_back", reason="not begun before the drain")
        for _ in range(self.settings.workers):
            self._ready.put_nowait(None)
        self._freed.set()
        self._deletes.hurry()
        self._changes.hurry()
        while not all(loop.done() for loop in loops):
            await asyncio.wait(loops, timeout=self.settings.wait_seconds)
            self.beat()
        while self._hand:
            await self._wait_for_room()
            self.beat()

    # Receiving

    async def _receive(self, stop: asyncio.Event) -> None:
        failed_polls = 0
        while not stop.is_set():
            self.beat()
            room = self._room()
            if room < self._least_room():
                await self._wait_for_room()
                continue
            try:
                self._take(await self._poll(room))
                failed_polls = 0
            except Exception as error:
                # Whatever a poll raised, a consumer that no longer polls helps nobody and would not even show.
                log.warning("poll_failed", queue=self.queue.name, **_said(error))
                await is_set_within(stop, POLL_BACKOFF.delay(failed_polls, self.uniform))
                failed_polls += 1

    async def _poll(self, room: int) -> list[Message]:
        """A long poll in a task of its own, which a cancelled receiver leaves alone: it may already hold messages."""
        poll = asyncio.create_task(
            self.queue.receive(
                at_most=room,
                wait_seconds=self.settings.wait_seconds,
                visibility_seconds=self.settings.visibility_seconds,
            )
        )
        self._polls.add(poll)
        self._asked_for += room
        try:
            # An answer later than this brings messages that are visible to others again, or about to be.
            await asyncio.wait({poll}, timeout=self.settings.wait_seconds + self.settings.visibility_seconds)
        finally:
            self._asked_for -= room
        self._polls.discard(poll)
        if not poll.done():
            poll.cancel()
            raise TransientError("a poll did not come back")
        return poll.result()

    def _take(self, messages: Iterable[Message]) -> None:
        now = _time()
        for message in messages:
            held = self._hand.take(message, received_at=now, visible_at=now + self.settings.visibility_seconds)
            if self._draining:
                self._give_back(held, 0, outcome="given_back", reason="not begun before the drain")
            elif held.stage is Stage.READY:
                self._ready.put_nowait(held)

    def _room(self) -> int:
        """How many more messages may be asked for: what workers can begin and heartbeats keep, never more.

        Followers in a lane keep no worker busy, and neither do messages on their way out, so up to a full hand of each
        is not counted: one long group must not keep the others from being received. Beyond that they do count, so that
        a consumer which cannot delete what it has done takes nothing new.
        """
        hand, full = self._hand, self.settings.workers + self.settings.prefetch
        spare = max(full, BATCH)
        held = hand.count(Stage.READY) + hand.count(Stage.AT_WORK) + self._asked_for
        held += max(0, hand.count(Stage.BEHIND) - spare)
        held += max(0, hand.count(Stage.DONE) + hand.count(Stage.LEAVING) - spare)
        return min(BATCH, full - held)

    def _least_room(self) -> int:
        """Small receives cost as much as large ones: with messages in stock, wait until there is room for some."""
        return min(BATCH, max(1, self.settings.prefetch // 2))

    async def _wait_for_room(self) -> None:
        self._freed.clear()
        await is_set_within(self._freed, self.settings.wait_seconds)

    # Handling

    async def _work(self) -> None:
        # A worker is a task with a context of its own: what is bound here shows in every line of its handlers.
        structlog.contextvars.bind_contextvars(queue=self.queue.name)
        while (held := await self._ready.get()) is not None:
            # It may have been lost or given back while it waited for a worker.
            if held.stage is Stage.READY and held in self._hand:
                await self._work_on(held)

    async def _work_on(self, held: Held) -> None:
        self._hand.move(held, Stage.AT_WORK)
        held.about = unit_begins()
        structlog.contextvars.bind_contextvars(**{MESSAGE_ID: held.message.message_id})
        try:
            settlement = await self._worked_off(held)
        finally:
            # What a handler says of one message must not show in the lines of the next.
            structlog.contextvars.unbind_contextvars(MESSAGE_ID, *held.about)
        if held.lost is not None and isinstance(settlement, Retry | GiveBack):
            # Whoever has it now decides what becomes of it.
            self._forget(held)
        elif isinstance(settlement, GiveBack):
            self._give_back(held, settlement.after, outcome="given_back", reason=settlement.reason)
        elif isinstance(settlement, Retry):
            self._give_back(held, settlement.after or 0.0, outcome="retry", reason=held.reason)
        else:
            held.outcome = "ack" if isinstance(settlement, Ack) else "dead_letter"
            self._hand.move(held, Stage.DONE)
            self._deletes.add(held, urgent=self._hand.has_followers(held))

    async def _worked_off(self, held: Held) -> Settlement:
        """Handle it and decide how it ends, as one step of the trace that its message belongs to."""
        with self._step(held.message) as step:
            if trace_id := tracing.trace_id():
                held.about["trace_id"] = trace_id
                structlog.contextvars.bind_contextvars(trace_id=trace_id)
            begun_at = _time()
            outcome = await self._outcome(held)
            held.seconds = _time() - begun_at
            if not (isinstance(outcome, BaseException) or is_failure(outcome)):
                return outcome if isinstance(outcome, GiveBack) else Ack()
            step.failed(_class(outcome) or type(outcome).__name__)
            return await self._settlement(held, outcome)

    def _step(self, message: Message) -> AbstractContextManager[tracing.Span]:
        if not tracing.is_on():
            return tracing.NO_STEP
        name = self.queue.name
        attributes = {
            "messaging.system": "aws_sqs",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": name,
            "messaging.message.id": message.message_id,
        }
        return tracing.span(f"process {name}", "consumer", attributes, parent=message.attributes.get(TRACEPARENT))

    async def _outcome(self, held: Held) -> Outcome:
        deadline = self.settings.deadline_seconds
        limit = asyncio.timeout(deadline)
        try:
            async with limit:
                held.limit = limit
                return await self.handle(held.message)
        except TimeoutError as error:
            return DeadlineExceeded(f"not handled within {deadline:g} s") if limit.expired() else error
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            return error  # Something that the handler awaited was cancelled; nobody cancelled us.
        except Exception as error:
            return error
        finally:
            held.limit = None

    async def _settlement(self, held: Held, outcome: Outcome) -> Settlement:
        """Record the failure, decide, and carry a dead letter over: what is left is a delete or a retry."""
        held.reason, held.error_class = _reason(outcome), _class(outcome)
        if held.lost is not None:
            return Retry(held.lost)
        now = self.now()
        try:
            async with asyncio.timeout(self.settings.visibility_seconds):
                failures = await self.failures.add(
                    f"failures#{self.queue.name}#{held.message.message_id}",
                    now=now,
                    counted=counts_against_message(outcome),
                )
        except Exception as error:
            # Not counted is not handled: the message is retried, and counted when the counts are back.
            log.warning("failure_not_counted", queue=self.queue.name, **_said(error))
            failures = Failures(counted=0, total=held.message.receive_count, first_at=now)
        held.failures = failures.counted
        settlement = settle(outcome, failures, self.settings, now=now, uniform=self.uniform)
        if isinstance(settlement, DeadLetter):
            return await self._move(held, settlement, failures)
        return settlement

    async def _move(self, held: Held, verdict: DeadLetter, failures: Failures) -> Settlement:
        """Stored as a dead letter first, deleted from the source after: the other way round a crash loses it."""
        held.error_class = verdict.error_class
        letter = dead_letter(
            held.message,
            verdict,
            source_queue=self.queue.name,
            first_failure_at=as_utc_text(failures.first_at),
            fifo=self.dead_letters.fifo,
        )
        try:
            async with asyncio.timeout(self.settings.deadline_seconds):
                if self.on_dead_letter is not None:
                    await self.on_dead_letter(held.message, verdict)
                await move(held.message, letter, self.dead_letters)
        except Exception as error:
            log.warning("not_dead_lettered", queue=self.queue.name, message_id=held.message.message_id, **_said(error))
            held.reason = f"not moved to {self.dead_letters.name}: {type(error).__name__}"
            attempt = max(failures.total - 1, 0)
            return Retry(held.reason, after=self.settings.retry.delay(attempt, self.uniform))
        return verdict

    # Settling

    async def _delete(self, done: Sequence[Held]) -> list[Failed]:
        return await self.queue.delete([held.message.receipt_handle for held in done])

    def _deleted(self, held: Held, failure: Failed | None) -> None:
        if failure is None:
            following = self._hand.finish(held)
            if following is not None and self._draining:
                self._give_back(following, 0, outcome="given_back", reason="not begun before the drain")
            elif following is not None:
                self._ready.put_nowait(following)
        else:
            # Its work is done, but it stays in the queue and comes again; what follows it must not overtake it then.
            held.outcome, held.reason = f"{held.outcome}_refused", f"{failure.code}: {failure.text}"
            self._give_back_followers(held)
            self._hand.let_go(held)
        self._freed.set()
        self._log(held)

    def _give_back(self, held: Held, after: float, *, outcome: str, reason: str) -> None:
        """Make it visible ``after`` seconds from now, and what is behind it in its lane at once.

        Those behind cannot overtake it: a FIFO queue hands out nothing of a group while one of its messages is away.
        """
        held.outcome, held.reason = outcome, reason
        self._give_back_followers(held)
        self._hand.move(held, Stage.LEAVING)
        self._changes.add((held, longest_invisibility(after, _time() - held.received_at)), urgent=after == 0)
        self._freed.set()

    def _give_back_followers(self, held: Held) -> None:
        for follower in self._hand.break_lane(held):
            follower.outcome, follower.reason = "given_back", "behind a message that goes back"
            self._hand.move(follower, Stage.LEAVING)
            self._changes.add((follower, 0))

    async def _change(self, changes: Sequence[tuple[Held, int]]) -> list[Failed]:
        async with self._changing:
            return await self.queue.change_visibility(
                [(held.message.receipt_handle, seconds) for held, seconds in changes]
            )

    def _changed(self, change: tuple[Held, int], _: Failed | None) -> None:
        # A change that was refused came too late: the message is visible already, which is no loss.
        held = change[0]
        self._hand.let_go(held)
        self._freed.set()
        self._log(held)

    def _lose(self, held: Held, why: str) -> None:
        """Someone else may have it now: stop working on it, so that two do not work side by side."""
        held.lost = why
        if held.stage is Stage.AT_WORK and held.limit is not None and not held.limit.expired():
            held.limit.reschedule(_time())
        elif held.stage in (Stage.READY, Stage.BEHIND):
            self._forget(held)

    def _forget(self, held: Held) -> None:
        held.outcome, held.reason = "lost", held.lost or ""
        self._give_back_followers(held)
        self._hand.let_go(held)
        self._freed.set()
        self._log(held)

    def _log(self, held: Held) -> None:
        log.info(
            "message",
            queue=self.queue.name,
            message_id=held.message.message_id,
            outcome=held.outcome,
            reason=held.reason,
            error_class=held.error_class,
            ms=round(held.seconds * 1000),
            receive_count=held.message.receive_count,
            failures=held.failures,
            **held.about,
        )

    # Leaving

    async def _leave(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        """End every part; then delete what is done and give back what is not, once and in bounded time."""
        for task in tasks:
            task.cancel()
        await asyncio.wait([*self._polls, *tasks], timeout=LEAVE_SECONDS)
        self._take_from_ended_polls()
        for held in self._hand:
            if held.stage in (Stage.READY, Stage.BEHIND) or (held.stage is Stage.AT_WORK and held.limit is None):
                self._give_back(held, 0, outcome="given_back", reason="the consumer was cancelled")
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await asyncio.gather(self._deletes.flush_once(), self._changes.flush_once())
        except TimeoutError:
            log.warning("left_in_flight", queue=self.queue.name, held=len(self._hand))

    def _take_from_ended_polls(self) -> None:
        self._draining = True
        for poll in self._polls:
            if not poll.done():
                poll.cancel()
            elif not poll.cancelled() and poll.exception() is None:
                self._take(poll.result())


def _reason(outcome: Outcome) -> str:
    """Why, for the log. An unexpected exception's text may quote the message, so only its place is told."""
    if isinstance(outcome, DeskhandError):
        return str(outcome)
    if isinstance(outcome, BaseException):
        return f"{type(outcome).__name__} {_place(outcome)}"
    return "" if outcome is None or isinstance(outcome, Ack) else outcome.reason


def _class(outcome: Outcome) -> str:
    if isinstance(outcome, DeadLetter):
        return outcome.error_class
    return type(outcome).__name__ if isinstance(outcome, BaseException) else ""


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _said(error: Exception) -> dict[str, str]:
    return {"reason": _reason(error), "error_class": type(error).__name__}


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _time() -> float:
    return asyncio.get_running_loop().time()
