"""The queue consumer on virtual time: what it does with messages, failures, heartbeats and stops."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from shared.errors import PermanentError, TransientError
from shared.queue.failures import Failures
from shared.queue.memory import MemoryQueue
from shared.queue.message import DeadLetter, GiveBack, Message, Retry, Settlement
from shared.queue.port import Failed
from tests.support.queues import Recorder, a_consumer, loop_time, outgoing, running

pytestmark = pytest.mark.looptime


async def a_queue(*bodies: str, name: str = "work") -> MemoryQueue:
    """On a FIFO queue the group is the body's first letter."""
    queue = MemoryQueue(name)
    await queue.send([outgoing(body, group=body[0] if queue.fifo else None) for body in bodies])
    return queue


async def fails(_: Message) -> None:
    raise ValueError("what the customer wrote")


class DeleteSizes(MemoryQueue):
    """Notes how many messages each delete call was for."""

    sizes: list[int]

    async def delete(self, receipt_handles: Sequence[str]) -> list[Failed]:
        self.sizes.append(len(receipt_handles))
        return await MemoryQueue.delete(self, receipt_handles)


async def test_every_message_is_handled_and_deleted() -> None:
    queue = await a_queue(*(f"message {number}" for number in range(50)))
    handle = Recorder(seconds=1)

    async with running(a_consumer(queue, handle)):
        await asyncio.sleep(60)

    assert Counter(handle.bodies) == Counter(f"message {number}" for number in range(50))
    assert queue.stored == []


async def test_no_more_messages_are_held_than_workers_can_begin() -> None:
    queue = await a_queue(*(f"{number}" for number in range(20)))
    handle = Recorder(seconds=100)

    async with running(a_consumer(queue, handle, workers=3)):
        await asyncio.sleep(50)
        assert len(queue.in_flight) == 3
        assert handle.most_at_work == 3


async def test_what_is_prefetched_is_kept_by_heartbeats_until_a_worker_is_free() -> None:
    queue = await a_queue(*(f"{number}" for number in range(20)))
    handle = Recorder(seconds=100)

    async with running(a_consumer(queue, handle, workers=1, prefetch=4, visibility_seconds=30)):
        await asyncio.sleep(450)
        assert len(queue.in_flight) == 5

    assert handle.bodies == ["0", "1", "2", "3", "4"]
    assert [message.body for message in queue.stored] == [f"{number}" for number in range(5, 20)]


async def test_a_slow_handler_keeps_its_message() -> None:
    queue = await a_queue("slow")
    handle = Recorder(seconds=200)

    async with running(a_consumer(queue, handle, visibility_seconds=6)):
        await asyncio.sleep(300)

    assert handle.bodies == ["slow"]
    assert queue.stored == []


async def test_heartbeats_go_on_while_draining() -> None:
    queue = await a_queue("slow")
    handle = Recorder(seconds=100)
    consumer = a_consumer(queue, handle, visibility_seconds=6)

    async with running(consumer) as stop:
        await asyncio.sleep(1)
        stop.set()
        await asyncio.sleep(90)
        assert [message.body for message in queue.in_flight] == ["slow"]

    assert handle.bodies == ["slow"]
    assert queue.stored == []


async def test_a_stop_gives_back_at_once_what_was_not_begun() -> None:
    queue = await a_queue("first", "second", "third")
    handle = Recorder(seconds=50)

    async with running(a_consumer(queue, handle, workers=1, prefetch=2)) as stop:
        await asyncio.sleep(1)
        assert len(queue.in_flight) == 3
        stop.set()
        await asyncio.sleep(1)
        assert [message.body for message in queue.visible] == ["second", "third"]

    assert handle.bodies == ["first"]


