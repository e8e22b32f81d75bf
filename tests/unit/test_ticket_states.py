"""The states of a ticket and their texts."""

import pytest

from services.ticket_agent.domain.outcome import Assigned, HandedOver, Resolved, hand_over, status_text
from services.ticket_agent.domain.state import (
    AWAITING,
    TERMINAL,
    TRANSITIONS,
    State,
    Writer,
    assign_status,
    may_become,
    state_of,
)


def test_every_state_says_what_may_follow_it() -> None:
    assert set(TRANSITIONS) == set(State)


def test_the_agent_ends_an_open_ticket_in_three_ways_and_touches_no_other() -> None:
    endings = {State.RESOLVED, State.ASSIGNED, State.HANDED_OVER}
    assert {after for after in State if may_become(State.OPEN, after)} == endings
    assert not any(may_become(before, after) for before in State if before is not State.OPEN for after in State)


def test_people_decide_on_what_awaits_them_and_the_calendar_escalates_it_once() -> None:
    decisions = {State.APPROVED, State.DECLINED, State.REASSIGNED}
    for before in State:
        decided = {after for after in State if may_become(before, after, Writer.DECIDER)}
        assert decided == (decisions if before in AWAITING else set())
        timed = {after for after in State if may_become(before, after, Writer.SWEEPER)}
        assert (State.EXPIRED in timed) == (before in AWAITING)
        assert (State.ESCALATED in timed) == (before in AWAITING - {State.ESCALATED})


def test_what_is_over_stays_over() -> None:
    assert {State.RESOLVED, State.APPROVED, State.DECLINED, State.EXPIRED} == TERMINAL


def test_the_status_texts_are_the_references_and_one_of_ours() -> None:
    assert assign_status(State.OPEN) == "unassigned"
    assert status_text(Resolved(communication="")) == "auto-resolved"
    assert status_text(Assigned(assignee="@sam", communication="")) == "assigned to @sam"
    assert status_text(HandedOver(assignee="@sam", communication="")) == "handed over to @sam"


@pytest.mark.parametrize("state", [State.ASSIGNED, State.HANDED_OVER, State.ESCALATED, State.APPROVED])
def test_nothing_is_assigned_to_nobody(state: State) -> None:
    with pytest.raises(ValueError, match="assignee"):
        assign_status(state, "")


@pytest.mark.parametrize("state", list(State))
def test_a_status_text_that_was_moved_in_gives_its_state_back(state: State) -> None:
    assert state_of(assign_status(state, "@sam")) is state


def test_a_status_text_that_nobody_knows_is_left_to_people() -> None:
    assert state_of("waiting for parts") is State.HANDED_OVER


def test_a_ticket_is_handed_to_the_owner_and_without_one_to_the_resolver_group() -> None:
    assert hand_over(reason="Why.", owner="@sam", resolver_group="service-desk").assignee == "@sam"
    without_owner = hand_over(reason="Why.", owner=None, resolver_group="service-desk")
    assert without_owner.assignee == "service-desk"
    assert "Why." in without_owner.communication
