"""The promise of a day's spending, on every implementation: never above the limit, nothing forgotten, nothing twice."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import TypeAlias

import pytest

from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from shared.aws.clients import aws_session, open_client
from shared.model.dynamodb_spend import DynamoDbSpend
from shared.model.memory import MemorySpend
from shared.model.spend import Spend
from tests.support.cloud import AwsClients

NOON = 1_700_000_000.0
DAY = 86_400.0

Tasks: TypeAlias = tuple[Spend, Spend]


@pytest.fixture(scope="module")
def tables_of_this_file(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture
def account() -> str:
    """An account of this test's own: the table is shared by all tests of the file."""
    return secrets.token_hex(4)


@pytest.fixture(params=["memory", "dynamodb"])
async def tasks(request: pytest.FixtureRequest) -> AsyncIterator[Tasks]:
    """The same count as two tasks of a service see it, each with a client of its own where there is a server."""
    if request.param == "memory":
        spend = MemorySpend()
        yield spend, spend
        return
    table = request.getfixturevalue("tables_of_this_file").tables["Idempotency"]
    session = aws_session()
    async with open_client(session, "dynamodb") as one, open_client(session, "dynamodb") as other:
        yield DynamoDbSpend(one, table), DynamoDbSpend(other, table)


async def test_nothing_is_counted_before_the_first_reservation(tasks: Tasks, account: str) -> None:
    assert await tasks[0].counted(account, at=NOON) == 0


async def test_reservations_fit_up_to_the_limit_and_not_a_token_beyond(tasks: Tasks, account: str) -> None:
    assert await tasks[0].reserve(account, 60, limit=100, at=NOON) is not None
    assert await tasks[1].reserve(account, 41, limit=100, at=NOON) is None
    assert await tasks[1].reserve(account, 40, limit=100, at=NOON) is not None
    assert await tasks[0].reserve(account, 1, limit=100, at=NOON) is None
    assert await tasks[0].counted(account, at=NOON) == 100


async def test_more_than_the_limit_is_refused_at_once(tasks: Tasks, account: str) -> None:
    assert await tasks[0].reserve(account, 101, limit=100, at=NOON) is None
    assert await tasks[0].counted(account, at=NOON) == 0


@pytest.mark.parametrize("used", [0, 25, 60, 90])
async def test_settling_counts_what_was_used_in_place_of_what_was_reserved(
    tasks: Tasks, account: str, used: int
) -> None:
    reserved = await tasks[0].reserve(account, 60, limit=100, at=NOON)
    assert reserved is not None
    await tasks[0].settle(reserved, used)
    assert await tasks[1].counted(account, at=NOON) == used


async def test_settling_again_changes_nothing(tasks: Tasks, account: str) -> None:
    reserved = await tasks[0].reserve(account, 60, limit=100, at=NOON)
    assert reserved is not None
    for _ in range(2):
        await tasks[0].settle(reserved, 10)
    await tasks[1].settle(reserved, 20)
    assert await tasks[0].counted(account, at=NOON) == 10


async def test_what_a_killed_task_had_reserved_stays_counted(tasks: Tasks, account: str) -> None:
    assert await tasks[0].reserve(account, 60, limit=100, at=NOON) is not None
    # The task is gone: nobody settles. What others reserve and settle leaves its part where it is.
    reserved = await tasks[1].reserve(account, 40, limit=100, at=NOON)
    assert reserved is not None
    await tasks[1].settle(reserved, 0)
    assert await tasks[1].counted(account, at=NOON) == 60


async def test_each_day_and_each_account_has_a_count_of_its_own(tasks: Tasks, account: str) -> None:
    reserved = await tasks[0].reserve(account, 100, limit=100, at=NOON)
    assert reserved is not None
    assert await tasks[0].reserve(account, 100, limit=100, at=NOON + DAY) is not None
    assert await tasks[0].reserve(f"{account}-other", 100, limit=100, at=NOON) is not None
    # Settled after midnight, a call still belongs to the day it was begun on.
    await tasks[0].settle(reserved, 7)
    assert await tasks[0].counted(account, at=NOON) == 7
    assert await tasks[0].counted(account, at=NOON + DAY) == 100


async def test_of_two_tasks_that_race_no_more_get_through_than_fit(tasks: Tasks, account: str) -> None:
    got = await asyncio.gather(*(tasks[turn % 2].reserve(account, 10, limit=200, at=NOON) for turn in range(40)))
    allowed = [reserved for reserved in got if reserved is not None]
    assert len(allowed) == 20
    assert await tasks[0].counted(account, at=NOON) == 200
    await asyncio.gather(*(tasks[turn % 2].settle(reserved, 3) for turn, reserved in enumerate(allowed)))
    assert await tasks[1].counted(account, at=NOON) == 60


async def test_a_reservation_with_a_name_counts_once_a_day_whoever_makes_it(tasks: Tasks, account: str) -> None:
    first = await tasks[0].reserve(account, 60, limit=100, at=NOON, reservation_id="job#1")
    again = await tasks[1].reserve(account, 60, limit=100, at=NOON, reservation_id="job#1")
    assert first is not None
    assert again is not None
    assert first == again
    assert await tasks[0].counted(account, at=NOON) == 60
    assert await tasks[1].reserve(account, 60, limit=100, at=NOON, reservation_id="job#2") is None
    assert await tasks[1].reserve(account, 60, limit=100, at=NOON + DAY, reservation_id="job#1") is not None
    await tasks[1].settle(again, 10)
    await tasks[0].settle(first, 20)
    assert await tasks[0].counted(account, at=NOON) == 10


async def test_an_update_that_the_sdk_sends_again_counts_once(
    tables_of_this_file: Provisioned, account: str, aws: AwsClients
) -> None:
    table = tables_of_this_file.tables["Idempotency"]
    async with open_client(aws_session(), "dynamodb") as client:
        same_id = DynamoDbSpend(client, table, new_id=lambda: "r-1")
        first = await same_id.reserve(account, 60, limit=100, at=NOON)
        again = await same_id.reserve(account, 60, limit=100, at=NOON)
        assert first == again is not None
        assert await same_id.counted(account, at=NOON) == 60
    (item,) = aws("dynamodb").query(
        TableName=table,
        KeyConditionExpression="idempotencyKey = :key",
        ExpressionAttributeValues={":key": {"S": f"spend#{account}#2023-11-14"}},
    )["Items"]
    assert item["reserved#r-1"] == {"N": "60"}
    assert int(item["expiresAt"]["N"]) > NOON + 7 * DAY
