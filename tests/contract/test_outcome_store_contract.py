"""One promise of where tickets' outcomes are kept, on real PostgreSQL and real MySQL or MariaDB."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import permutations
from typing import Any

import pytest

from services.feedback_tagger.domain.outcome import TicketStatus
from services.feedback_tagger.store.opened import door_to, migrate_store, open_store
from services.feedback_tagger.store.outcomes import OutcomeStore
from shared.errors import PermanentError
from tests.support.databases import Sql


@pytest.fixture
def sql(any_database: str) -> Sql:
    return Sql(any_database)


@pytest.fixture
async def outcomes(any_database: str) -> AsyncIterator[OutcomeStore]:
    await migrate_store(door_to(any_database))
    async with open_store(door_to(any_database), connections=6) as store:
        yield store.outcomes


def a_status(version: int = 1, state: str = "assigned", *, ticket: str = "T-1", **more: Any) -> TicketStatus:
    values: dict[str, Any] = {
        "employee": "111",
        "owner": "@sam",
        "resolver_group": None,
        "told_at": datetime(2026, 1, 31, 12, tzinfo=UTC) + timedelta(days=version),
    }
    return TicketStatus(ticket_id=ticket, version=version, state=state, **{**values, **more})


async def test_a_status_is_kept_once(outcomes: OutcomeStore, sql: Sql) -> None:
    assert await outcomes.note(a_status()) is True
    assert await outcomes.note(a_status()) is False
    assert await sql.rows("select ticket_id, version from ticket_outcome") == [("T-1", 1)]


async def test_a_repeat_changes_nothing(outcomes: OutcomeStore, sql: Sql) -> None:
    await outcomes.note(a_status())
    before = await sql.rows("select * from ticket_outcome")
    await outcomes.note(a_status(state="expired", owner=None, told_at=datetime(2027, 1, 1, tzinfo=UTC)))
    assert await sql.rows("select * from ticket_outcome") == before


async def test_of_tasks_that_are_told_at_once_one_keeps_it(outcomes: OutcomeStore, sql: Sql) -> None:
    kept = await asyncio.gather(*(outcomes.note(a_status()) for _ in range(6)))
    assert sorted(kept) == [False] * 5 + [True]


async def test_the_highest_version_counts_whatever_the_order_of_arrival(outcomes: OutcomeStore, sql: Sql) -> None:
    news = (a_status(1, "assigned"), a_status(2, "escalated"), a_status(3, "approved"))
    for number, order in enumerate(permutations(news)):
        for status in order:
            await outcomes.note(a_status(status.version, status.state, ticket=f"T-{number}"))
    found = await sql.dicts("select * from ticket_outcomes order by ticket_id")
    assert len(found) == 6
    for row in found:
        assert (row["version"], row["state"], row["outcome"]) == (3, "approved", "decided by a person")
        assert (row["employee"], row["owner"], row["resolver_group"]) == ("111", "@sam", None)


async def test_a_ticket_stays_in_the_month_of_its_first_news(outcomes: OutcomeStore, sql: Sql) -> None:
    await outcomes.note(a_status(9, "expired"))
    await outcomes.note(a_status(1, told_at=datetime(2025, 12, 31, 23, 30, tzinfo=timezone(timedelta(hours=-1)))))
    await outcomes.note(a_status(1, "resolved", ticket="T-2", told_at=datetime(2025, 12, 31, 23, 30, tzinfo=UTC)))
    found = await sql.rows(
        "select month, outcome, state, ticket_count from ticket_outcomes_by_month order by month, outcome"
    )
    assert found == [
        (date(2025, 12, 1), "resolved by the agent", "resolved", 1),
        (date(2026, 1, 1), "expired", "expired", 1),
    ]


async def test_what_the_columns_do_not_take_is_refused_for_good(outcomes: OutcomeStore, sql: Sql) -> None:
    with pytest.raises(PermanentError):
        await outcomes.note(a_status(owner="x" * 256))
    assert await sql.rows("select * from ticket_outcome") == []


async def test_ids_are_kept_as_they_are_spelt(outcomes: OutcomeStore, sql: Sql) -> None:
    await outcomes.note(a_status(ticket="t-1"))
    assert await outcomes.note(a_status(ticket="T-1")) is True
    assert await sql.rows("select count(*) from ticket_outcomes") == [(2,)]
