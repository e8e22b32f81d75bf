"""What needs a look, judged on facts alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli import snapshot
from cli.deployed import Service
from cli.snapshot import LeaseLook, QueueLook, RunLook, Snapshot, SpendLook
from cli.status import ago, needs_a_look
from services.ticket_agent.store import tables

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WELL = Snapshot(
    at=NOW,
    queues=[],
    leases=[LeaseLook(shard="shard-1", holder="task-1", ended=False, checkpoint="1")],
    stream_late_seconds=1.0,
    awaiting=3,
    overdue=0,
    tickets={},
    runs=[],
    spend=[],
    services=[Service(name="ticket_agent", wanted=1, running=1)],
    alarms=[],
    not_seen={"metrics": "AccessDenied"},
)


def a_queue(**changes: Any) -> QueueLook:
    usual: dict[str, Any] = {"name": "q", "visible": 5, "in_flight": 1, "delayed": 0, "dead": 0, "oldest_seconds": 60.0}
    return QueueLook(**{**usual, **changes})


def a_run(**changes: Any) -> RunLook:
    usual: dict[str, Any] = {
        "run_id": "run-1",
        "key": "uploads/f.csv",
        "status": "open",
        "rows": 9,
        "stored": 0,
        "rejected": 0,
        "chunks_done": 1,
        "chunks_total": 3,
        "waiting_until": None,
        "seconds": 60.0,
        "written_at": NOW - timedelta(minutes=1),
    }
    return RunLook(**{**usual, **changes})


def a_budget(spent: float, limit: float | None = 100.0) -> SpendLook:
    return SpendLook(account="tickets", unit="tokens", spent=spent, limit=limit)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"queues": [a_queue(oldest_seconds=None)]},
        {"leases": [LeaseLook(shard="shard-0", holder="", ended=True, checkpoint="SHARD_END")]},
        {"runs": [a_run()]},
        {"runs": [a_run(status="partial"), a_run(status="failed", written_at=NOW - timedelta(days=2))]},
        {"spend": [a_budget(89.0), a_budget(5.0, None)]},
        {"services": [Service(name="feedback_tagger", wanted=0, running=0), Service(name="ticket_agent")]},
    ],
)
def test_ordinary_work_needs_no_look(changes: dict[str, Any]) -> None:
    assert list(needs_a_look(replace(WELL, **changes))) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"queues": [a_queue(dead=2)]}, "q: 2 dead letters; deskhand redrive q"),
        ({"queues": [a_queue(oldest_seconds=7200.0)]}, "2.0 h"),
        ({"stream_late_seconds": 600.0}, "10 min late"),
        ({"services": [Service(name="ticket_agent", wanted=0, running=0)]}, "no task is wanted"),
        ({"leases": [LeaseLook(shard="shard-1", holder="", ended=False, checkpoint="1")]}, "nobody reads the shard"),
        ({"overdue": 4}, "4 tickets were due"),
        ({"services": [Service(name="ticket_agent", wanted=2, running=1)]}, "1 of 2 tasks"),
        ({"runs": [a_run(status="failed")]}, "the run run-1 failed"),
        ({"runs": [a_run(waiting_until="2026-01-03T00:00:00Z")]}, "waits for a budget until 2026-01-03"),
        ({"runs": [a_run(written_at=NOW - timedelta(minutes=30))]}, "silent for 30 min"),
        ({"spend": [a_budget(90.0)]}, "90% of today's budget"),
        ({"alarms": ["desk-crashes"]}, "desk-crashes rings"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(changes: dict[str, Any], said: str) -> None:
    lines: Sequence[str] = list(needs_a_look(replace(WELL, **changes)))

    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2.0 h"), (172_800, "2.0 d")]
)
def test_a_time_is_said_shortly(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_the_agenda_is_looked_up_where_the_ticket_agent_keeps_it() -> None:
    assert (snapshot.AGENDA_INDEX, snapshot.ON_AGENDA) == (tables.AGENDA_INDEX, tables.ON_AGENDA)
