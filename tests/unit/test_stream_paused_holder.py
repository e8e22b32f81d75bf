"""A holder that was stopped (SIGSTOP, a long pause of the machine) and wakes after its lease was taken."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.stream.leases import Lease
from shared.stream.lineage import Start
from shared.stream.memory import MemoryLeases
from shared.stream.record import Record
from tests.support.streams import Fleet, until

pytestmark = pytest.mark.looptime


class Pausable:
    """A task's view of the lease store: while it is paused, none of its calls comes through, and none comes back."""

    def __init__(self, store: MemoryLeases) -> None:
        self._store = store
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.refused: list[Lease] = []

    async def begin(self, start: Start) -> Start:
        return await self._store.begin(start)

    async def listing(self) -> list[Lease]:
        await self.goes_on.wait()
        return await self._store.listing()

    async def swap(self, old: Lease, new: Lease) -> Lease:
        # The try is out on the wire: the holder's own limits cannot call it back.
        return await asyncio.shield(asyncio.ensure_future(self._swap(old, new)))

    async def _swap(self, old: Lease, new: Lease) -> Lease:
        await self.goes_on.wait()
        return await self._store.swap(old, new)

    async def ask(self, lease: Lease, wanted_by: str) -> None:
        await self._store.ask(lease, wanted_by)

    async def forget(self, lease: Lease) -> None:
        await self._store.forget(lease)


async def test_a_holder_that_cannot_reach_the_leases_stops_reading_before_another_begins() -> None:
    fleet = Fleet()
    store = Pausable(fleet.leases)
    first = fleet.start("a", leases=store)
    await until(lambda: first.consumer.held)
    second = fleet.start("b")
    fleet.put("t1")
    await fleet.until_delivered("t1")
    store.goes_on.clear()
    both = 0
    for number in range(200):
        fleet.put(f"x{number}")
        await asyncio.sleep(0.05)
        both += bool(first.consumer.held and second.consumer.held)
    assert second.consumer.held
    assert both == 0
    store.goes_on.set()
    await asyncio.sleep(20)
    assert not first.consumer.held
    await fleet.drain_all()
    assert set(fleet.items) == {"t1", *(f"x{number}" for number in range(200))}


async def test_an_ex_holders_late_writes_do_not_move_the_checkpoint() -> None:
    fleet = Fleet()
    store = Pausable(fleet.leases)
    first = fleet.start("a", leases=store)
    fleet.put("t1")
    await fleet.until_delivered("t1")
    await until(fleet.checkpoints)
    store.goes_on.clear()
    fleet.put("t2")
    await until(lambda: "t2" in fleet.by("a"))  # Delivered; its checkpoint hangs on the wire.
    second = fleet.start("b")
    await until(lambda: "t2" in fleet.by("b"))
    fleet.put("t3")
    await until(lambda: "t3" in fleet.by("b"))
    before = (await fleet.leases.listing())[0]
    store.goes_on.set()
    await asyncio.sleep(1.0)
    after = (await fleet.leases.listing())[0]
    assert (after.owner, after.after) == ("b", before.after)
    for numbers in fleet.checkpoints().values():
        assert numbers == sorted(numbers, key=lambda number: number or 0)
    await second.drain()
    await first.drain()
    assert fleet.by("a").count("t3") == 0


async def test_a_delivery_that_a_pause_cut_through_may_be_late_but_leaves_no_checkpoint() -> None:
    """What does it do: the whole process of the holder stands still in the middle of a delivery, another task reads
    the records, then the first wakes. How: the delivery shields itself from cancellation, as a sent request does."""
    fleet = Fleet()
    wakes = asyncio.Event()
    late: list[str] = []

    async def deliver(records: Sequence[Record]) -> None:
        async def on_the_wire() -> None:
            await wakes.wait()
            late.extend(record.keys["ticketId"] for record in records)

        await asyncio.shield(asyncio.ensure_future(on_the_wire()))

    store = Pausable(fleet.leases)
    first = fleet.start("a", leases=store, deliver=deliver)
    fleet.put("t1")
    await until(lambda: first.consumer.held)
    await asyncio.sleep(1.0)
    store.goes_on.clear()
    second = fleet.start("b")
    await until(lambda: "t1" in fleet.by("b"))
    wakes.set()
    store.goes_on.set()
    await until(lambda: late)
    await asyncio.sleep(1.0)
    assert late == ["t1"]
    assert {lease.owner for lease in fleet.leases.written if lease.after is not None} == {"b"}
    await second.drain()
    await first.drain()


async def test_a_delivery_under_way_is_cut_off_when_the_lease_runs_out_and_before_another_begins() -> None:
    fleet = Fleet()
    store = Pausable(fleet.leases)
    cut_off: list[float] = []
    began: list[float] = []
    clock = asyncio.get_running_loop().time

    async def slow(records: Sequence[Record]) -> None:
        try:
            await asyncio.sleep(25.0)
        except asyncio.CancelledError:
            cut_off.append(clock())
            raise

    async def quick(records: Sequence[Record]) -> None:
        await asyncio.sleep(0)
        began.append(clock())

    first = fleet.start("a", leases=store, deliver=slow)
    await until(lambda: first.consumer.held)
    fleet.put("t1")
    await asyncio.sleep(1.0)
    second = fleet.start("b", deliver=quick)
    store.goes_on.clear()
    await until(lambda: began)
    assert cut_off
    assert cut_off[0] <= began[0]
    store.goes_on.set()
    await second.drain()
    await first.drain()
