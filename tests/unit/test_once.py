"""Working under a claim, on virtual time."""

import asyncio

import pytest

from shared.errors import TransientError
from shared.idempotency.memory import MemoryIdempotency
from shared.idempotency.once import InProgressElsewhere, once
from shared.idempotency.port import Claimed, ClaimLost, InProgress
from tests.support.queues import loop_time

pytestmark = pytest.mark.looptime


async def do(claims: MemoryIdempotency, seconds: float = 1.0, result: str = "done") -> str:
    async def work(_: Claimed) -> str:
        await asyncio.sleep(seconds)
        return result

    return await once(claims, "key", work, owner="one", now=loop_time, ttl_seconds=30)


async def test_work_is_done_once_and_its_result_remembered() -> None:
    claims = MemoryIdempotency(now=loop_time)

    assert await do(claims, result="first") == "first"
    assert await do(claims, result="second") == "first"


async def test_work_that_takes_long_keeps_its_claim() -> None:
    claims = MemoryIdempotency(now=loop_time)
    working = asyncio.create_task(do(claims, seconds=200))
    await asyncio.sleep(190)

    with pytest.raises(InProgressElsewhere) as raised:
        await do(claims)

    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= 30
    assert await working == "done"


async def test_work_that_failed_keeps_its_claim_until_it_runs_out() -> None:
    claims = MemoryIdempotency(now=loop_time)

    async def ambiguous(_: Claimed) -> str:
        raise TransientError("no answer")

    with pytest.raises(TransientError):
        await once(claims, "key", ambiguous, owner="one", now=loop_time, ttl_seconds=30)

    assert isinstance(await claims.claim("key", owner="other", ttl_seconds=30), InProgress)
    await asyncio.sleep(30)
    assert await do(claims) == "done"


async def test_work_whose_claim_was_taken_is_cancelled() -> None:
    claims = MemoryIdempotency(now=loop_time)
    working = asyncio.create_task(do(claims, seconds=100))
    await asyncio.sleep(1)
    claims._records["key"].until = 0  # As if this process had been paused for too long.
    await claims.claim("key", owner="other", ttl_seconds=1000)

    with pytest.raises(ClaimLost):
        await working

    assert loop_time() == pytest.approx(10, abs=0.1)


async def test_work_that_cannot_renew_stops_before_others_may_begin() -> None:
    def before(operation: str) -> None:
        if operation == "renew":
            raise TransientError("the table is away")

    claims = MemoryIdempotency(now=loop_time, before=before)

    with pytest.raises(ClaimLost):
        await do(claims, seconds=100)

    assert loop_time() < 30


async def test_a_renewal_that_fails_once_costs_nothing() -> None:
    failures = iter([True])

    def before(operation: str) -> None:
        if operation == "renew" and next(failures, False):
            raise TransientError("the table is away")

    assert await do(MemoryIdempotency(now=loop_time, before=before), seconds=100) == "done"


async def test_a_timeout_of_the_work_itself_is_its_own() -> None:
    async def times_out(_: Claimed) -> str:
        async with asyncio.timeout(1):
            await asyncio.sleep(5)
        return "never"

    with pytest.raises(TimeoutError):
        await once(MemoryIdempotency(now=loop_time), "key", times_out, owner="one", now=loop_time)
