"""What people are told, once, and in order."""

from dataclasses import dataclass, field

import pytest

from services.ticket_agent.domain.chain import Head
from services.ticket_agent.notifier import Notifier, as_notification
from services.ticket_agent.store.port import StatusChange
from shared.errors import PermanentError, TransientError
from shared.notifications.memory import MemoryNotifications
from shared.notifications.port import Notification
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


def an_update(version: int) -> dict[str, object]:
    return {"ticketId": "T-1", "employeeId": "111", "version": version, "added_by_a_newer_task": True}


async def test_a_status_is_told_once_and_older_ones_no_more() -> None:
    changes = {version: a_status_change(version=version) for version in (1, 2)}
    notifications = MemoryNotifications()
    notifier = Notifier(ledger=StatusLedger(changes), notifications=notifications, now=lambda: 0.0)
    for version in (1, 1, 2, 1):
        assert await notifier.handle(a_message(an_update(version))) == Ack()
    assert [notification.notification_id for notification in notifications.published] == ["T-1:1", "T-1:2"]


async def test_a_status_that_could_not_be_told_is_not_recorded_as_told() -> None:
    ledger = StatusLedger({1: a_status_change()})
    notifier = Notifier(ledger=ledger, notifications=NoChannel(), now=lambda: 0.0)
    with pytest.raises(TransientError):
        await notifier.handle(a_message(an_update(1)))
    assert ledger.notified == 0


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"ticketId": "T-1"}', '{"ticketId": "T-1", "employeeId": "1", "version": "x"}']
)
async def test_a_message_that_nobody_understands_is_a_permanent_error(body: str) -> None:
    notifier = Notifier(ledger=StatusLedger({}), notifications=MemoryNotifications(), now=lambda: 0.0)
    with pytest.raises(PermanentError):
        await notifier.handle(a_message(body))


def test_a_notification_carries_what_a_person_without_tools_needs() -> None:
    told = as_notification(a_status_change())
    assert told.subject == "Ticket T-1: assigned to @sam"
    for part in ("T-1", "111", "assigned to @sam", "Somebody asks for access.", "Next step: @sam decides."):
        assert part in told.body
    assert dict(told.attributes) == {"employee": "111", "status": "assigned", "owner": "@sam"}


def test_a_ticket_that_no_owner_takes_names_its_resolver_group() -> None:
    change = a_status_change(state="handed over", assignee="service-desk", owner=None)
    assert dict(as_notification(change).attributes) == {
        "employee": "111",
        "status": "handed over",
        "resolverGroup": "service-desk",
    }
