"""The consumer stopped at each of its awaits in turn: every message is done and gone, or visible again.

How: a run without disturbance counts the calls that the consumer makes to its queue, its dead-letter queue and its
failure counts. Then, for each of them, the same run with that call hanging (before it took effect, and after), and the
consumer cancelled while it hangs. A second sweep cancels after every single turn of the event loop.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from shared.errors import PermanentError, TransientError
from shared.queue.consumer import Consumer
from shared.queue.failures import Failures, MemoryFailureCounts
from shared.queue.memory import Faults, MemoryQueue
from shared.queue.message import Message
from tests.support.queues import Recorder, a_consumer, loop_time, outgoing, running

pytestmark = pytest.mark.looptime

VISIBILITY_SECONDS = 30
BODIES = ("slow a", "fails once b", "hopeless c", "busy once d", "plain e", "plain e2", "bug f", "plain g")


class CountsWithFaults(MemoryFailureCounts):
    """Failure counts whose calls hang like the queue's."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    async def add(self, key: str, *, now: float, counted: bool) -> Failures:
        number = await self._faults.before("send")
        failures = await super().add(key, now=now, counted=counted)
        await self._faults.after(number)
        return failures


class Scene:
    """A queue with a message of each kind, a consumer, and a record of whose handling came to its end."""

    def __init__(self, *, fifo: bool) -> None:
        ending = ".fifo" if fifo else ""
        self.faults = Faults()
        self.queue = MemoryQueue(f"work{ending}", latency=0.01, faults=self.faults)
        self.dead = MemoryQueue(f"dead{ending}", latency=0.01, faults=self.faults)
        self.failures = CountsWithFaults(self.faults)
        self.completed: Counter[str] = Counter()
        self.refused: set[str] = set()
        self.at_work: Counter[str] = Counter()

    async def fill(self) -> None:
        # "plain e" and "plain e2" share a group on a FIFO queue, as do none of the others.
        sent = [outgoing(body, group=body.split()[-1][0] if self.queue.fifo else None) for body in BODIES]
        await self.queue.send(sent)
        self.faults.calls.clear()

    def consumer(self) -> Consumer:
        return a_consumer(
            self.queue,
            self.handle,
            dead_letters=self.dead,
            failures=self.failures,
            workers=3,
            prefetch=3,
            wait_seconds=2,
            visibility_seconds=VISIBILITY_SECONDS,
            max_failures=2,
        )

    async def handle(self, message: Message) -> None:
        self.at_work[message.body] += 1
        assert self.at_work[message.body] == 1, "two handlers of one message side by side"
        try:
            await asyncio.sleep(25 if message.body.startswith("slow") else 0.5)
            self._fail(message)
        finally:
            self.at_work[message.body] -= 1
        self.completed[message.body] += 1

    def _fail(self, message: Message) -> None:
        kind = message.body.split()[0]
        if kind == "hopeless":
            self.refused.add(message.body)
            raise PermanentError("no")
        if kind == "bug":
            self.refused.add(message.body)
            raise ValueError("no such field")
        if kind == "busy" and message.receive_count == 1:
            raise TransientError("busy", retry_after=3)
        if kind == "fails" and message.receive_count == 1:
            raise KeyError("not there yet")

    def check_nothing_is_lost(self) -> None:
        """Called at once after the consumer ended."""
        stored = {message.body for message in self.queue.stored}
        dead = {message.body for message in self.dead.stored}
        for body in BODIES:
            assert body in stored or body in dead or self.completed[body], f"{body} is lost"
            # What left the queue without being completed must be a dead letter.
            assert body in stored or self.completed[body] or (body in self.refused and body in dead)
        assert sum(self.at_work.values()) == 0, "a handler outlived its consumer"

    async def check_all_comes_to_its_end(self) -> None:
        """A second consumer must find and end all that was left, once its visibility ended at the latest."""
        self.faults.hang_at = None
        async with running(self.consumer()):
            for _ in range(VISIBILITY_SECONDS + 90):
                if self.queue.stored:
                    await asyncio.sleep(1)
        assert self.queue.stored == []
        assert set(self.completed) == {body for body in BODIES if body.split()[0] not in ("hopeless", "bug")}
        assert {message.body for message in self.dead.stored} == {"hopeless c", "bug f"}
        if self.queue.fifo:
            assert len(self.dead.stored) == 2, "the deduplication id did not catch the repeated move"