async def test_a_stop_lets_the_long_poll_end_and_gives_back_what_it_brings() -> None:
    queue = await a_queue()
    handle = Recorder()
    stop = asyncio.Event()
    running_consumer = asyncio.create_task(a_consumer(queue, handle, wait_seconds=20).run(stop))
    await asyncio.sleep(5)
    stop.set()
    await asyncio.sleep(5)
    assert not running_consumer.done()

    await queue.send([outgoing("late")])
    await running_consumer

    assert loop_time() < 11
    assert handle.bodies == []
    assert [message.body for message in queue.visible] == ["late"]


async def test_a_stop_at_an_idle_queue_takes_no_longer_than_the_poll() -> None:
    queue = await a_queue()

    async with running(a_consumer(queue, Recorder(), wait_seconds=20)):
        await asyncio.sleep(5)

    assert loop_time() == pytest.approx(20, abs=1)


async def test_acknowledgements_share_calls() -> None:
    queue = DeleteSizes("work")
    queue.sizes = []
    await queue.send([outgoing(f"{number}") for number in range(40)])

    async with running(a_consumer(queue, Recorder(seconds=1), workers=20)):
        await asyncio.sleep(30)

    assert sum(queue.sizes) == 40
    assert len(queue.sizes) <= 6


async def test_an_acknowledgement_does_not_wait_long_for_company() -> None:
    queue = await a_queue("alone")

    async with running(a_consumer(queue, Recorder(), linger_seconds=0.05)):
        await asyncio.sleep(0.1)
        assert queue.stored == []


@pytest.mark.parametrize("partial", [True, False], ids=["in part", "as a whole"])
async def test_a_failed_delete_is_tried_again_and_the_work_is_not(partial: bool) -> None:
    queue = await a_queue("a", "b", "c")
    if partial:
        queue.faults.fail_in_part("delete", [1], times=2)
    else:
        queue.faults.fail("delete", times=3)
    handle = Recorder()

    async with running(a_consumer(queue, handle, visibility_seconds=6)):
        await asyncio.sleep(60)

    assert sorted(handle.bodies) == ["a", "b", "c"]
    assert queue.stored == []


async def test_a_refused_delete_means_that_the_message_comes_again() -> None:
    queue = await a_queue("a")
    queue.faults.fail_in_part("delete", [0], sender_fault=True)
    handle = Recorder()

    async with running(a_consumer(queue, handle, visibility_seconds=6)):
        await asyncio.sleep(60)

    assert handle.bodies == ["a", "a"]
    assert queue.stored == []


async def test_a_consumer_that_cannot_delete_takes_nothing_new() -> None:
    queue = await a_queue(*(f"{number}" for number in range(100)))
    queue.faults.fail("delete", times=10_000)
    handle = Recorder()
    consumer = a_consumer(queue, handle, workers=2, visibility_seconds=6)
    task = asyncio.create_task(consumer.run(asyncio.Event()))

    await asyncio.sleep(100)

    assert len(handle.bodies) == len(set(handle.bodies)) <= 14
    task.cancel()
    await asyncio.wait({task})


async def test_a_transient_error_is_retried_after_the_backoff() -> None:
    queue = await a_queue("a")

    async def busy(message: Message) -> None:
        if message.receive_count < 4:
            raise TransientError("busy")

    handle = Recorder(busy)
    async with running(a_consumer(queue, handle, linger_seconds=0)):
        await asyncio.sleep(60)

    assert [round(at) for at in handle.times("a")] == [0, 1, 3, 7]
    assert queue.stored == []


async def test_a_retry_waits_at_least_as_long_as_the_other_side_asked() -> None:
    queue = await a_queue("a")

    async def throttled(message: Message) -> None:
        if message.receive_count == 1:
            raise TransientError("busy", retry_after=30)

    handle = Recorder(throttled)
    async with running(a_consumer(queue, handle)):
        await asyncio.sleep(60)

    assert handle.times("a")[1] >= 30


async def test_a_handler_may_ask_for_a_retry() -> None:
    queue = await a_queue("a")

    async def not_yet(message: Message) -> Settlement | None:
        return Retry("not yet", after=7) if message.receive_count == 1 else None

    handle = Recorder(not_yet)
    async with running(a_consumer(queue, handle)):
        await asyncio.sleep(60)

    assert [round(at) for at in handle.times("a")] == [0, 7]


