"""What the sweeper finds due, and when it looks again."""

from dataclasses import replace

import pytest

from services.ticket_agent.domain.agenda import Delays, Due, Look, look
from services.ticket_agent.domain.state import State
from services.ticket_agent.domain.ticket import Ticket
from tests.support.tickets import a_ticket

DELAYS = Delays(open=300, run=100, tell=60, remind=1_000, escalate=3_000, expire=7_000)


def looked(ticket: Ticket, at: float, *, notified: int = 1, can_escalate: bool = True) -> Look:
    return look(ticket, notified=notified, can_escalate=can_escalate, now=at, delays=DELAYS)


def waiting(state: State = State.ASSIGNED, **changes: object) -> Ticket:
    return replace(a_ticket(state=state, status_version=1), **changes)  # type: ignore[arg-type]


def test_an_open_ticket_is_sent_again_once_nobody_can_be_at_it() -> None:
    fresh = a_ticket(attempt=0)
    assert looked(fresh, 299) == Look(Due.NOTHING, 300)
    assert looked(fresh, 300) == Look(Due.WORK, 600)
    in_work = replace(fresh, attempt_at=250.0)
    assert looked(in_work, 349) == Look(Due.NOTHING, 350)
    assert looked(in_work, 350).due is Due.WORK


def test_what_a_repeat_does_not_cure_is_repeated_ever_more_rarely() -> None:
    waits = [looked(replace(a_ticket(), looks=looks), 1_000).again_at for looks in (0, 1, 2, 6, 60)]
    assert waits == [1_300, 1_600, 2_200, 20_200, 20_200]


@pytest.mark.parametrize("state", [State.RESOLVED, State.ASSIGNED, State.EXPIRED])
def test_a_status_that_was_not_told_is_told_before_anything_else(state: State) -> None:
    ticket = waiting(state, grant_ends_at=1)
    assert looked(ticket, 59, notified=0) == Look(Due.NOTHING, 60)
    assert looked(ticket, 9_000, notified=0).due is Due.TELL


def test_a_ticket_that_is_over_and_told_needs_no_further_look() -> None:
    assert looked(waiting(State.RESOLVED), 5) == Look(Due.NOTHING, None)
    assert looked(waiting(State.DECLINED), 5) == Look(Due.NOTHING, None)


def test_access_that_a_ticket_brought_is_announced_when_it_ends() -> None:
    granted = waiting(State.RESOLVED, grant_ends_at=500)
    assert looked(granted, 499) == Look(Due.NOTHING, 500)
    assert looked(granted, 500) == Look(Due.END_ACCESS, None)


def test_who_does_not_decide_is_reminded_then_the_manager_gets_it_then_it_expires() -> None:
    assert looked(waiting(), 999) == Look(Due.NOTHING, 1_000)
    assert looked(waiting(), 1_000).due is Due.REMIND
    reminded = waiting(reminders=1)
    assert looked(reminded, 1_001) == Look(Due.NOTHING, 3_000)
    assert looked(reminded, 3_000).due is Due.ESCALATE
    escalated = waiting(State.ESCALATED, since=3_000, reminders=1)
    assert looked(escalated, 9_999, can_escalate=False) == Look(Due.NOTHING, 10_000)
    assert looked(escalated, 10_000, can_escalate=False).due is Due.EXPIRE


def test_without_anybody_above_the_assignee_a_ticket_waits_until_it_expires() -> None:
    assert looked(waiting(reminders=1), 6_999, can_escalate=False) == Look(Due.NOTHING, 7_000)


def test_a_sweeper_that_was_away_for_weeks_expires_and_does_not_remind() -> None:
    assert looked(waiting(), 1_000_000).due is Due.EXPIRE


def test_a_group_is_reminded_once_and_its_ticket_never_expires() -> None:
    grouped = waiting(resolver_group="network")
    assert looked(grouped, 1_000).due is Due.REMIND
    assert looked(replace(grouped, reminders=1), 1_000_000) == Look(Due.NOTHING, None)
