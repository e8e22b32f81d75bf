"""What people are told, once, and in order."""

from dataclasses import dataclass, field

import pytest

from services.ticket_agent.decisions import read_ruling
from services.ticket_agent.domain.chain import Head
from services.ticket_agent.domain.directory import Employee, Environment, ResolverGroup
from services.ticket_agent.domain.ruling import Kind
from services.ticket_agent.notifier import Contacts, Notifier, as_notification
from services.ticket_agent.store.port import StatusChange
from shared.errors import PermanentError, TransientError
from shared.notifications.memory import MemoryNotifications
from shared.notifications.port import Notification, Notifications
from shared.queue.message import Ack
from tests.support.tickets import a_message, a_status_change


@dataclass
class StatusLedger:
    """The part of the ledger that the notifier reads and writes, in memory."""

    changes: dict[int, StatusChange]
    notified: int = 0
    recorded: list[int] = field(default_factory=list)

    async def append(self, ticket_id: str, entry: str, facts: object, *, attempt: int, at: float) -> None:
        raise AssertionError("the notifier appends nothing")

    async def head(self, ticket_id: str) -> Head:
        raise AssertionError("the notifier asks for no head")

    async def spent_before(self, ticket_id: str) -> tuple[int, int]:
        raise AssertionError("the notifier spends nothing")

    async def status_change(self, ticket_id: str, version: int) -> StatusChange | None:
        return self.changes.get(version)

    async def notified_version(self, ticket_id: str) -> int:
        return self.notified

    async def record_notified(self, ticket_id: str, version: int, *, at: float) -> None:
        self.notified = max(self.notified, version)


class NoChannel:
    async def publish(self, notification: Notification) -> None:
        raise TransientError("away")


class People:
    """A directory in which everybody has a desk."""

    async def employee(self, employee_id: str) -> Employee | None:
        return Employee(employee_id=employee_id, contact=f"desk of {employee_id}")

    async def environment(self, environment_id: str) -> Environment | None:
        raise AssertionError("the notifier asks for no environment")

    async def resolver_group(self, group_id: str) -> ResolverGroup | None:
        return ResolverGroup(group_id=group_id, contact=f"line of {group_id}")


def a_notifier(ledger: StatusLedger, notifications: Notifications) -> Notifier:
    return Notifier(
        ledger=ledger,
        directory=People(),
        notifications=notifications,
        decisions_queue="deskhand-ticket-decisions",
        service_desk="service-desk",
        now=lambda: 0.0,
    )


def an_update(version: int) -> dict[str, object]:
    return {"ticketId": "T-1", "employeeId": "111", "version": version, "added_by_a_newer_task": True}


async def test_a_status_is_told_once_and_older_ones_no_more() -> None:
    changes = {version: a_status_change(version=version) for version in (1, 2)}
    notifications = MemoryNotifications()
    notifier = a_notifier(StatusLedger(changes), notifications)
    for version in (1, 1, 2, 1):
        assert await notifier.handle(a_message(an_update(version))) == Ack()
    assert [notification.notification_id for notification in notifications.published] == ["T-1:1", "T-1:2"]


async def test_a_status_that_could_not_be_told_is_not_recorded_as_told() -> None:
    ledger = StatusLedger({1: a_status_change()})
    notifier = a_notifier(ledger, NoChannel())
    with pytest.raises(TransientError):
        await notifier.handle(a_message(an_update(1)))
    assert ledger.notified == 0


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"ticketId": "T-1"}', '{"ticketId": "T-1", "employeeId": "1", "version": "x"}']
)
async def test_a_message_that_nobody_understands_is_a_permanent_error(body: str) -> None:
    notifier = a_notifier(StatusLedger({}), MemoryNotifications())
    with pytest.raises(PermanentError):
        await notifier.handle(a_message(body))


def test_a_notification_carries_what_a_person_without_tools_needs() -> None:
    told = as_notification(a_status_change())
    assert told.subject == "Ticket T-1: assigned to @sam"
    for part in ("T-1", "111", "assigned to @sam", "Somebody asks for access.", "Next step: @sam decides."):
        assert part in told.body
    assert dict(told.attributes) == {"employee": "111", "status": "assigned", "owner": "@sam"}


def test_a_ticket_that_no_owner_takes_names_its_resolver_group() -> None:
    change = a_status_change(state="handed over", assignee="service-desk", owner=None, resolver_group="service-desk")
    assert dict(as_notification(change).attributes) == {
        "employee": "111",
        "status": "handed over",
        "resolverGroup": "service-desk",
    }


def test_who_has_to_decide_is_told_how_to_with_tools_and_without() -> None:
    contacts = Contacts(service_desk="extension 4000", decisions_queue="deskhand-ticket-decisions")
    body = as_notification(a_status_change(), contacts).body
    assert "deskhand tickets approve T-1 --by @sam\n" in body
    assert "forward this message to the service desk (extension 4000)" in body
    (sent,) = (line for line in body.splitlines() if line.startswith("  {"))
    ticket_id, ruling = read_ruling(a_message(sent.strip()))
    assert (ticket_id, ruling.kind, ruling.decider) == ("T-1", Kind.APPROVE, "@sam")


def test_a_group_is_told_how_to_pass_a_ticket_on_and_not_how_to_approve() -> None:
    change = a_status_change(assignee="network", owner=None, resolver_group="network")
    body = as_notification(change, Contacts(decisions_queue="deskhand-ticket-decisions")).body
    assert "deskhand tickets reassign T-1 --by network --to ANOTHER-GROUP" in body
    assert "approve" not in body


@pytest.mark.parametrize("state", ["resolved", "approved", "declined", "expired"])
def test_of_what_is_over_nobody_is_told_how_to_decide(state: str) -> None:
    told = as_notification(a_status_change(state=state), Contacts(decisions_queue="deskhand-ticket-decisions"))
    assert "decide, with" not in told.body
    assert "deskhand tickets" not in told.body


def test_news_beside_the_status_is_the_subject() -> None:
    told = as_notification(a_status_change(version=2, headline="reminder, still assigned to @sam"))
    assert (told.subject, told.notification_id) == ("Ticket T-1: reminder, still assigned to @sam", "T-1:2")
    assert "Status: assigned to @sam" in told.body


async def test_people_are_named_with_their_contacts() -> None:
    notifications = MemoryNotifications()
    await a_notifier(StatusLedger({1: a_status_change()}), notifications).handle(a_message(an_update(1)))
    (told,) = notifications.published
    assert "Requester: 111 (desk of 111)" in told.body
    assert "In charge: @sam (desk of @sam)" in told.body
    assert "service desk (line of service-desk)" in told.body
    assert "desk of" not in str(dict(told.attributes))
