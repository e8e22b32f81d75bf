"""`deskhand tickets trace`: what it shows of a run, and that it believes no ledger that was tampered with."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import trace as trace_command
from cli.app import app
from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from services.ticket_agent.domain.chain import linked, without_texts
from shared.aws.items import to_item
from shared.queue.message import Ack
from tests.support.ticket_desk import TicketDesk, open_ticket_desk
from tests.support.tickets import ScriptedModel, a_message, says

CHECK = says("Let me look.", ("checkEmployeeAccess", {"environmentId": "1"}))
SEARCH = says("", ("searchKnowledgeBase", {"query": "who may have access for how long"}))
GIVE = says("", ("giveAccess", {"environmentId": "1"}))
RESOLVE = says("", ("autoResolveTicket", {"description": "You have it. \x1b[2J"}))


@pytest.fixture(scope="module")
def tables_of_this_file(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture
async def desk(tables_of_this_file: Provisioned, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TicketDesk]:
    """A desk whose ticket T-1 was granted and resolved in one run of four turns."""
    monkeypatch.setattr(trace_command, "SECONDS_BETWEEN", 0.0)
    async with open_ticket_desk(tables_of_this_file) as desk:
        await desk.clear()
        await desk.employee()
        await desk.environment()
        await desk.submitted()
        message = a_message({"ticketId": "T-1", "employeeId": "111"})
        assert await desk.worker(ScriptedModel([CHECK, SEARCH, GIVE, RESOLVE])).handle(message) == Ack()
        yield desk


@pytest.fixture
def name(tables_of_this_file: Provisioned) -> str:
    return tables_of_this_file.name


def traced(name: str, *options: str, ticket_id: str = "T-1") -> Result:
    return CliRunner().invoke(app, ["tickets", "trace", ticket_id, "--cloud", "aws", "--name", name, *options])


def document(result: Result) -> Any:
    return json.loads(result.stdout)


async def entry(desk: TicketDesk, name: str) -> dict[str, Any]:
    (found,) = await desk.entries(name)
    return found


async def delete(desk: TicketDesk, name: str) -> None:
    key = to_item({"ticketId": "T-1", "entry": name})
    await desk.client.delete_item(TableName=desk.tables.ledger, Key=key)


async def test_the_tree_tells_turns_calls_decisions_effects_outcome_and_cost(desk: TicketDesk, name: str) -> None:
    result = traced(name)
    assert result.exit_code == 0, result.output
    lines = [line.strip(" │├└─") for line in result.stdout.splitlines()]
    told = "\n".join(lines)
    for part in (
        "run 1",
        "turn 1 (100 + 10 tokens",
        "Let me look.",
        "checkEmployeeAccess(environmentId=1) -> The requester has no access to environment 1.",
        "access_policy.md#",
        "GRANTED Read access to environment 1 for employee 111 by giveAccess",
        f"ALLOWED by grant-short-access-to-the-managers-environment (policy {desk.guard.version})",
        "STATUS 1: auto-resolved by autoResolveTicket",
        "400 input + 40 output tokens",
        "1 runs, 4 turns, 4 calls",
        "verified, 12 links",
    ):
        assert part in told
    assert "\x1b" not in result.stdout


async def test_json_has_the_whole_of_it(desk: TicketDesk, name: str) -> None:
    said = document(traced(name, "--json"))
    assert said["verified"] is True
    assert said["trajectory"] == ["checkEmployeeAccess", "searchKnowledgeBase", "giveAccess", "autoResolveTicket"]
    assert said["policyVersions"] == [desk.guard.version]
    assert said["outcome"]["assignStatus"] == "auto-resolved"
    assert (said["cost"]["inputTokens"], said["cost"]["turns"], said["links"]) == (400, 4, 12)
    assert said["head"] == (await desk.ledger.head("T-1")).digest
    assert [entry["chainNumber"] for entry in said["entries"]] == list(range(1, 13))


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        ("call#0001#0003#01", {"result": "{}"}),
        ("grant#1#Read", {"accessType": "Write"}),
        ("turn#0001#0001", {"at": "x"}),
    ],
)
async def test_a_changed_entry_is_named(desk: TicketDesk, name: str, changed: str, to: dict[str, str]) -> None:
    await desk.put(desk.tables.ledger, **{**await entry(desk, changed), **to})
    result = traced(name)
    assert result.exit_code == 1
    assert (
        f"NOT VERIFIED: changed at link {int((await entry(desk, changed))['chainNumber'])} ({changed})" in result.stderr
    )
    assert document(traced(name, "--json"))["verified"] is False


async def test_a_removed_entry_is_missed(desk: TicketDesk, name: str) -> None:
    await delete(desk, "call#0001#0001#01")
    result = traced(name)
    assert result.exit_code == 1
    assert "NOT VERIFIED: removed at link 4 (number 4)" in result.stderr


async def test_an_inserted_entry_is_named(desk: TicketDesk, name: str) -> None:
    forged = {"ticketId": "T-1", "entry": "call#0001#0003#02", "tool": "giveAccess"}
    await desk.put(desk.tables.ledger, **linked(await desk.ledger.head("T-1"), forged, salt="s"))
    result = traced(name)
    assert result.exit_code == 1
    assert "NOT VERIFIED: inserted at link 13 (call#0001#0003#02)" in result.stderr


async def test_a_ticket_row_that_says_something_else_than_its_ledger_is_found(desk: TicketDesk, name: str) -> None:
    (row,) = await desk.rows(desk.tables.ticket)
    await desk.put(desk.tables.ticket, **{**row, "assignStatus": "assigned to @sam"})
    result = traced(name)
    assert result.exit_code == 1
    assert "the ticket's row says 'assigned to @sam', its ledger 'auto-resolved'" in result.stderr
    await desk.client.delete_item(TableName=desk.tables.ticket, Key=to_item({"ticketId": "T-1", "employeeId": "111"}))
    assert "gone from its table" in traced(name).stderr


async def test_a_ledger_that_was_written_anew_as_a_whole_shows_against_the_log_alone(
    desk: TicketDesk, name: str
) -> None:
    logged = (await desk.ledger.head("T-1")).digest
    assert traced(name, "--head", logged).exit_code == 0
    await delete(desk, "call#0001#0004#01")
    status = await entry(desk, "status#0001")
    rewritten = {"number": 11, "digest": status["chainDigest"], "attempt": 1}
    await desk.put(desk.tables.ledger, ticketId="T-1", entry="head", **rewritten)
    assert traced(name).exit_code == 0
    result = traced(name, "--head", logged)
    assert result.exit_code == 1
    assert "written anew since the log recorded it" in result.stderr


async def test_erased_texts_are_told_as_such_and_verify(desk: TicketDesk, name: str) -> None:
    await desk.put(desk.tables.ledger, **without_texts(await entry(desk, "turn#0001#0001")))
    result = traced(name)
    assert result.exit_code == 0, result.output
    assert "(erased)" in result.stdout
    assert "Let me look." not in result.stdout
    assert document(traced(name, "--json"))["erased"] == ["turn#0001#0001"]


async def test_a_ticket_that_is_not_there_is_a_refusal_and_no_proof(desk: TicketDesk, name: str) -> None:
    result = traced(name, ticket_id="T-9")
    assert result.exit_code == 1
    assert "there is no ticket T-9" in result.stderr
