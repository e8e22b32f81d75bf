"""The comparison behind the ticket chaos sees what it is there to see: each fault, planted alone, is found."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from services.ticket_agent.domain.chain import Head, head_after, linked
from tests.chaos.ticket_findings import DAY, DeskRun, Mail, desk_findings
from tests.chaos.ticket_rules import Asked, World

WORLD = World(managers={"111": "@sam", "131": "@kirk"}, owners={"1": "@sam", "3": "@kirk"})
GRANTED = Asked(ticket_id="T-1", employee_id="111", environment_id="1", access_type="Read", days=8)
ASSIGNED = Asked(ticket_id="T-2", employee_id="131", environment_id="1", access_type="Read", days=8, declined=True)
GRANT = {
    "employeeId": "111",
    "environmentId": "1#grant#T-1",
    "accessType": "Read",
    "ticketId": "T-1",
    "grantedAt": 1_000,
    "expiresAt": 1_000 + 8 * DAY,
}
RUN_FIGURES = {"runMs": 1}


def a_ledger(ticket_id: str, *contents: Mapping[str, Any]) -> list[dict[str, Any]]:
    head, entries = Head(), []
    for content in contents:
        entries.append(linked(head, {"ticketId": ticket_id, **content}, salt="s"))
        head = head_after(entries[-1], attempt=1)
    at_head = {"entry": "head", "number": head.number, "digest": head.digest, "attempt": head.attempt}
    return [*entries, {"ticketId": ticket_id, **at_head}]


def a_status(version: int, assign_status: str, **more: Any) -> dict[str, Any]:
    return {"entry": f"status#{version:04d}", "version": version, "assignStatus": assign_status, **more}


def a_row(ticket_id: str, version: int, assign_status: str) -> dict[str, Any]:
    return {"ticketId": ticket_id, "statusVersion": version, "assignStatus": assign_status}


GRANT_ENTRY = {"entry": "grant#1#Read"}
RESOLVED = a_status(1, "auto-resolved", **RUN_FIGURES)
TO_SAM, DECLINED = a_status(1, "assigned to @sam", **RUN_FIGURES), a_status(2, "declined by @sam")
SOUND = DeskRun(
    world=WORLD,
    asked=[GRANTED, ASSIGNED],
    tickets=[a_row("T-1", 1, "auto-resolved"), a_row("T-2", 2, "declined by @sam")],
    grants=[GRANT],
    ledger=[*a_ledger("T-1", GRANT_ENTRY, RESOLVED), *a_ledger("T-2", TO_SAM, DECLINED)],
    # A repeat under the same id is allowed.
    mail=[Mail("T-1:1", "yes"), Mail("T-2:1", "see"), Mail("T-2:2", "no"), Mail("T-2:1", "see")],
    decided=frozenset({"T-2"}),
    left={"ticket-work": 0},
)
T_2_LEDGER = a_ledger("T-2", TO_SAM, DECLINED)


def test_a_sound_run_has_no_findings() -> None:
    assert desk_findings(SOUND) == []


@pytest.mark.parametrize(
    ("promise", "changes"),
    [
        ("lost", {"tickets": SOUND.tickets[:1]}),
        ("lost", {"tickets": [SOUND.tickets[0], a_row("T-2", 1, "assigned to @sam")]}),
        ("twice", {"tickets": [*SOUND.tickets, a_row("T-9", 1, "auto-resolved")]}),
        ("twice", {"grants": [GRANT, {**GRANT, "environmentId": "1#grant#T-1#2"}]}),
        ("twice", {"ledger": [*a_ledger("T-1", GRANT_ENTRY, {"entry": "grant#1#Write"}, RESOLVED), *T_2_LEDGER]}),
        ("twice", {"ledger": [*a_ledger("T-1", GRANT_ENTRY, RESOLVED, {**RESOLVED, "version": 2}), *T_2_LEDGER]}),
        ("policy", {"grants": [{**GRANT, "expiresAt": 9_000_000}]}),
        ("policy", {"asked": [replace(GRANTED, days=30), ASSIGNED]}),
        ("policy", {"grants": []}),
        ("ledger", {"ledger": [entry for entry in SOUND.ledger if entry["entry"] != "grant#1#Read"]}),
        ("lost", {"mail": SOUND.mail[1:]}),
        ("out of order", {"mail": [SOUND.mail[0], SOUND.mail[2], SOUND.mail[1]]}),
        ("notification", {"mail": [*SOUND.mail, Mail("T-1:1", "another text")]}),
        ("notification", {"mail": [*SOUND.mail, Mail("T-1:2", "of what?")]}),
        ("left over", {"left": {"ticket-work-dead": 1}}),
    ],
)
def test_a_planted_fault_is_found(promise: str, changes: dict[str, Any]) -> None:
    assert promise in {finding.promise for finding in desk_findings(replace(SOUND, **changes))}
