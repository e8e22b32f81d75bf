"""A ledger told as a story: what belongs to which run and turn, what people did, what it cost."""

from typing import Any

from cli.trajectory import Node, contradiction, cost, story, trajectory
from services.ticket_agent.domain.chain import Head, head_after, linked, without_texts

ALLOWED = {"allowed": True, "policies": ["a-policy"], "errors": [], "policyVersion": "v1"}
DENIED = {"allowed": False, "policies": [], "errors": ["overflow"], "policyVersion": "v1"}
TURN = {"turn": 1, "inputTokens": 100, "outputTokens": 10, "modelMs": 5}


def a_ledger(*entries: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    head, links = Head(), []
    for name, facts in entries:
        link = linked(head, {"ticketId": "T-1", "entry": name, "at": "now", **facts}, salt="s")
        links.append(link)
        head = head_after(link, attempt=1)
    return links


def as_shape(nodes: list[Node]) -> list[Any]:
    return [(node.entry, as_shape(node.children)) if node.children else node.entry for node in nodes]


ENTRIES = a_ledger(
    ("intake", {"senderId": "relay", "employeeId": "111"}),
    ("attempt#0001", {"attempt": 1}),
    ("turn#0001#0001", {**TURN, "text": "Let me see."}),
    ("attempt#0002", {"attempt": 2}),
    ("turn#0002#0001", TURN),
    ("call#0002#0001#01", {"tool": "giveAccess", "arguments": "{}", "result": "{", "failed": True, "decision": DENIED}),
    ("status#0001", {"version": 1, "runMs": 9, "assignStatus": "assigned to @sam", "tool": "aTool", "attempt": 2}),
    ("call#0002#0001#02", {"tool": "assign", "arguments": "{}", "result": "{}", "decision": ALLOWED}),
    ("decision#m-1", {"decisionId": "m-1", "kind": "approve", "decider": "@sam", "senderId": "relay", "days": 8}),
    ("status#0002", {"version": 2, "decisionId": "m-1", "decider": "@sam", "assignStatus": "approved by @sam"}),
    ("refused#m-2", {"decisionId": "m-2", "decider": "@kirk", "reason": "too late"}),
)


def lines(nodes: list[Node]) -> str:
    return "\n".join(node.line + "\n" + lines(node.children) for node in nodes)


def test_calls_and_endings_lie_in_their_turn_and_what_people_did_lies_beside_the_runs() -> None:
    assert as_shape(story(ENTRIES)) == [
        "intake",
        ("attempt#0001", ["turn#0001#0001"]),
        (
            "attempt#0002",
            [
                (
                    "turn#0002#0001",
                    [
                        ("call#0002#0001#01", ["call#0002#0001#01"]),
                        "status#0001",
                        ("call#0002#0001#02", ["call#0002#0001#02"]),
                    ],
                )
            ],
        ),
        "decision#m-1",
        "status#0002",
        "refused#m-2",
    ]


def test_decisions_of_the_guard_and_of_people_are_told_with_their_reasons() -> None:
    told = lines(story(ENTRIES))
    assert "DENIED by no policy permits it, errors: overflow (policy v1)" in told
    assert "ALLOWED by a-policy (policy v1)" in told
    assert "decision approve by @sam, sent by relay, days 8" in told
    assert "STATUS 2: approved by @sam (@sam)" in told
    assert "decision of @kirk refused: too late" in told


def test_cost_counts_runs_that_were_cut_off() -> None:
    assert cost(ENTRIES) == {
        "runs": 2,
        "turns": 2,
        "calls": 2,
        "inputTokens": 200,
        "outputTokens": 20,
        "modelMs": 10,
    }
    assert trajectory(ENTRIES) == ["giveAccess", "assign"]


def test_erased_texts_are_named_as_such() -> None:
    told = lines(story([without_texts(entry) for entry in ENTRIES]))
    assert "taken in from sender (erased) for employee (erased)" in told
    assert "Let me see." not in told
    assert "@sam" not in told


def test_a_row_is_held_against_the_last_status_of_its_ledger() -> None:
    row = {"statusVersion": 2, "assignStatus": "approved by @sam"}
    assert contradiction(row, ENTRIES) is None
    assert contradiction({**row, "statusVersion": 1}, ENTRIES) is not None
    assert contradiction({**row, "assignStatus": "auto-resolved"}, ENTRIES) is not None
    assert contradiction(None, ENTRIES) is not None
    assert contradiction({"assignStatus": "unassigned"}, ENTRIES[:3]) is None
