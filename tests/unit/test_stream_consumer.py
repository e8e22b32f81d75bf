"""A fleet of consumers on virtual time: who reads which shard, in which order, and what is repeated."""

import asyncio

import pytest

from shared.errors import PermanentError, Throttled, TransientError
from shared.stream.leases import Lease
from shared.stream.lineage import Shard
from shared.stream.memory import MemoryStream
from shared.stream.port import Batch
from tests.support.streams import Fleet, until, virtual_now

pytestmark = pytest.mark.looptime


async def test_records_are_delivered_in_order_and_once() -> None:
    fleet = Fleet()
    items = [f"t{number}" for number in range(250)]
    fleet.put(*items[:100])
    task = fleet.start("a")
    await fleet.until_delivered(*items[:100])
    fleet.put(*items[100:])
    await fleet.until_delivered(*items)
    await task.drain()
    assert fleet.items == items


async def test_a_lone_record_waits_half_an_idle_interval_on_average() -> None:
    fleet = Fleet()
    task = fleet.start("a")
    await until(lambda: task.consumer.held)
    waits = []
    for number in range(40):
        await asyncio.sleep(0.61)
        fleet.put(f"t{number}")
        waits.append(await fleet.until_delivered(f"t{number}"))
    await task.drain()
    waits.sort()
    assert waits[len(waits) // 2] < 0.3
    assert waits[-1] < 1.0


async def test_a_drained_task_hands_over_within_a_second_and_repeats_nothing() -> None:
    fleet = Fleet()
    first = fleet.start("a")
    second = fleet.start("b")
    await until(lambda: first.consumer.held or second.consumer.held)
    holder, other = (first, second) if first.consumer.held else (second, first)
    fleet.put("t1", "t2")
    await fleet.until_delivered("t1", "t2")
    await holder.drain()
    fleet.put("t3")
    assert await fleet.until_delivered("t3") < 1.0
    await other.drain()
    assert fleet.items == ["t1", "t2", "t3"]


async def test_a_hand_over_waits_for_the_delivery_in_hand_and_repeats_nothing() -> None:
    fleet = Fleet()
    fleet.delivery_seconds = 2.0
    first = fleet.start("a")
    await until(lambda: first.consumer.held)
    second = fleet.start("b")
    fleet.put("t1")
    await until(lambda: fleet.calls)
    fleet.put("t2")
    await first.drain()
    await fleet.until_delivered("t1", "t2")
    await second.drain()
    assert fleet.items == ["t1", "t2"]


async def test_a_killed_tasks_shard_is_read_on_within_ten_seconds() -> None:
    fleet = Fleet()
    first = fleet.start("a")
    await until(lambda: first.consumer.held)
    second = fleet.start("b")
    fleet.put("t1")
    await fleet.until_delivered("t1")
    await first.kill()
    fleet.put("t2")
    assert await fleet.until_delivered("t2") < 10.0
    await second.drain()
    assert fleet.items == ["t1", "t2"]


async def test_what_a_killed_task_delivered_without_a_checkpoint_is_repeated_and_nothing_is_lost() -> None:
    fleet = Fleet()
    first = fleet.start("a")
    fleet.delivery_seconds = 1.0
    fleet.put("t1", "t2")
    await until(lambda: fleet.calls)
    second = fleet.start("b")
    await first.kill()
    await fleet.until_delivered("t1", "t2")
    await second.drain()
    assert fleet.by("b") == ["t1", "t2"]


async def test_a_task_that_comes_gets_its_share_without_a_repeat() -> None:
    fleet = Fleet()
    root = fleet.stream.open_shards()[0]
    for shard_id in fleet.stream.split(root):
        fleet.stream.split(shard_id)
    first = fleet.start("a")
    await until(lambda: len(first.consumer.held) == 4)
    others = [fleet.start("b"), fleet.start("c"), fleet.start("d")]
    items = [f"t{number}" for number in range(400)]

    async def writing() -> None:
        for item in items:
            fleet.put(item)
            await asyncio.sleep(0.05)

    await writing()
    await fleet.until_delivered(*items)
    assert [len(task.consumer.held) for task in (first, *others)] == [1, 1, 1, 1]
    await fleet.drain_all()
    assert sorted(fleet.items) == sorted(items)


async def test_two_tasks_never_read_one_shard_at_a_time() -> None:
    fleet = Fleet(lease_seconds=3.0)
    fleet.stream.split(fleet.stream.open_shards()[0])
    tasks = [fleet.start(name) for name in "abcd"]
    for _ in range(400):
        await asyncio.sleep(0.1)
        held = [shard_id for task in tasks for shard_id in task.consumer.held]
        assert len(held) == len(set(held))
        fleet.put("t")
        if len(tasks) > 1 and len(fleet.items) % 60 == 59:
            await tasks.pop().drain()
    await fleet.drain_all()


async def test_a_child_is_read_after_its_parent_at_once() -> None:
    fleet = Fleet()
    parent = fleet.stream.open_shards()[0]
    task = fleet.start("a")
    fleet.put("t1")
    await fleet.until_delivered("t1")
    fleet.put("t2")
    child = fleet.stream.roll_over(parent)
    fleet.put("t3")
    assert await fleet.until_delivered("t2", "t3") < 1.0
    assert fleet.items == ["t1", "t2", "t3"]
    assert task.consumer.held == [child]
    await task.drain()


async def test_the_order_of_each_item_survives_splits_while_tasks_come_and_go() -> None:
    fleet = Fleet(lease_seconds=3.0)
    tasks = [fleet.start("a"), fleet.start("b")]
    written: dict[str, list[str]] = {}
    for turn in range(120):
        item = f"t{turn % 7}"
        record = fleet.stream.put({"ticketId": item}, change="MODIFY")
        written.setdefault(item, []).append(record.event_id)
        await asyncio.sleep(0.2)
        match turn % 30:
            case 5:
                fleet.stream.split(fleet.stream.open_shards()[0])
            case 12:
                await tasks.pop(0).drain()
            case 13:
                tasks.append(fleet.start(f"task-{turn}"))
            case 20:
                await tasks.pop(0).kill()
                tasks.append(fleet.start(f"task-{turn}"))
            case 25:
                fleet.stream.roll_over(fleet.stream.open_shards()[-1])
    everything = sum(len(events) for events in written.values())
    await until(lambda: len({delivered.record.event_id for delivered in fleet.delivered}) == everything)
    await fleet.drain_all()
    for item, events in written.items():
        seen = [d.record.event_id for d in fleet.delivered if d.record.keys["ticketId"] == item]
        assert list(dict.fromkeys(seen)) == events
    for checkpoints in fleet.checkpoints().values():
        numbers = [number for number in checkpoints if number is not None]
        assert numbers == sorted(numbers)


async def test_a_throttled_delivery_holds_its_shard_and_keeps_the_order() -> None:
    fleet = Fleet()
    fleet.failing["t2"] = [Throttled("slow down", retry_after=8.0), TransientError("again")]
    fleet.put("t1", "t2", "t3")
    fleet.start("a")
    fleet.start("b")
    assert await fleet.until_delivered("t1", "t2", "t3") > 8.0
    # 8 s is longer than a lease: had it not been renewed meanwhile, the other task would have taken it.
    assert len({lease.owner for lease in fleet.leases.written}) == 1
    await fleet.drain_all()
    assert fleet.items == ["t1", "t2", "t3"]


async def test_a_poison_record_costs_itself_alone() -> None:
    fleet = Fleet()
    items = [f"t{number}" for number in range(64)]
    fleet.poison = {"t17", "t41"}
    fleet.put(*items)
    task = fleet.start("a")
    await fleet.until_delivered(*(set(items) - fleet.poison))
    await task.drain()
    assert fleet.quarantined == [("t17", "t17 is poison"), ("t41", "t41 is poison")]
    assert fleet.items == [item for item in items if item not in fleet.poison]


async def test_a_bug_that_fails_on_one_record_makes_it_poison_after_some_tries() -> None:
    fleet = Fleet()
    fleet.failing["t2"] = [KeyError("assignStatus") for _ in range(100)]
    fleet.put("t1", "t2", "t3")
    task = fleet.start("a")
    await fleet.until_delivered("t1", "t3")
    await task.drain()
    assert fleet.quarantined == [("t2", "KeyError in each of 5 tries")]


async def test_a_record_holds_its_shard_until_its_quarantine_takes_it() -> None:
    fleet = Fleet()
    fleet.poison = {"t1"}
    fleet.failing["quarantine"] = [TransientError("away"), PermanentError("full"), TransientError("away")]
    fleet.put("t1", "t2")
    task = fleet.start("a")
    await fleet.until_delivered("t2")
    await task.drain()
    assert [name for name, _ in fleet.quarantined] == ["t1"]


async def test_records_trimmed_while_nobody_read_are_reported_and_reading_goes_on() -> None:
    fleet = Fleet()
    first = fleet.start("a")
    fleet.put("t1")
    await fleet.until_delivered("t1")
    await first.drain()
    shard_id = fleet.stream.open_shards()[0]
    checkpoint = fleet.checkpoints()[shard_id][-1]
    fleet.put("t2", "t3", "t4")
    fleet.stream.trim(shard_id, 3)
    fleet.failing["gap"] = [TransientError("the table is away"), ValueError("a bug")]
    second = fleet.start("b")
    await fleet.until_delivered("t4")
    await second.drain()
    assert fleet.gaps == [(shard_id, str(checkpoint))]
    assert fleet.items == ["t1", "t4"]


async def test_a_shard_trimmed_as_a_whole_is_reported_and_its_child_is_read() -> None:
    fleet = Fleet()
    first = fleet.start("a")
    fleet.put("t1")
    await fleet.until_delivered("t1")
    await first.drain()
    shard_id = fleet.stream.open_shards()[0]
    fleet.put("t2")
    fleet.stream.roll_over(shard_id)
    fleet.put("t3")
    fleet.stream.drop(shard_id)
    second = fleet.start("b")
    await fleet.until_delivered("t3")
    await second.drain()
    assert [gap[0] for gap in fleet.gaps] == [shard_id]
    assert fleet.items == ["t1", "t3"]


async def test_an_expired_iterator_is_renewed_from_the_checkpoint() -> None:
    fleet = Fleet()
    fleet.stream.iterator_seconds = 30
    task = fleet.start("a")
    fleet.put("t1")
    await fleet.until_delivered("t1")
    fleet.failing["t2"] = [Throttled("come back", retry_after=60.0)]
    fleet.put("t2", "t3")
    await fleet.until_delivered("t2", "t3")
    fleet.put("t4")
    await fleet.until_delivered("t4")
    await task.drain()
    assert fleet.items == ["t1", "t2", "t3", "t4"]


async def test_latest_leaves_out_what_was_there_before_and_loses_nothing_after() -> None:
    fleet = Fleet(start="LATEST")
    fleet.put("old-1")
    fleet.stream.roll_over(fleet.stream.open_shards()[0])
    fleet.put("old-2")
    await asyncio.sleep(2)
    first = fleet.start("a")
    await until(lambda: first.consumer.held)
    await first.kill()  # Before its first checkpoint.
    fleet.put("new-1")
    fleet.stream.roll_over(fleet.stream.open_shards()[0])
    fleet.put("new-2")
    second = fleet.start("b")
    await fleet.until_delivered("new-1", "new-2")
    await second.drain()
    assert fleet.items == ["new-1", "new-2"]


async def test_the_start_is_decided_once() -> None:
    fleet = Fleet()
    first = fleet.start("a")
    await until(lambda: first.consumer.held)
    await first.drain()
    fleet.put("t1")
    await asyncio.sleep(5)
    later = Fleet(start="LATEST", source=fleet.stream, leases=fleet.leases)
    second = later.start("b")
    await later.until_delivered("t1")
    await second.drain()
    assert later.items == ["t1"]


async def test_the_iterator_age_is_that_of_the_last_record_read_and_zero_at_the_tip() -> None:
    fleet = Fleet()
    fleet.put("t1")
    await asyncio.sleep(30)
    fleet.delivery_seconds = 5.0
    task = fleet.start("a")
    await until(lambda: fleet.calls)
    assert 30 <= task.consumer.iterator_age < 31
    await asyncio.sleep(4)
    assert 34 <= task.consumer.iterator_age < 35
    await fleet.until_delivered("t1")
    await until(lambda: task.consumer.iterator_age == 0)
    await task.drain()


async def test_a_task_whose_loop_is_well_beats_while_everything_it_calls_is_away() -> None:
    fleet = Fleet()

    class Away:
        def __getattr__(self, name: str) -> object:
            async def refuse(*_: object, **__: object) -> None:
                raise TransientError("away")

            return refuse

    task = fleet.start("a", leases=Away(), source=Away())  # type: ignore[arg-type]
    await asyncio.sleep(120)
    gaps = [later - earlier for earlier, later in zip(task.beats, task.beats[1:], strict=False)]
    assert virtual_now() - task.beats[-1] < 6
    assert max(gaps) < 6
    await task.drain()


async def test_leases_of_shards_long_gone_are_forgotten() -> None:
    fleet = Fleet(forget_seconds=100)
    task = fleet.start("a")
    parent = fleet.stream.open_shards()[0]
    child = fleet.stream.roll_over(parent)
    await until(lambda: task.consumer.held == [child])
    fleet.stream.drop(parent)
    await asyncio.sleep(95)
    assert {lease.shard_id for lease in await fleet.leases.listing()} == {parent, child}
    await asyncio.sleep(40)
    assert {lease.shard_id for lease in await fleet.leases.listing()} == {child}
    await task.drain()


async def test_nothing_is_left_held_after_a_drain() -> None:
    fleet = Fleet()
    fleet.stream.split(fleet.stream.open_shards()[0])
    task = fleet.start("a")
    await until(lambda: len(task.consumer.held) == 2)
    await task.drain()
    leases = await fleet.leases.listing()
    assert {lease.owner for lease in leases} == {None}
    assert len(asyncio.all_tasks()) == 1


async def test_a_task_that_is_stopped_before_it_began_takes_nothing() -> None:
    fleet = Fleet()
    task = fleet.start("a")
    task.stop.set()
    await task.task
    assert await fleet.leases.listing() == []


async def test_a_listing_that_hangs_does_not_hold_up_the_drain() -> None:
    fleet = Fleet()
    hang = asyncio.Event()

    class Hanging(type(fleet.leases)):  # type: ignore[misc]
        async def listing(self) -> list[Lease]:
            if hang.is_set():
                await asyncio.Event().wait()
            return await super().listing()  # type: ignore[no-any-return]

    fleet.lease_store = fleet.leases = Hanging()
    task = fleet.start("a")
    await until(lambda: task.consumer.held)
    hang.set()
    await asyncio.sleep(2)
    began = virtual_now()
    await task.drain()
    assert virtual_now() - began < 10
    assert {lease.owner for lease in fleet.leases.written[-1:]} == {None}


async def test_a_bug_in_a_reader_ends_the_task_loudly_and_gives_the_other_shards_back() -> None:
    fleet = Fleet()
    broken, sound = fleet.stream.split(fleet.stream.open_shards()[0])

    class Broken(MemoryStream):
        async def read(self, shard_id: str, iterator: str, *, at_most: int) -> Batch:
            if shard_id == broken and fleet.items:
                raise ZeroDivisionError("a bug")
            return await fleet.stream.read(shard_id, iterator, at_most=at_most)

    source = Broken(now=virtual_now)
    source.shards, source.iterator = fleet.stream.shards, fleet.stream.iterator  # type: ignore[method-assign]
    task = fleet.start("a", source=source)
    await until(lambda: len(task.consumer.held) == 2)
    fleet.put(*[f"t{number}" for number in range(8)])
    with pytest.raises(ZeroDivisionError):
        await task.task
    owners = {lease.shard_id: lease.owner for lease in await fleet.leases.listing()}
    assert owners[sound] is None


async def test_children_that_are_listed_late_are_found_soon() -> None:
    fleet = Fleet()
    task = fleet.start("a")
    parent = fleet.stream.open_shards()[0]
    await until(lambda: task.consumer.held)
    fleet.stream.close(parent)
    await until(lambda: not task.consumer.held)
    await asyncio.sleep(3)
    child = fleet.stream.add_child(parent)
    assert await until(lambda: task.consumer.held == [child]) < 6
    await task.drain()


async def test_a_stream_that_ended_is_listed_ever_less_often() -> None:
    fleet = Fleet()
    listings: list[float] = []

    class Counting(MemoryStream):
        async def shards(self) -> list[Shard]:
            listings.append(virtual_now())
            return await super().shards()

    fleet.stream = fleet_source = Counting(now=virtual_now)
    task = fleet.start("a", source=fleet_source)
    await until(lambda: task.consumer.held)
    fleet_source.close(fleet_source.open_shards()[0])
    await asyncio.sleep(600)
    assert 20 <= len(listings) <= 30
    await task.drain()
