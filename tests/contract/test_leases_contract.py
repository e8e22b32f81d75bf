"""The promises of a lease store, kept in memory and by a DynamoDB table."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.aws.clients import aws_session, open_client
from shared.stream.dynamodb_leases import DynamoDbLeases
from shared.stream.leases import Lease, checkpointed, released, renewed, taken
from shared.stream.lineage import Start
from shared.stream.memory import MemoryLeases
from shared.stream.port import LeaseLost, Leases
from tests.support.contract_clouds import CLOUDS, contract_table, use_cloud
from tests.support.streams import a_lease

NEW = Lease(shard_id="s1")


@pytest.fixture(params=["memory", *CLOUDS])
async def leases(request: pytest.FixtureRequest) -> AsyncIterator[Leases]:
    if request.param == "memory":
        yield MemoryLeases()
        return
    use_cloud(request.param, request)
    async with open_client(aws_session(), "dynamodb") as client, contract_table(client, "leaseKey") as created:
        table = created["TableName"]
        # Another consumer's leases in the same table, under a name that begins alike, are none of ours.
        await DynamoDbLeases(client, table, consumer="bridge-2").swap(NEW, taken(NEW, "z"))
        await DynamoDbLeases(client, table, consumer="bridge-2").begin(Start(since=1.0))
        yield DynamoDbLeases(client, table, consumer="bridge")


async def the_lease(leases: Leases) -> Lease:
    (found,) = await leases.listing()
    return found


async def test_there_are_no_leases_to_begin_with(leases: Leases) -> None:
    assert await leases.listing() == []


async def test_a_lease_is_seen_as_it_was_written(leases: Leases) -> None:
    held = await leases.swap(NEW, taken(NEW, "a"))
    assert held == Lease(shard_id="s1", owner="a", counter=1)
    held = await leases.swap(held, checkpointed(held, "100000000000000000000000000000000000007"))
    assert held.after == "100000000000000000000000000000000000007"
    assert await the_lease(leases) == held
    freed = await leases.swap(held, released(held))
    assert await the_lease(leases) == freed
    assert (freed.owner, freed.after) == (None, held.after)


async def test_an_ended_lease_stays_ended(leases: Leases) -> None:
    held = await leases.swap(NEW, taken(NEW, "a"))
    await leases.swap(held, released(held, ended=True))
    assert (await the_lease(leases)).ended


async def test_of_several_who_take_a_lease_at_once_one_has_it(leases: Leases) -> None:
    tries = await asyncio.gather(*(leases.swap(NEW, taken(NEW, name)) for name in "abcdef"), return_exceptions=True)
    (winner,) = [lease for lease in tries if isinstance(lease, Lease)]
    assert await the_lease(leases) == winner
    assert sum(isinstance(lost, LeaseLost) for lost in tries) == 5


async def test_a_holder_that_was_overtaken_can_write_nothing(leases: Leases) -> None:
    held = await leases.swap(NEW, taken(NEW, "a"))
    theirs = await leases.swap(held, taken(held, "b"))
    for change in (renewed(held), checkpointed(held, "9"), released(held)):
        with pytest.raises(LeaseLost) as lost:
            await leases.swap(held, change)
        assert lost.value.current == theirs
    assert await the_lease(leases) == theirs


async def test_a_write_of_an_earlier_holding_by_the_same_owner_is_refused(leases: Leases) -> None:
    first = await leases.swap(NEW, taken(NEW, "a"))
    freed = await leases.swap(first, released(first))
    again = await leases.swap(freed, taken(freed, "a"))
    with pytest.raises(LeaseLost):
        await leases.swap(first, checkpointed(first, "9"))
    assert await the_lease(leases) == again


async def test_a_repeated_write_succeeds_as_the_first_did(leases: Leases) -> None:
    held = await leases.swap(NEW, taken(NEW, "a"))
    assert await leases.swap(NEW, taken(NEW, "a")) == held
    moved = await leases.swap(held, checkpointed(held, "7"))
    assert await leases.swap(held, checkpointed(held, "7")) == moved
    freed = await leases.swap(moved, released(moved))
    assert await leases.swap(moved, released(moved)) == freed


async def test_a_lease_that_was_forgotten_is_lost(leases: Leases) -> None:
    with pytest.raises(LeaseLost) as lost:
        await leases.swap(a_lease("s1", owner="a", counter=3), renewed(a_lease("s1", owner="a", counter=3)))
    assert lost.value.current is None


async def test_the_first_to_ask_is_heard_and_the_holder_learns_it_from_its_next_write(leases: Leases) -> None:
    held = await leases.swap(NEW, taken(NEW, "a"))
    await leases.ask(held, "b")
    await leases.ask(held, "c")
    assert (await the_lease(leases)).wanted_by == "b"
    kept = await leases.swap(held, renewed(held))
    assert kept.wanted_by == "b"
    freed = await leases.swap(kept, released(kept))
    assert freed.wanted_by == "b"
    theirs = await leases.swap(freed, taken(freed, "b"))
    assert theirs.wanted_by is None
    assert await the_lease(leases) == theirs


async def test_asking_for_a_lease_that_changed_hands_does_nothing(leases: Leases) -> None:
    held = await leases.swap(NEW, taken(NEW, "a"))
    theirs = await leases.swap(held, taken(held, "b"))
    await leases.ask(held, "c")
    assert await the_lease(leases) == theirs


async def test_only_an_ended_lease_is_forgotten_and_only_as_it_was_seen(leases: Leases) -> None:
    held = await leases.swap(NEW, taken(NEW, "a"))
    await leases.forget(held)
    assert await the_lease(leases) == held
    ended = await leases.swap(held, released(held, ended=True))
    await leases.forget(held)
    assert await the_lease(leases) == ended
    await leases.forget(ended)
    assert await leases.listing() == []


@pytest.mark.parametrize("start", [Start(), Start(since=1_700_000_000.0, past=frozenset({"s1", "s2"}))])
async def test_the_first_start_stands(leases: Leases, start: Start) -> None:
    assert await leases.begin(start) == start
    assert await leases.begin(Start(since=5.0)) == start
    assert await leases.listing() == []


async def test_many_leases_are_all_listed(leases: Leases) -> None:
    new = [Lease(shard_id=f"shardId-{number:020}-{'x' * 40}") for number in range(60)]
    await asyncio.gather(*(leases.swap(lease, taken(lease, "a")) for lease in new))
    assert {lease.shard_id for lease in await leases.listing()} == {lease.shard_id for lease in new}