async def cancelled_when(scene: Scene, moment: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run the scene's consumer, cancel it at ``moment``, and see that it returns soon."""
    stop = asyncio.Event()
    task = asyncio.create_task(scene.consumer().run(stop))
    await moment(stop)
    cancelled_at = loop_time()
    task.cancel()
    await asyncio.wait({task})
    assert loop_time() - cancelled_at < 10, "the kill would have come first"


async def calls_of_an_undisturbed_run(fifo: bool) -> int:
    scene = Scene(fifo=fifo)
    await scene.fill()
    async with running(scene.consumer()):
        await asyncio.sleep(40)
    scene.check_nothing_is_lost()
    assert scene.queue.stored == []
    return len(scene.faults.calls)


@pytest.mark.parametrize("stopped_first", [False, True], ids=["running", "draining"])
@pytest.mark.parametrize("after_effect", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
async def test_a_consumer_cancelled_at_any_call_loses_nothing(
    fifo: bool, after_effect: bool, stopped_first: bool
) -> None:
    calls = await calls_of_an_undisturbed_run(fifo)
    assert calls > 25

    for number in range(calls):
        scene = Scene(fifo=fifo)
        await scene.fill()
        scene.faults.hang_at, scene.faults.hang_after_effect = number, after_effect

        async def hanging(stop: asyncio.Event, scene: Scene = scene) -> None:
            if stopped_first:
                await asyncio.sleep(1)
                stop.set()
            hung = asyncio.create_task(scene.faults.hung.wait())
            await asyncio.wait({hung}, timeout=40)
            hung.cancel()
            await asyncio.sleep(0.3)  # The other parts go on for a while beside the hanging call.

        await cancelled_when(scene, hanging)
        scene.check_nothing_is_lost()
        await scene.check_all_comes_to_its_end()


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
async def test_a_call_that_hangs_for_good_does_not_stop_the_others(fifo: bool) -> None:
    for number in range(1, await calls_of_an_undisturbed_run(fifo)):
        scene = Scene(fifo=fifo)
        await scene.fill()
        scene.faults.hang_at = number
        async with running(scene.consumer()):
            await asyncio.sleep(VISIBILITY_SECONDS * 2)
        scene.check_nothing_is_lost()
        await scene.check_all_comes_to_its_end()


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
async def test_a_consumer_cancelled_after_any_turn_of_the_loop_loses_nothing(fifo: bool) -> None:
    for turns in range(0, 240, 6):
        scene = Scene(fifo=fifo)
        await scene.fill()

        async def turned(_: asyncio.Event, turns: int = turns) -> None:
            # Half a turn of real work lies between two moments of virtual time; both are swept.
            await asyncio.sleep(0.5 * (turns % 4))
            for _turn in range(turns):
                await asyncio.sleep(0)

        await cancelled_when(scene, turned)
        scene.check_nothing_is_lost()
        await scene.check_all_comes_to_its_end()


async def test_a_cancelled_consumer_gives_back_what_it_held_at_once() -> None:
    scene = Scene(fifo=False)
    await scene.fill()

    async def soon(_: asyncio.Event) -> None:
        await asyncio.sleep(0.2)

    await cancelled_when(scene, soon)

    assert {message.body for message in scene.queue.visible} == set(BODIES)


async def test_a_cancelled_consumer_deletes_what_was_handled() -> None:
    queue = MemoryQueue("work")
    await queue.send([outgoing("handled")])
    handle = Recorder()
    consumer = a_consumer(queue, handle, linger_seconds=15, visibility_seconds=60)
    task = asyncio.create_task(consumer.run(asyncio.Event()))
    await asyncio.sleep(1)
    assert len(queue.stored) == len(handle.ended) == 1

    task.cancel()
    await asyncio.wait({task})

    assert queue.stored == []


async def test_what_a_poll_brings_while_its_consumer_is_cancelled_is_given_back() -> None:
    class AnswerOnItsWay(MemoryQueue):
        async def receive(self, *, at_most: int, wait_seconds: int, visibility_seconds: int) -> list[Message]:
            messages = await MemoryQueue.receive(
                self, at_most=at_most, wait_seconds=wait_seconds, visibility_seconds=visibility_seconds
            )
            await asyncio.sleep(1)
            return messages

    queue = AnswerOnItsWay("work")
    await queue.send([outgoing("on its way")])
    task = asyncio.create_task(a_consumer(queue, Recorder(), visibility_seconds=60).run(asyncio.Event()))
    await asyncio.sleep(0.5)
    assert queue.visible == []

    task.cancel()
    await asyncio.wait({task})

    assert [message.body for message in queue.visible] == ["on its way"]


async def test_a_handler_that_will_not_be_cancelled_keeps_its_message_from_others() -> None:
    queue = MemoryQueue("work")
    await queue.send([outgoing("stubborn"), outgoing("plain")])
    done: list[str] = []

    async def stubborn(message: Message) -> None:
        until = loop_time() + (20 if message.body == "stubborn" else 1000)
        while loop_time() < until:
            try:
                await asyncio.sleep(until - loop_time())
            except asyncio.CancelledError:
                if message.body == "plain":
                    raise
        done.append(message.body)

    task = asyncio.create_task(a_consumer(queue, stubborn, visibility_seconds=60).run(asyncio.Event()))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait({task})

    assert loop_time() < 11
    assert [message.body for message in queue.visible] == ["plain"]
    await asyncio.sleep(30)
    assert done == ["stubborn"]