async def test_a_message_given_back_for_hours_waits_and_is_no_failure_however_often() -> None:
    queue = await a_queue("not today")
    handled_at = []

    async def tomorrow(_: Message) -> Settlement:
        handled_at.append(round(loop_time() / 3600))
        return GiveBack("the day's budget is used up", after=3 * 3600)

    consumer = a_consumer(queue, tomorrow, transient_seconds=60, max_failures=1)
    async with running(consumer):
        await asyncio.sleep(10 * 3600)

    assert handled_at == [0, 3, 6, 9]
    assert [message.body for message in queue.stored] == ["not today"]
    assert consumer.failures.failures == {}  # type: ignore[attr-defined]  # a MemoryFailureCounts


async def test_a_permanent_error_is_dead_lettered_with_its_reason() -> None:
    queue, dead = await a_queue(), MemoryQueue("dead")
    await queue.send([outgoing("a", attributes={"traceparent": "00-1"})])

    async def refuse(_: Message) -> None:
        raise PermanentError("environmentId: is unknown")

    async with running(a_consumer(queue, refuse, dead_letters=dead)):
        await asyncio.sleep(5)

    [letter] = dead.stored
    assert letter.body == "a"
    assert letter.attributes == {
        "traceparent": "00-1",
        "reason": "environmentId: is unknown",
        "error_class": "PermanentError",
        "first_failure_at": "1970-01-01T00:00:00.000Z",
        "source_message_id": "message-1",
        "source_queue": "work",
        "sender_id": "sender",
    }
    assert queue.stored == []


async def test_a_handler_may_ask_for_the_dead_letter_queue() -> None:
    queue, dead = await a_queue("a"), MemoryQueue("dead")

    async def hopeless(_: Message) -> Settlement:
        return DeadLetter("nobody understands it", "Unreadable")

    async with running(a_consumer(queue, hopeless, dead_letters=dead)):
        await asyncio.sleep(5)

    [letter] = dead.stored
    assert (letter.attributes["reason"], letter.attributes["error_class"]) == ("nobody understands it", "Unreadable")


async def test_an_unexpected_error_is_retried_until_its_failures_are_too_many() -> None:
    queue, dead = await a_queue("a", "b"), MemoryQueue("dead")

    async def bug(message: Message) -> None:
        if message.body == "a":
            raise ValueError("no such field")

    handle = Recorder(bug)
    async with running(a_consumer(queue, handle, dead_letters=dead, max_failures=3)):
        await asyncio.sleep(60)

    assert Counter(handle.bodies) == {"a": 3, "b": 1}
    [letter] = dead.stored
    assert letter.body == "a"
    assert letter.attributes["reason"] == "failed 3 times, at last: ValueError: no such field"
    assert letter.attributes["error_class"] == "ValueError"
    assert queue.stored == []


async def test_receipts_without_a_failure_are_not_counted() -> None:
    queue, dead = await a_queue("a"), MemoryQueue("dead")
    for _ in range(20):
        [message] = await queue.receive(at_most=1, wait_seconds=1, visibility_seconds=60)
        await queue.change_visibility([(message.receipt_handle, 0)])

    async def fails_once(message: Message) -> None:
        if message.receive_count == 21:
            raise ValueError("first failure")

    async with running(a_consumer(queue, fails_once, dead_letters=dead, max_failures=2)):
        await asyncio.sleep(60)

    assert dead.stored == []
    assert queue.stored == []


async def test_an_outage_does_not_dead_letter_by_count_but_by_time() -> None:
    queue, dead = await a_queue("a"), MemoryQueue("dead")

    async def down(_: Message) -> None:
        raise TransientError("the model is away")

    handle = Recorder(down)
    async with running(a_consumer(queue, handle, dead_letters=dead, max_failures=3, transient_seconds=3600)):
        await asyncio.sleep(3500)
        assert len(handle.bodies) > 3
        assert dead.stored == []
        await asyncio.sleep(2000)

    [letter] = dead.stored
    assert letter.attributes["reason"].endswith("the model is away")


