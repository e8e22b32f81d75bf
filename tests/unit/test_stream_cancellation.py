"""Stopping a consumer at each of its awaits in turn leaves the leases such that nothing is lost."""

import asyncio
from typing import Any

import pytest

from tests.support.streams import Fleet, until

pytestmark = pytest.mark.looptime


class HangsAt:
    """Every call of what it wraps counts; call number ``at`` never returns. ``reached`` says that it has begun."""

    def __init__(self, at: int, *, after_the_effect: bool) -> None:
        self.at = at
        self.after_the_effect = after_the_effect
        self.calls: list[str] = []
        self.reached = asyncio.Event()

    def __call__(self, wrapped: Any) -> Any:
        hangs = self

        class Wrapper:
            def __getattr__(self, name: str) -> Any:
                method = getattr(wrapped, name)

                async def call(*args: Any, **kwargs: Any) -> Any:
                    hangs.calls.append(name)
                    if len(hangs.calls) != hangs.at:
                        return await method(*args, **kwargs)
                    if hangs.after_the_effect:
                        await method(*args, **kwargs)
                    hangs.reached.set()
                    return await asyncio.Event().wait()

                return call

        return Wrapper()


async def a_run_stopped_at(call: int, *, after_the_effect: bool, drain: bool) -> str | None:
    """Run a consumer until its ``call``-th call hangs, stop it there, let another finish; None: it made fewer calls."""
    fleet = Fleet(lease_seconds=3.0)
    hangs = HangsAt(call, after_the_effect=after_the_effect)
    fleet.poison = {"t2"}
    fleet.put("t1", "t2", "t3")
    root = fleet.stream.open_shards()[0]

    class Delivering:
        async def deliver(self, records: Any) -> None:
            await fleet._deliver_as("a")(records)

    first = fleet.start(
        "a", source=hangs(fleet.stream), leases=hangs(fleet.leases), deliver=hangs(Delivering()).deliver
    )
    at_work = asyncio.ensure_future(until(lambda: "t3" in fleet.items, within=60, step=0.1))
    hanging = asyncio.ensure_future(hangs.reached.wait())
    await asyncio.wait({at_work, hanging}, return_when=asyncio.FIRST_COMPLETED)
    fleet.stream.split(root)
    fleet.put("t4", "t5")
    await asyncio.wait({hanging}, timeout=2.0)
    reached = hangs.calls[call - 1] if hangs.reached.is_set() else None
    if drain:
        first.stop.set()
        await asyncio.wait({first.task}, timeout=1.0)
    await first.kill()
    for waiting in (at_work, hanging):
        waiting.cancel()
    await asyncio.gather(at_work, hanging, return_exceptions=True)
    assert len(asyncio.all_tasks()) == 1, "something of the stopped task runs on"

    second = fleet.start("b")
    await until(lambda: {"t1", "t3", "t4", "t5"} <= set(fleet.items) and fleet.quarantined, within=60, step=0.1)
    await until(lambda: second.consumer.held == sorted(fleet.stream.open_shards()), within=60, step=0.1)
    await second.drain()
    leases = await fleet.leases.listing()
    assert {lease.owner for lease in leases} == {None}
    assert {lease.shard_id for lease in leases if lease.ended} == {root}
    for numbers in fleet.checkpoints().values():
        assert numbers == sorted(numbers, key=lambda number: float("inf") if number is None else number)
    return reached


@pytest.mark.parametrize("after_the_effect", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize("drain", [False, True], ids=["killed", "drained, then killed"])
async def test_a_consumer_stopped_at_any_call_loses_nothing(after_the_effect: bool, drain: bool) -> None:
    reached: set[str] = set()
    for call in range(1, 31):
        name = await a_run_stopped_at(call, after_the_effect=after_the_effect, drain=drain)
        if name is not None:
            reached.add(name)
    assert reached == {"begin", "listing", "swap", "shards", "iterator", "read", "deliver"}
