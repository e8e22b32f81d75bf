"""Tickets through the real service, as users see it: in by SQS, out by DynamoDB and SNS."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from local.bedrock_endpoint import BedrockEndpoint, running_bedrock
from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from local.services import TICKET_AGENT, start_service, wait_until_healthy
from tests.support.cloud import AwsClients
from tests.support.ticket_flow import MODEL, SAMPLE, OutsideDesk, attributes_of, reason_of
from tests.support.tickets import a_text
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def resources_of_this_file(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def service(
    resources_of_this_file: Provisioned, bedrock_endpoint: BedrockEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """One task for all tests of this file: starting one takes longer than a ticket."""
    with running_ticket_agent(resources_of_this_file, bedrock_endpoint, tmp_path_factory.mktemp("service")):
        yield


@pytest.fixture
def desk(service: None, bedrock: BedrockEndpoint, aws: AwsClients, resources_of_this_file: Provisioned) -> OutsideDesk:
    """The running service with the sample directory, no tickets, and a model without faults.

    News of an earlier test's ticket may still come in: a test that reads mail gives its ticket an id of its own.
    """
    desk = OutsideDesk(aws, resources_of_this_file)
    desk.clear()
    desk.import_sample_directory()
    return desk


@pytest.fixture
def own_desk(aws: AwsClients, resources: Provisioned) -> OutsideDesk:
    """For tests that start a service of their own."""
    desk = OutsideDesk(aws, resources)
    desk.import_sample_directory()
    return desk


@contextmanager
def running_ticket_agent(
    resources: Provisioned, bedrock: BedrockEndpoint, folder: Path, *, model: str = MODEL
) -> Iterator[None]:
    brief = {"DRAIN_SECONDS": "30", "LONG_POLL_SECONDS": "1", "SWEEP_SECONDS": "1"}
    settings = {"TICKET_MODEL_ID": model, **brief, **bedrock.environment()}
    running = start_service(TICKET_AGENT, resources.ticket_agent(**settings), folder)
    try:
        wait_until_healthy([running])
        yield
    finally:
        status = running.stop()
    assert status == 0, running.process.log_tail()


EXPECTED_CALLS = {
    1: "checkEmployeeAccess searchKnowledgeBase getEmployeeManager getEnvironmentOwner giveAccess autoResolveTicket",
    2: "checkEmployeeAccess autoResolveTicket",
    3: "checkEmployeeAccess searchKnowledgeBase getEmployeeManager getEnvironmentOwner assignTicketToEnvironmentOwner",
    4: "checkEmployeeAccess searchKnowledgeBase getEmployeeManager getEnvironmentOwner giveAccess autoResolveTicket",
    5: "checkEmployeeAccess searchKnowledgeBase getEnvironmentOwner assignTicketToEnvironmentOwner",
    6: "checkEmployeeAccess searchKnowledgeBase getEnvironmentOwner assignTicketToEnvironmentOwner",
}


def test_the_six_ground_truth_tickets_end_as_the_facts_say(desk: OutsideDesk) -> None:
    cases = yaml.safe_load((SAMPLE / "tickets.yaml").read_text(encoding="utf-8"))["tickets"]
    standing = [row for row in desk.rows("UserAccess") if "#" not in row["environmentId"]]
    for case in cases:
        ticket_id, before = f"case-{case['case']}", len(desk.grants())
        desk.submit(ticket_id, case["employee"], case["content"])
        ticket = desk.ended(ticket_id)
        assert ticket["assignStatus"] == case["expected"]["status"], ticket
        assert len(desk.grants()) - before == int(case["expected"]["grant"]), f"case {case['case']}"
        expected = EXPECTED_CALLS[case["case"]].split()
        # The call that ends a ticket is written down after the end that it brought about.
        calls = wait_until(partial(calls_of, desk, ticket_id, len(expected)), what="all calls")
        assert calls == expected
        (status,) = desk.ledger(ticket_id, "status#")
        assert status["toolCalls"] == len(calls)
        assert 0 <= status["modelMs"] <= status["runMs"]
        (mail,) = wait_until(partial(desk.mail, ticket_id), what="a notification")
        attributes = attributes_of(mail)
        assert attributes["notification_id"] == f"{ticket_id}:1"
        assert attributes["employee"] == case["employee"]
        assert attributes["status"] == ticket["state"]
        assert ticket["assignStatus"] in mail["Message"]
        assert "Next step: " in mail["Message"]
    assert [row for row in desk.rows("UserAccess") if "#" not in row["environmentId"]] == standing
    first = next(row for row in desk.grants() if row["ticketId"] == "case-1")
    assert (first["employeeId"], first["accessType"], first["grantedEnvironmentId"]) == ("111", "Read", "1")
    assert first["expiresAt"] - first["grantedAt"] == 8 * 86_400
    assert "churn" in first["reason"]


def calls_of(desk: OutsideDesk, ticket_id: str, at_least: int) -> list[str]:
    calls = [entry["tool"] for entry in desk.ledger(ticket_id, "call#")]
    return calls if len(calls) >= at_least else []


def ticket_in_state(desk: OutsideDesk, ticket_id: str, state: str) -> dict[str, Any] | None:
    ticket = desk.ticket(ticket_id)
    return ticket if ticket is not None and ticket["state"] == state else None


def mails(desk: OutsideDesk, ticket_id: str, at_least: int) -> list[dict[str, Any]]:
    found = desk.mail(ticket_id)
    return found if len(found) >= at_least else []


def test_a_ticket_that_is_sent_again_is_no_second_ticket(desk: OutsideDesk) -> None:
    desk.submit("T-1", "111", a_text())
    desk.ended("T-1")
    desk.submit("T-1", "111", a_text())
    desk.submit("T-1", "121", a_text())
    letter = desk.dead_letter("ticket-intake")
    assert reason_of(letter).startswith("ticketId: belongs to another ticket")
    assert len(desk.rows("Ticket")) == 1
    assert len(desk.grants()) == 1
    assert len(desk.ledger("T-1", "attempt#")) == 1


def test_bad_messages_end_in_the_dead_letter_queue_with_field_and_remedy(desk: OutsideDesk) -> None:
    good = {"version": 1, "ticketId": "T-1", "employeeId": "111", "content": a_text()}
    without_content = {name: value for name, value in good.items() if name != "content"}
    bad = {
        "body: is not JSON": "{",
        "content: is missing": json.dumps(without_content),
        "priority: is not a field": json.dumps({**good, "priority": 1}),
        "employeeId: is not in the directory": json.dumps({**good, "employeeId": "999"}),
    }
    for reason, body in bad.items():
        desk.send("ticket-intake", body)
        letter = desk.dead_letter("ticket-intake")
        assert letter["Body"] == body
        assert reason in reason_of(letter)
        assert "; " in reason_of(letter)
    # S3's test event is nobody's ticket: it goes, and the next ticket is worked on.
    desk.send("ticket-intake", json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "x"}))
    desk.submit("T-2", "111", a_text())
    assert desk.ended("T-2")["assignStatus"] == "auto-resolved"
    dead = desk.resources.queues["ticket-intake-dead"]
    counts = desk.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
    assert counts["Attributes"]["ApproximateNumberOfMessages"] == "0"
    assert [row["ticketId"] for row in desk.rows("Ticket")] == ["T-2"]


def test_nobody_sends_tickets_for_somebody_else(desk: OutsideDesk) -> None:
    desk.put("User", employeeId="111", manager="@sam", senderId="000000000111")
    desk.put("User", employeeId="121", manager="@sam", senderId="000000000121")
    desk.submit("forged", "121", a_text(), access_key="000000000111")
    assert "is not the employee of the sender" in reason_of(desk.dead_letter("ticket-intake"))
    desk.submit("own", "111", a_text(), access_key="000000000111")
    assert desk.ended("own")["assignStatus"] == "auto-resolved"
    assert desk.ticket("forged") is None


def test_an_owner_approves_by_message_and_nobody_else_can(desk: OutsideDesk) -> None:
    """Sends decisions with several identities: a 12-digit access key sets the account that stands for the sender."""
    desk.put("User", employeeId="@sam", manager="@samManager", senderId="000000000777", contact="extension 12")
    desk.put("User", employeeId="@kirk", manager="@kirkManager", senderId="000000000888")
    desk.submit("T-approved", "131", a_text(access_type="Access Type: Admin"))
    assert desk.ended("T-approved")["assignStatus"] == "assigned to @sam"
    approve = {"version": 1, "ticketId": "T-approved", "decidedBy": "@sam", "decision": "approve", "days": 5}
    forgeries = {
        "decidedBy: is not who sent this: 000000000888": approve,
        "decidedBy: neither has the ticket nor owns its environment": {**approve, "decidedBy": "@kirk"},
    }
    for reason, forged in forgeries.items():
        desk.send("ticket-decisions", json.dumps(forged), access_key="000000000888")
        assert reason in reason_of(desk.dead_letter("ticket-decisions"))
    assert not desk.grants()
    desk.send("ticket-decisions", json.dumps(approve), access_key="000000000777")
    ticket = wait_until(partial(ticket_in_state, desk, "T-approved", "approved"), what="the approval")
    assert ticket is not None
    assert ticket["assignStatus"] == "approved by @sam"
    (grant,) = desk.grants()
    assert (grant["employeeId"], grant["accessType"]) == ("131", "Admin")
    assert grant["expiresAt"] - grant["grantedAt"] == 5 * 86_400
    first, second = wait_until(partial(mails, desk, "T-approved", 2), what="two notifications")
    assert "deskhand tickets approve T-approved --by @sam" in first["Message"]
    assert "In charge: @sam (extension 12)" in first["Message"]
    assert [attributes_of(mail)["notification_id"] for mail in (first, second)] == ["T-approved:1", "T-approved:2"]
    assert second["Subject"] == "Ticket T-approved: approved by @sam"
    desk.send("ticket-decisions", json.dumps(approve), access_key="000000000777")
    assert "waits for no decision" in reason_of(desk.dead_letter("ticket-decisions"))
    assert len(desk.grants()) == 1


def test_the_running_sweeper_expires_what_nobody_decided_on(desk: OutsideDesk) -> None:
    desk.put(
        "Ticket",
        ticketId="T-expired",
        employeeId="111",
        ticket_content=a_text(),
        state="assigned",
        assignStatus="assigned to @sam",
        assignee="@sam",
        statusVersion=1,
        since=0,
        agenda="due",
        dueAt="1970-01-02T00:00:00.000Z",
    )
    desk.put("Ledger", ticketId="T-expired", entry="notified", version=1)
    assert wait_until(partial(ticket_in_state, desk, "T-expired", "expired"), what="the expiry")
    (mail,) = wait_until(partial(desk.mail, "T-expired"), what="a notification")
    assert mail["Subject"] == "Ticket T-expired: expired"
    assert attributes_of(mail)["notification_id"] == "T-expired:2"


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"planner": "prose_only"}, "without resolving or assigning"),
        ({"planner": "loops"}, "repeated one call more than"),
        ({"faults": [{"kind": "stop_reason", "stop_reason": "max_tokens", "next": 1}]}, "was cut"),
    ],
)
def test_whatever_way_the_agent_fails_the_owner_gets_the_ticket_with_the_reason(
    desk: OutsideDesk, bedrock: BedrockEndpoint, behaviour: dict[str, Any], said: str
) -> None:
    bedrock.control(f"models/{MODEL}", behaviour)
    desk.submit("T-1", "111", a_text())
    ticket = desk.ended("T-1")
    assert ticket["assignStatus"] == "handed over to @sam"
    assert said in ticket["communication"]
    assert not desk.grants()


@pytest.mark.parametrize("planner", ["hostile", "wrong_owner", "wrong_order", "parallel_calls", "ignores_denials"])
def test_a_model_that_does_not_do_as_it_is_told_oversteps_nothing(
    desk: OutsideDesk, bedrock: BedrockEndpoint, planner: str
) -> None:
    bedrock.control(f"models/{MODEL}", {"planner": planner})
    before = desk.rows("UserAccess")
    desk.submit("T-1", "141", a_text(environment="EnvironmentId: 4", access_type="Access Type: Admin"))
    assert desk.ended("T-1")["assignStatus"] in ("assigned to @susi", "handed over to @susi")
    assert desk.rows("UserAccess") == before


def test_a_model_that_will_never_answer_leaves_no_ticket_unassigned(
    own_desk: OutsideDesk, bedrock: BedrockEndpoint, tmp_path: Path
) -> None:
    with running_ticket_agent(own_desk.resources, bedrock, tmp_path, model="amazon.no-such-model-v1:0"):
        own_desk.submit("T-1", "111", a_text())
        ticket = own_desk.ended("T-1")
    assert ticket["assignStatus"] == "handed over to @sam"
    assert "The model refused" in ticket["communication"]


def test_a_throttled_model_delays_a_ticket_and_does_not_change_its_end(
    desk: OutsideDesk, bedrock: BedrockEndpoint
) -> None:
    kinds = ("throttled", "unavailable", "model_timeout", "drop_after_reading", "truncated_json")
    bedrock.control(f"models/{MODEL}/faults", {"faults": [{"kind": kind, "next": 1} for kind in kinds]})
    desk.submit("T-1", "111", a_text())
    assert desk.ended("T-1", within=120.0)["assignStatus"] == "auto-resolved"
    assert len(desk.ledger("T-1", "attempt#")) == 1


def test_a_ticket_that_the_agent_cannot_end_is_handed_over_with_the_reason(desk: OutsideDesk) -> None:
    desk.submit("unknown", "111", a_text(environment="EnvironmentId: 99"))
    desk.submit("conflict", "111", a_text() + "\nEnvironmentId: 4")
    unknown, conflict = (desk.ended(ticket_id) for ticket_id in ("unknown", "conflict"))
    assert {row["assignStatus"] for row in (unknown, conflict)} == {"handed over to service-desk"}
    assert "EnvironmentId 99 is not in the directory" in unknown["communication"]
    assert "EnvironmentId is given more than once" in conflict["communication"]
    (mail,) = wait_until(lambda: desk.mail("unknown"), what="a notification")
    assert attributes_of(mail)["resolverGroup"] == "service-desk"


@pytest.mark.parametrize(
    ("content", "group"),
    [
        ("Title: Printer\nOut of paper on floor 2.", "hardware"),
        ("Title: VPN\nI cannot connect from home since Monday.", "network"),
        ("Title: Locked out\nI forgot my password.", "service-desk"),
        ("Title: Xyzzy", "service-desk"),
    ],
)
def test_what_is_not_about_access_goes_to_the_group_that_takes_it(desk: OutsideDesk, content: str, group: str) -> None:
    ticket_id = f"T-{secrets.token_hex(4)}"
    desk.submit(ticket_id, "111", content)
    assert desk.ended(ticket_id)["assignStatus"] == f"assigned to {group}"
    (mail,) = wait_until(lambda: desk.mail(ticket_id), what="a notification")
    assert attributes_of(mail)["resolverGroup"] == group


def test_the_model_may_go_away_in_the_middle_and_nothing_is_lost(own_desk: OutsideDesk, tmp_path: Path) -> None:
    """Closes the model's port while three tickets are worked on, and opens it again: every ticket ends as if nothing
    had been, with one run, one grant and one notification each."""
    slow = {"models": {"*": {"latency": {"fixed_ms": 150}}}}
    with running_bedrock(tmp_path / "first", slow) as first:
        port = urlsplit(first.url).port
        assert port is not None
        with running_ticket_agent(own_desk.resources, first, tmp_path):
            for ticket_id, employee in (("T-1", "111"), ("T-2", "121"), ("T-3", "131")):
                own_desk.submit(ticket_id, employee, a_text())
            wait_until(lambda: own_desk.ledger("T-1", "turn#"), what="the first turn")
            first.process.stop()
            assert all(row["state"] == "open" for row in own_desk.rows("Ticket"))
            with running_bedrock(tmp_path / "second", port=port):
                statuses = [own_desk.ended(ticket_id)["assignStatus"] for ticket_id in ("T-1", "T-2", "T-3")]
    assert statuses == ["auto-resolved", "auto-resolved", "assigned to @sam"]
    assert len(own_desk.grants()) == 2
    assert [len(own_desk.ledger(ticket_id, "attempt#")) for ticket_id in ("T-1", "T-2", "T-3")] == [1, 1, 1]