async def test_a_handler_past_its_deadline_is_cancelled_and_that_counts() -> None:
    queue, dead = await a_queue("a"), MemoryQueue("dead")
    handle = Recorder(seconds=1000)

    async with running(a_consumer(queue, handle, dead_letters=dead, max_failures=2, deadline_seconds=90)):
        await asyncio.sleep(400)

    assert handle.cancelled == ["a", "a"]
    [letter] = dead.stored
    assert letter.attributes["error_class"] == "DeadlineExceeded"


async def test_a_timeout_inside_the_handler_is_no_deadline() -> None:
    queue, dead = await a_queue("a"), MemoryQueue("dead")

    async def times_out(_: Message) -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(5)

    async with running(a_consumer(queue, times_out, dead_letters=dead, max_failures=1)):
        await asyncio.sleep(10)

    assert dead.stored[0].attributes["error_class"] == "TimeoutError"


async def test_something_cancelled_inside_the_handler_costs_no_worker() -> None:
    queue, dead = await a_queue("a", "b", "c"), MemoryQueue("dead")

    async def cancelled_inside(message: Message) -> None:
        if message.body != "c":
            raise asyncio.CancelledError

    handle = Recorder(cancelled_inside)
    async with running(a_consumer(queue, handle, workers=1, dead_letters=dead, max_failures=1)):
        await asyncio.sleep(10)

    assert handle.bodies == ["a", "b", "c"]
    assert [letter.body for letter in dead.stored] == ["a", "b"]


async def test_failures_that_cannot_be_counted_are_retried() -> None:
    queue, dead = await a_queue("a"), MemoryQueue("dead")

    class Away:
        async def add(self, key: str, *, now: float, counted: bool) -> Failures:
            raise TransientError("the table is away")

    handle = Recorder(fails)
    async with running(a_consumer(queue, handle, dead_letters=dead, failures=Away(), max_failures=1)):
        await asyncio.sleep(100)

    assert len(handle.bodies) > 3
    assert dead.stored == []
    assert len(queue.stored) == 1


async def test_a_message_that_cannot_be_moved_stays_and_is_retried() -> None:
    queue, dead = await a_queue("a"), MemoryQueue("dead")
    dead.faults.fail("send")
    dead.faults.fail_in_part("send", [0])

    async def refuse(_: Message) -> None:
        raise PermanentError("no")

    handle = Recorder(refuse)
    async with running(a_consumer(queue, handle, dead_letters=dead)):
        await asyncio.sleep(0.5)
        assert [message.body for message in queue.stored] == ["a"]
        await asyncio.sleep(60)

    assert handle.bodies == ["a", "a", "a"]
    assert [letter.body for letter in dead.stored] == ["a"]
    assert queue.stored == []


async def test_the_owner_is_told_before_the_message_moves() -> None:
    queue, dead = await a_queue("a"), MemoryQueue("dead")
    told: list[tuple[str, str, int]] = []

    async def hand_over(message: Message, verdict: DeadLetter) -> None:
        told.append((message.body, verdict.reason, len(dead.stored)))
        if len(told) == 1:
            raise TransientError("the table is away")

    async def refuse(_: Message) -> None:
        raise PermanentError("no")

    async with running(a_consumer(queue, refuse, dead_letters=dead, on_dead_letter=hand_over)):
        await asyncio.sleep(60)

    assert told == [("a", "no", 0), ("a", "no", 0)]
    assert len(dead.stored) == 1
    assert queue.stored == []


