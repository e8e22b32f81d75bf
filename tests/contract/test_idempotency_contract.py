"""What claims and failure counts promise (shared/idempotency/port.py, shared/queue/failures.py), asked of each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from local.provisioning import Provisioned
from shared.aws.clients import Client, aws_session, open_client
from shared.errors import TransientError
from shared.idempotency.dynamodb import DynamoDbIdempotency
from shared.idempotency.memory import MemoryIdempotency
from shared.idempotency.port import Claimed, ClaimLost, Completed, Idempotency, InProgress
from shared.queue.dynamodb_failures import DynamoDbFailureCounts
from shared.queue.failures import FailureCounts, Failures, MemoryFailureCounts
from tests.support.contract_clouds import CLOUDS, EMULATOR, contract_table, use_cloud


@dataclass
class Clock:
    """Time that a test moves."""

    seconds: float = 1_700_000_000.25

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def a_table(cloud: str, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Client, str]]:
    use_cloud(cloud, request)
    async with open_client(aws_session(), "dynamodb") as client, contract_table(client, "idempotencyKey") as table:
        yield client, table["TableName"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", *CLOUDS])
async def claims(request: pytest.FixtureRequest, clock: Clock) -> AsyncIterator[Idempotency]:
    if request.param == "memory":
        yield MemoryIdempotency(now=clock)
        return
    async with a_table(request.param, request) as (client, table):
        yield DynamoDbIdempotency(client, table, now=clock)


@pytest.fixture(params=["memory", *CLOUDS])
async def counts(request: pytest.FixtureRequest) -> AsyncIterator[FailureCounts]:
    if request.param == "memory":
        yield MemoryFailureCounts()
        return
    async with a_table(request.param, request) as (client, table):
        yield DynamoDbFailureCounts(client, table)


async def claimed(claims: Idempotency, owner: str = "one", ttl: float = 60) -> Claimed:
    claim = await claims.claim("ticket-1", owner=owner, ttl_seconds=ttl)
    assert isinstance(claim, Claimed)
    return claim


async def test_a_claim_keeps_others_out_until_its_time_runs_out(claims: Idempotency, clock: Clock) -> None:
    mine = await claimed(claims)

    clock.seconds += 59.5
    assert await claims.claim("ticket-1", owner="other", ttl_seconds=60) == InProgress(until=mine.until)
    clock.seconds += 0.5
    assert isinstance(await claims.claim("ticket-1", owner="other", ttl_seconds=60), Claimed)


async def test_the_same_owner_is_kept_out_too(claims: Idempotency) -> None:
    await claimed(claims, owner="one")

    assert isinstance(await claims.claim("ticket-1", owner="one", ttl_seconds=60), InProgress)


async def test_other_keys_are_free(claims: Idempotency) -> None:
    await claimed(claims)

    assert isinstance(await claims.claim("ticket-2", owner="other", ttl_seconds=60), Claimed)


async def test_a_later_holder_has_a_larger_token(claims: Idempotency, clock: Clock) -> None:
    tokens = []
    for _ in range(4):
        tokens.append((await claimed(claims, ttl=1)).token)
        clock.seconds += 1

    assert tokens == sorted(set(tokens))


async def test_a_renewed_claim_lasts_longer(claims: Idempotency, clock: Clock) -> None:
    mine = await claimed(claims)
    clock.seconds += 50

    renewed = await claims.renew(mine, ttl_seconds=60)

    assert (renewed.token, renewed.until) == (mine.token, clock.seconds + 60)
    clock.seconds += 50
    assert await claims.claim("ticket-1", owner="other", ttl_seconds=60) == InProgress(until=renewed.until)


async def test_a_claim_that_only_ran_out_can_still_be_renewed_and_completed(claims: Idempotency, clock: Clock) -> None:
    mine = await claimed(claims)
    clock.seconds += 100

    mine = await claims.renew(mine, ttl_seconds=60)
    clock.seconds += 100
    await claims.complete(mine, "done", remember_seconds=600)

    assert await claims.claim("ticket-1", owner="other", ttl_seconds=60) == Completed("done")


async def test_an_ex_holder_can_neither_renew_nor_complete_nor_release(claims: Idempotency, clock: Clock) -> None:
    ex_holder = await claimed(claims, ttl=10)
    clock.seconds += 10
    holder = await claimed(claims, owner="other")

    with pytest.raises(ClaimLost):
        await claims.renew(ex_holder, ttl_seconds=60)
    with pytest.raises(ClaimLost):
        await claims.complete(ex_holder, "late", remember_seconds=600)
    await claims.release(ex_holder)

    assert await claims.claim("ticket-1", owner="third", ttl_seconds=60) == InProgress(until=holder.until)


async def test_what_is_completed_is_remembered_and_then_forgotten(claims: Idempotency, clock: Clock) -> None:
    mine = await claimed(claims)
    await claims.complete(mine, "resolved", remember_seconds=600)

    clock.seconds += 599
    assert await claims.claim("ticket-1", owner="other", ttl_seconds=60) == Completed("resolved")
    clock.seconds += 2
    again = await claims.claim("ticket-1", owner="other", ttl_seconds=60)
    assert isinstance(again, Claimed)
    assert again.token > mine.token


async def test_completing_again_is_no_error(claims: Idempotency) -> None:
    mine = await claimed(claims)

    await claims.complete(mine, "done", remember_seconds=600)
    await claims.complete(mine, "done", remember_seconds=600)

    assert await claims.claim("ticket-1", owner="other", ttl_seconds=60) == Completed("done")


async def test_a_completed_claim_can_be_neither_renewed_nor_released(claims: Idempotency) -> None:
    mine = await claimed(claims)
    await claims.complete(mine, "done", remember_seconds=600)

    with pytest.raises(ClaimLost):
        await claims.renew(mine, ttl_seconds=60)
    await claims.release(mine)

    assert await claims.claim("ticket-1", owner="other", ttl_seconds=60) == Completed("done")


async def test_a_released_claim_is_free_at_once_and_lost_to_its_holder(claims: Idempotency) -> None:
    mine = await claimed(claims)

    await claims.release(mine)
    next_holder = await claimed(claims, owner="other")

    assert next_holder.token > mine.token
    with pytest.raises(ClaimLost):
        await claims.complete(mine, "late", remember_seconds=600)


async def test_a_released_claim_that_nobody_took_can_not_be_renewed(claims: Idempotency) -> None:
    mine = await claimed(claims)
    await claims.release(mine)

    with pytest.raises(ClaimLost):
        await claims.renew(mine, ttl_seconds=60)


async def test_a_claim_that_was_sent_twice_is_still_its_callers(request: pytest.FixtureRequest, clock: Clock) -> None:
    """The SDK repeats a call whose answer was lost; here the repetition is made by hand, with the same parameters."""
    async with a_table(EMULATOR, request) as (client, table):

        class AnswerLost:
            async def update_item(self, **parameters: Any) -> Any:
                await client.update_item(**parameters)
                return await client.update_item(**parameters)

        repeated = DynamoDbIdempotency(AnswerLost(), table, now=clock)
        assert isinstance(await repeated.claim("ticket-1", owner="one", ttl_seconds=60), Claimed)


async def test_a_claim_whose_answer_was_lost_is_kept(clock: Clock) -> None:
    lost: list[str] = []

    def before(operation: str) -> None:
        if operation == "complete" and not lost:
            lost.append(operation)
            raise TransientError("no answer")

    claims = MemoryIdempotency(now=clock, before=before)
    mine = await claimed(claims)
    with pytest.raises(TransientError):
        await claims.complete(mine, "done", remember_seconds=600)

    assert isinstance(await claims.claim("ticket-1", owner="other", ttl_seconds=60), InProgress)


async def test_failures_are_counted_by_kind_from_the_first(counts: FailureCounts) -> None:
    assert await counts.add("a", now=1000.5, counted=True) == Failures(counted=1, total=1, first_at=1000.5)
    assert await counts.add("a", now=2000.0, counted=False) == Failures(counted=1, total=2, first_at=1000.5)
    assert await counts.add("a", now=3000.0, counted=True) == Failures(counted=2, total=3, first_at=1000.5)
    assert await counts.add("b", now=4000.0, counted=False) == Failures(counted=0, total=1, first_at=4000.0)


async def test_what_is_stored_is_tidied_by_the_table(resources: Provisioned, clock: Clock) -> None:
    table = resources.tables["Idempotency"]
    async with open_client(aws_session(), "dynamodb") as client:
        await DynamoDbFailureCounts(client, table).add("failures#q#1", now=clock(), counted=True)
        await DynamoDbIdempotency(client, table, now=clock).claim("ticket-1", owner="one", ttl_seconds=60)

        items = (await client.scan(TableName=table))["Items"]
        described = await client.describe_time_to_live(TableName=table)

    assert described["TimeToLiveDescription"]["AttributeName"] == "expiresAt"
    assert len(items) == 2
    assert all(float(item["expiresAt"]["N"]) >= int(clock()) + 24 * 3600 for item in items)
