"""Where a change of the Ticket table goes."""

import json
from decimal import Decimal
from typing import Any

from services.ticket_agent.bridge import Bridge, Destination, route
from shared.queue.memory import MemoryQueue
from shared.stream.record import Change, Record


def an_image(version: int = 0, **changes: Any) -> dict[str, Any]:
    return {"ticketId": "T-1", "employeeId": "111", "statusVersion": Decimal(version), **changes}


def a_record(
    change: Change, *, old: dict[str, Any] | None = None, new: dict[str, Any] | None = None, event_id: str = "e-1"
) -> Record:
    return Record(
        event_id=event_id,
        change=change,
        shard_id="s-1",
        sequence_number="1",
        created_at=0.0,
        keys={"ticketId": "T-1", "employeeId": "111"},
        old=old,
        new=new,
    )


def test_a_new_ticket_is_work_in_its_own_group() -> None:
    routed = route(a_record("INSERT", new=an_image()))
    assert routed is not None
    assert routed.destination is Destination.WORK
    assert (routed.message.group_id, routed.message.deduplication_id) == ("T-1", "e-1")
    assert json.loads(routed.message.body) == {"ticketId": "T-1", "employeeId": "111", "version": 0}


def test_a_new_status_version_is_news() -> None:
    routed = route(a_record("MODIFY", old=an_image(0), new=an_image(1)))
    assert routed is not None
    assert routed.destination is Destination.UPDATES
    assert json.loads(routed.message.body)["version"] == 1


def test_a_change_that_is_no_new_status_goes_nowhere() -> None:
    assert route(a_record("MODIFY", old=an_image(1, attempt=1), new=an_image(1, attempt=2))) is None
    assert route(a_record("MODIFY", old=an_image(2), new=an_image(1))) is None


def test_a_removal_goes_nowhere() -> None:
    assert route(a_record("REMOVE", old=an_image(1))) is None


def test_a_row_without_a_version_is_at_version_nought() -> None:
    moved_in = {"ticketId": "T-1", "employeeId": "111", "assignStatus": "unassigned"}
    assert route(a_record("MODIFY", old=moved_in, new={**moved_in, "communication": "x"})) is None
    assert route(a_record("MODIFY", old=moved_in, new=an_image(1))) is not None


def test_content_never_leaves_the_table() -> None:
    routed = route(a_record("INSERT", new=an_image(ticket_content="secret")))
    assert routed is not None
    assert "secret" not in routed.message.body


async def test_a_batch_is_split_over_the_queues_in_order() -> None:
    work, updates = MemoryQueue("work.fifo"), MemoryQueue("updates.fifo")
    records = [
        a_record("INSERT", new=an_image(), event_id="e-1"),
        a_record("MODIFY", old=an_image(0), new=an_image(1), event_id="e-2"),
        a_record("REMOVE", old=an_image(1), event_id="e-3"),
        a_record("MODIFY", old=an_image(1), new=an_image(2), event_id="e-4"),
    ]
    never_asked: Any = None
    bridge = Bridge(work=work, updates=updates, work_dead=never_asked, agenda=never_asked, ledger=never_asked)
    await bridge.deliver(records)
    taken = await work.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
    told = await updates.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
    assert [json.loads(message.body)["version"] for message in taken] == [0]
    assert [json.loads(message.body)["version"] for message in told] == [1, 2]
