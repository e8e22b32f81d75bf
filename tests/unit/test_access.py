"""What somebody holds now."""

import pytest

from services.ticket_agent.domain.access import (
    AccessType,
    Grant,
    Standing,
    active_holdings,
    best_holding,
    covered,
    expiry,
)

READ, WRITE, DEVELOPER, DEVOPS, ADMIN = AccessType


def a_grant(access_type: AccessType = READ, *, expires_at: int = 1000) -> Grant:
    return Grant(
        employee_id="111",
        environment_id="1",
        access_type=access_type,
        ticket_id="T-1",
        reason="",
        granted_at=0,
        expires_at=expires_at,
    )


def a_standing(recorded: str | None = None) -> Standing:
    return Standing(employee_id="111", environment_id="1", recorded=recorded)


@pytest.mark.parametrize(
    ("held", "covers"),
    [
        (READ, {READ}),
        (WRITE, {READ, WRITE}),
        (DEVELOPER, {READ, WRITE, DEVELOPER}),
        (DEVOPS, {READ, WRITE, DEVOPS}),
        (ADMIN, {READ, WRITE, DEVELOPER, DEVOPS, ADMIN}),
    ],
)
def test_a_type_covers_what_lies_below_it_and_nothing_else(held: AccessType, covers: set[AccessType]) -> None:
    assert held.covers == covers


@pytest.mark.parametrize("text", ["read", " READ ", "Read"])
def test_a_type_is_known_in_any_case(text: str) -> None:
    assert AccessType.named(text) is READ


@pytest.mark.parametrize("recorded", [None, "", "Everything"])
def test_a_row_without_a_known_type_is_the_least_access(recorded: str | None) -> None:
    assert a_standing(recorded).access_type is READ


def test_a_row_with_a_type_is_that_type() -> None:
    assert a_standing("Developer").access_type is DEVELOPER


def test_a_grant_is_access_until_the_second_it_ends() -> None:
    assert a_grant(expires_at=1000).active(999.9)
    assert not a_grant(expires_at=1000).active(1000)
    assert active_holdings([a_grant(expires_at=1000)], 1000) == []


def test_eight_days_end_after_eight_days() -> None:
    assert expiry(now=1_000.7, days=8) == 1_000 + 8 * 86_400


def test_holdings_add_up() -> None:
    assert covered([a_grant(DEVOPS), a_grant(DEVELOPER)]) == {READ, WRITE, DEVELOPER, DEVOPS}
    assert covered([]) == frozenset()


def test_the_holding_that_covers_what_is_asked_and_lasts_longest_is_the_best() -> None:
    short, long, endless, higher = a_grant(expires_at=10), a_grant(expires_at=20), a_standing(), a_grant(DEVELOPER)
    assert best_holding([short, long], READ) is long
    assert best_holding([long, endless], READ) is endless
    assert best_holding([endless, higher], DEVELOPER) is higher


def test_without_one_that_covers_it_the_best_is_the_one_that_covers_most() -> None:
    read, developer = a_standing(), a_grant(DEVELOPER)
    assert best_holding([read, developer], ADMIN) is developer
    assert best_holding([], ADMIN) is None