async def test_a_second_failure_soon_after_a_redrive_is_dead_lettered_too() -> None:
    queue, dead = await a_queue(name="work.fifo"), MemoryQueue("dead.fifo")
    await queue.send([outgoing("a", group="a", deduplication_id="ticket 1 version 1")])

    async def refuse(_: Message) -> None:
        raise PermanentError("no")

    async with running(a_consumer(queue, refuse, dead_letters=dead)):
        await asyncio.sleep(5)
        [letter] = await dead.receive(at_most=10, wait_seconds=0, visibility_seconds=60)
        await queue.send([outgoing(letter.body, group="a", deduplication_id="redrive 1")])
        await asyncio.sleep(5)

    assert len(dead.stored) == 2
    for stored in dead.stored:
        assert stored.deduplication_id == stored.attributes["source_message_id"]


async def test_a_group_waits_for_its_retried_message_while_others_go_on() -> None:
    queue = await a_queue("a0", "a1", "a2", "b0", "b1", name="work.fifo")

    async def first_fails(message: Message) -> None:
        if message.body == "a0" and message.receive_count == 1:
            raise TransientError("busy", retry_after=20)

    handle = Recorder(first_fails)
    async with running(a_consumer(queue, handle, workers=2)):
        await asyncio.sleep(10)
        assert [body for body in handle.bodies if body[0] == "a"] == ["a0"]
        assert [body for body in handle.bodies if body[0] == "b"] == ["b0", "b1"]
        await asyncio.sleep(50)

    assert [body for body in handle.bodies if body[0] == "a"] == ["a0", "a0", "a1", "a2"]
    assert queue.stored == []


async def test_a_message_of_a_group_begins_only_after_the_one_before_it_is_deleted() -> None:
    queue = await a_queue("a0", "a1", name="work.fifo")
    queue.faults.fail("delete", times=3)
    stored_when_begun: list[int] = []

    async def note(_: Message) -> None:
        stored_when_begun.append(len(queue.stored))

    async with running(a_consumer(queue, note)):
        await asyncio.sleep(30)

    assert stored_when_begun == [2, 1]


async def test_one_long_group_does_not_keep_others_from_being_received() -> None:
    queue = await a_queue(*(f"a{number}" for number in range(9)), "b0", "c0", name="work.fifo")
    handle = Recorder(seconds=100)

    async with running(a_consumer(queue, handle, workers=3)):
        await asyncio.sleep(5)
        assert sorted(handle.bodies) == ["a0", "b0", "c0"]


async def test_two_receipts_of_one_message_are_not_handled_side_by_side() -> None:
    queue = await a_queue("a")
    handle = Recorder(seconds=50)

    async with running(a_consumer(queue, handle, workers=2)):
        await asyncio.sleep(1)
        queue.expire("a")
        await asyncio.sleep(100)

    assert handle.most_at_work == 1


async def test_a_handler_whose_message_is_lost_is_cancelled() -> None:
    queue = await a_queue("a")
    handle = Recorder(seconds=50)

    async with running(a_consumer(queue, handle, workers=1, visibility_seconds=30)):
        await asyncio.sleep(1)
        queue.expire("a")
        [taken] = await queue.receive(at_most=1, wait_seconds=0, visibility_seconds=1000)
        await asyncio.sleep(11)  # By then a heartbeat was refused.
        assert handle.cancelled == ["a"]
        await queue.delete([taken.receipt_handle])

    assert handle.bodies == ["a"]


async def test_a_failed_heartbeat_is_made_up_for_in_time() -> None:
    queue = await a_queue("a")
    queue.faults.fail("change_visibility", times=2)
    queue.faults.fail_in_part("change_visibility", [0], times=2)
    handle = Recorder(seconds=200)

    async with running(a_consumer(queue, handle, workers=2, visibility_seconds=30)):
        await asyncio.sleep(250)

    assert handle.bodies == ["a"]
    assert queue.stored == []


async def test_nobody_else_begins_before_a_consumer_without_heartbeats_has_stopped() -> None:
    queue = await a_queue("a")
    cut_off = MemoryQueue("work")
    cut_off._stored = queue._stored  # The same messages, over a connection whose heartbeats do not get through.
    cut_off.faults.fail("change_visibility", times=10_000)
    mine, other = Recorder(seconds=100), Recorder()

    async with running(a_consumer(cut_off, mine, workers=1, visibility_seconds=30)) as stop:
        await asyncio.sleep(1)
        stop.set()
        async with running(a_consumer(queue, other, wait_seconds=1)):
            await asyncio.sleep(60)

    assert mine.cancelled == ["a"]
    assert other.times("a")[0] >= 30
    assert queue.stored == []


async def test_a_poll_error_backs_off_and_beats_and_ends_nothing() -> None:
    queue = await a_queue("a")
    queue.faults.fail("receive", times=3)
    queue.faults.fail("receive", error=PermanentError("access denied"))
    beats: list[float] = []
    handle = Recorder()

    async with running(a_consumer(queue, handle, beat=lambda: beats.append(loop_time()))):
        await asyncio.sleep(30)

    assert beats[:5] == pytest.approx([0, 0.5, 1.5, 3.5, 7.5])
    assert handle.bodies == ["a"]


async def test_a_poll_that_hangs_shows_in_health_and_is_given_up() -> None:
    queue = await a_queue("a")
    queue.faults.hang_at = 1  # The first call was the send.
    beats: list[float] = []
    handle = Recorder()
    consumer = a_consumer(queue, handle, wait_seconds=20, visibility_seconds=60, beat=lambda: beats.append(loop_time()))

    async with running(consumer):
        await asyncio.sleep(79)
        assert beats == [0]
        await asyncio.sleep(5)

    assert handle.bodies == ["a"]


async def test_a_busy_consumer_and_a_draining_one_still_beat() -> None:
    queue = await a_queue("a")
    beats: list[float] = []
    consumer = a_consumer(
        queue, Recorder(seconds=200), workers=1, wait_seconds=10, beat=lambda: beats.append(loop_time())
    )

    async with running(consumer) as stop:
        await asyncio.sleep(100)
        stop.set()

    gaps = [later - earlier for earlier, later in pairwise(beats)]
    assert beats[-1] > 190
    assert max(gaps) <= 10.1


async def test_a_broken_part_brings_the_consumer_down_with_its_reason() -> None:
    queue = await a_queue("a")
    turns = 0

    def broken_beat() -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            raise RuntimeError("no such gauge")

    handle = Recorder(seconds=100)
    with pytest.raises(RuntimeError, match="no such gauge"):
        await a_consumer(queue, handle, beat=broken_beat).run(asyncio.Event())

    assert handle.cancelled == ["a"]
    assert [message.body for message in queue.visible] == ["a"]


async def test_one_line_tells_how_a_message_ended_and_nothing_of_what_it_said() -> None:
    queue = await a_queue("what the customer wrote")

    async def fail(_: Message) -> None:
        await asyncio.sleep(2)
        raise ValueError("what the customer wrote")

    with capture_logs() as lines:
        async with running(a_consumer(queue, fail, max_failures=1)):
            await asyncio.sleep(5)

    assert "customer" not in str(lines)
    [line] = [line for line in lines if line["event"] == "message"]
    assert line["queue"] == "work"
    assert line["message_id"] == "message-1"
    assert line["outcome"] == "dead_letter"
    assert line["error_class"] == "ValueError"
    assert line["reason"].startswith("ValueError at ")
    assert (line["ms"], line["receive_count"], line["failures"]) == (2000, 1, 1)


async def test_several_receivers_share_the_room() -> None:
    queue = await a_queue(*(f"{number}" for number in range(60)))
    handle = Recorder(seconds=1)

    async with running(a_consumer(queue, handle, workers=5, prefetch=10, receivers=3)):
        for _ in range(40):
            await asyncio.sleep(0.5)
            assert len(queue.in_flight) <= 15 + 15  # At work or in stock, and on their way out.

    assert Counter(handle.bodies) == Counter(f"{number}" for number in range(60))
