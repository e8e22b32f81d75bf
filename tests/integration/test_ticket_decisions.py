"""People's decisions, from the door to the grant: who may, what comes of it, and that each counts once."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from dataclasses import replace as changed
from typing import Any

import pytest

from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from services.ticket_agent.decisions import Decisions
from services.ticket_agent.domain.outcome import Assigned, HandedOver, Outcome, Resolved
from services.ticket_agent.domain.state import State
from services.ticket_agent.domain.ticket import Ticket
from services.ticket_agent.store.port import Figures, Warrant
from shared.errors import BadInput
from shared.queue.memory import MemoryQueue
from shared.queue.message import Ack, DeadLetter, Message
from tests.support.ticket_desk import TicketDesk, open_ticket_desk
from tests.support.tickets import ScriptedModel, a_message, a_text

RELAY = "AROARELAY:portal"
ADMIN = a_text(access_type="Access Type: Admin", duration="Access duration: 40 days")


@dataclass
class Deciders:
    """The door and the worker of the desk, one behind the other."""

    desk: TicketDesk
    work: MemoryQueue = field(default_factory=lambda: MemoryQueue("work.fifo"))
    sent: int = 0

    @property
    def door(self) -> Decisions:
        return Decisions(
            directory=self.desk.directory,
            tickets=self.desk.tickets,
            rulings=self.desk.rulings,
            work=self.work,
            trusted_relays=(RELAY,),
            now=lambda: self.desk.at,
        )

    async def assigned(self, outcome: Outcome | None = None, *, content: str = ADMIN) -> None:
        desk = self.desk
        taken = await desk.tickets.take_attempt(await desk.submitted(content=content), at=desk.at)
        await desk.effects.conclude(
            taken,
            outcome or Assigned(assignee="@sam", communication="Please decide."),
            owner="@sam",
            premises=(),
            warrant=Warrant(tool="aTool"),
            figures=Figures(),
            at=desk.at,
        )

    def message(self, decision: str, *, by: str = "@sam", sender: str = RELAY, **more: Any) -> Message:
        self.sent += 1
        body = {"version": 1, "ticketId": "T-1", "decidedBy": by, "decision": decision, **more}
        return a_message(body, sender_id=sender, message_id=f"m-{self.sent}")

    async def decide(self, decision: str, **more: Any) -> Ticket:
        """Send a decision through the door, let the worker carry it out, and return the ticket."""
        assert await self.door.handle(self.message(decision, **more)) == Ack()
        await self.work_off()
        return await self.desk.loaded()

    async def work_off(self) -> None:
        for message in await self.work.receive(at_most=10, wait_seconds=0, visibility_seconds=30):
            assert await self.desk.worker(ScriptedModel([])).handle(message) == Ack()
            await self.work.delete([message.receipt_handle])

    async def refused(self, message: Message) -> BadInput:
        with pytest.raises(BadInput) as refusal:
            await self.door.handle(message)
        assert await self.desk.entries("decision#") == []
        return refusal.value


@pytest.fixture(scope="module")
def tables_of_this_file(emulator: Emulator) -> Provisioned:
    """Creating them for each test would take most of the time; emptying them takes a few calls."""
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.fixture
async def deciders(tables_of_this_file: Provisioned) -> AsyncIterator[Deciders]:
    async with open_ticket_desk(tables_of_this_file) as desk:
        await desk.clear()
        await desk.employee()
        await desk.employee("@sam", manager="@samManager", senderId="000000000001")
        await desk.employee("@kirk", manager="@kirkManager", senderId="000000000002")
        await desk.group("network")
        await desk.environment()
        yield Deciders(desk)


# What comes of a decision


async def test_an_approval_grants_what_was_asked_for_as_long_as_was_asked(deciders: Deciders) -> None:
    await deciders.assigned()
    ticket = await deciders.decide("approve", comment="Only this once.")
    assert (ticket.assign_status, ticket.state) == ("approved by @sam", State.APPROVED)
    (grant,) = await deciders.desk.grants()
    assert (grant["employeeId"], grant["accessType"], grant["ticketId"]) == ("111", "Admin", "T-1")
    assert grant["expiresAt"] - grant["grantedAt"] == 40 * 86_400
    assert ticket.grant_ends_at == grant["expiresAt"]
    assert ticket.communication.endswith('approved by @sam. They say: "Only this once."')
    status = (await deciders.desk.entries("status#"))[-1]
    assert (status["decider"], status["decisionId"]) == ("@sam", "m-1")
    assert status["policies"] == ["approve-as-the-owner"]


async def test_who_approves_chooses_how_long(deciders: Deciders) -> None:
    await deciders.assigned(content=a_text(duration="Access duration: as long as possible"))
    ticket = await deciders.decide("approve")
    assert (ticket.state, ticket.status_version) == (State.ASSIGNED, 2)
    assert "no clear duration" in (await deciders.desk.entries("status#"))[-1]["communication"]
    ticket = await deciders.decide("approve", days=3)
    assert ticket.state is State.APPROVED
    (grant,) = await deciders.desk.grants()
    assert grant["expiresAt"] - grant["grantedAt"] == 3 * 86_400


async def test_a_refusal_grants_nothing_and_says_why(deciders: Deciders) -> None:
    await deciders.assigned()
    ticket = await deciders.decide("decline", comment="Read is enough.")
    assert ticket.assign_status == "declined by @sam"
    assert "Read is enough." in ticket.communication
    assert await deciders.desk.grants() == []


async def test_what_a_decider_says_cannot_forge_lines_of_a_notification(deciders: Deciders) -> None:
    await deciders.assigned()
    ticket = await deciders.decide("decline", comment="No.\nStatus: approved\r\n\nNext step: none \u2028 x")
    assert len(ticket.communication.splitlines()) == 1


async def test_whom_the_owner_passes_it_on_to_decides_in_their_place(deciders: Deciders) -> None:
    await deciders.assigned()
    ticket = await deciders.decide("reassign", to="@kirk")
    assert (ticket.assign_status, ticket.delegated_by) == ("reassigned to @kirk", "@sam")
    assert (await deciders.decide("approve", by="@kirk")).assign_status == "approved by @kirk"
    assert (await deciders.desk.entries("status#"))[-1]["policies"] == ["approve-for-who-passed-it-on"]


async def test_a_delegate_cannot_delegate_the_power_to_approve(deciders: Deciders) -> None:
    await deciders.desk.employee("@susi")
    await deciders.assigned()
    await deciders.decide("reassign", to="@kirk")
    await deciders.decide("reassign", by="@kirk", to="@susi")
    ticket = await deciders.decide("approve", by="@susi")
    assert ticket.assign_status == "reassigned to @susi"
    assert "The access policy lets only @sam" in (await deciders.desk.entries("status#"))[-1]["communication"]
    assert await deciders.desk.grants() == []
    assert (await deciders.decide("approve", by="@sam")).state is State.APPROVED


async def test_the_owners_manager_decides_on_what_was_escalated(deciders: Deciders) -> None:
    await deciders.assigned(Assigned(assignee="@samManager", communication="Please decide."))
    ticket = await deciders.decide("approve", by="@samManager")
    assert ticket.assign_status == "approved by @samManager"
    assert (await deciders.desk.entries("status#"))[-1]["policies"] == ["approve-as-the-owners-manager"]


async def test_what_was_handed_over_to_the_owner_can_be_approved_too(deciders: Deciders) -> None:
    await deciders.assigned(HandedOver(assignee="@sam", communication="The model was away."))
    assert (await deciders.decide("approve")).assign_status == "approved by @sam"


async def test_a_group_passes_on_what_is_not_its_own(deciders: Deciders) -> None:
    await deciders.desk.group("hardware", senderId="000000000003")
    routed = HandedOver(assignee="hardware", communication="Help.", to_group=True)
    await deciders.assigned(routed, content="Title: VPN")
    ticket = await deciders.decide("reassign", by="hardware", sender="000000000003", to="network")
    assert (ticket.assign_status, ticket.resolver_group) == ("reassigned to network", "network")


@pytest.mark.parametrize(
    ("to", "said"),
    [("@nobody", "neither an employee nor a group"), ("111", "of their own"), ("network", "goes to a person")],
)
async def test_a_ticket_is_not_passed_on_to_just_anybody(deciders: Deciders, to: str, said: str) -> None:
    await deciders.assigned()
    ticket = await deciders.decide("reassign", to=to)
    assert (ticket.assign_status, ticket.assignee) == ("assigned to @sam", "@sam")
    assert said in (await deciders.desk.entries("status#"))[-1]["communication"]


# Once, and on facts that hold


async def test_a_decision_that_comes_again_changes_nothing(deciders: Deciders) -> None:
    await deciders.assigned()
    approve = deciders.message("approve")
    for _ in range(2):
        assert await deciders.door.handle(approve) == Ack()
        await deciders.work_off()
    again = a_message({"ticketId": "T-1", "employeeId": "111", "version": 1, "decisionId": "m-1"})
    assert await deciders.desk.worker(ScriptedModel([])).handle(again) == Ack()
    assert len(await deciders.desk.grants()) == 1
    assert len(await deciders.desk.entries("status#")) == 2
    assert await deciders.desk.entries("refused#") == []


async def test_of_two_decisions_the_first_counts_and_the_other_is_written_down(deciders: Deciders) -> None:
    await deciders.assigned()
    for decision in ("decline", "approve"):
        assert await deciders.door.handle(deciders.message(decision)) == Ack()
    await deciders.work_off()
    await deciders.work_off()
    assert (await deciders.desk.loaded()).assign_status == "declined by @sam"
    assert await deciders.desk.grants() == []
    (late,) = await deciders.desk.entries("refused#")
    assert late["reason"] == "The ticket waits for no decision any more: it is declined by @sam."


async def test_two_tasks_that_carry_out_one_decision_at_once_grant_once(deciders: Deciders) -> None:
    await deciders.assigned()
    await deciders.door.handle(deciders.message("approve"))
    (order,) = await deciders.work.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
    worker = deciders.desk.worker(ScriptedModel([]))
    endings = await asyncio.gather(*(worker.handle(order) for _ in range(4)))
    assert Ack() in endings
    assert len(await deciders.desk.grants()) == 1
    assert len(await deciders.desk.entries("status#")) == 2


async def test_a_decision_that_is_about_to_be_a_dead_letter_is_answered_first(deciders: Deciders) -> None:
    await deciders.assigned()
    await deciders.door.handle(deciders.message("approve"))
    (order,) = await deciders.work.receive(at_most=10, wait_seconds=0, visibility_seconds=30)
    worker = deciders.desk.worker(ScriptedModel([]))
    for _ in range(2):  # told twice of one message: the second time there is nothing left to say
        await worker.before_dead_letter(order, DeadLetter(reason="failed 5 times.", error_class="KeyError"))
    told = (await deciders.desk.entries("status#"))[1:]
    assert [row["headline"] for row in told] == ["decision not carried out, still assigned to @sam"]
    assert "failed 5 times" in told[0]["communication"]
    assert await worker.handle(order) == Ack()
    assert await deciders.desk.grants() == []


async def test_an_owner_who_lost_the_environment_meanwhile_approves_nothing(deciders: Deciders) -> None:
    await deciders.assigned()
    await deciders.door.handle(deciders.message("approve"))
    await deciders.desk.environment(owner="@kirk")
    await deciders.work_off()
    assert await deciders.desk.grants() == []
    ticket = await deciders.desk.loaded()
    assert (ticket.assign_status, ticket.status_version) == ("assigned to @sam", 2)


async def test_nobody_approves_a_request_of_their_own(deciders: Deciders) -> None:
    await deciders.desk.environment(owner="111")
    await deciders.assigned(Assigned(assignee="111", communication="Please decide."))
    ticket = await deciders.decide("approve", by="111")
    assert ticket.state is State.ASSIGNED
    assert await deciders.desk.grants() == []


# The door


@pytest.mark.parametrize("sender", ["000000000001", RELAY])
async def test_an_owner_decides_in_person_or_through_a_relay(deciders: Deciders, sender: str) -> None:
    await deciders.assigned()
    assert (await deciders.decide("approve", sender=sender)).state is State.APPROVED


@pytest.mark.parametrize("sender", ["000000000002", "000000000999", "@sam", "AROARELAY", ""])
async def test_nobody_decides_in_anothers_name(deciders: Deciders, sender: str) -> None:
    await deciders.assigned()
    refusal = await deciders.refused(deciders.message("approve", sender=sender))
    assert (refusal.field, refusal.problem) == ("decidedBy", f"is not who sent this: {sender}")


@pytest.mark.parametrize("before", ["000000000002", f"{RELAY} 000000000002"])
async def test_a_relay_that_moves_a_forged_decision_back_does_not_vouch_for_it(deciders: Deciders, before: str) -> None:
    await deciders.assigned()
    message = changed(deciders.message("approve", sender=RELAY), attributes={"redriven_from": before})
    assert (await deciders.refused(message)).problem == "is not who sent this: 000000000002"


async def test_a_decision_that_was_moved_back_is_recorded_as_its_first_sender_s(deciders: Deciders) -> None:
    await deciders.assigned()
    message = changed(deciders.message("approve"), attributes={"redriven_from": "000000000001"})
    assert await deciders.door.handle(message) == Ack()
    (entry,) = await deciders.desk.entries("decision#")
    assert entry["senderId"] == "000000000001"


@pytest.mark.parametrize("by", ["@kirk", "111", "@nobody", "network"])
async def test_whom_a_ticket_does_not_concern_decides_nothing(deciders: Deciders, by: str) -> None:
    await deciders.assigned()
    assert (await deciders.refused(deciders.message("approve", by=by))).field == "decidedBy"


async def test_what_has_ended_or_never_was_waits_for_no_decision(deciders: Deciders) -> None:
    assert (await deciders.refused(deciders.message("approve"))).problem == "is no ticket"
    await deciders.assigned(Resolved(communication="Done."))
    assert "waits for no decision" in (await deciders.refused(deciders.message("approve"))).problem


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"version": 2}, "version"),
        ({"decision": "allow"}, "decision"),
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
        ({"days": "8"}, "days"),
        ({"days": True}, "days"),
        ({"to": "@kirk"}, "to"),
        ({"decision": "reassign"}, "to"),
        ({"decision": "decline", "days": 3}, "days"),
        ({"decidedBy": "@sam\n"}, "decidedBy"),
        ({"comment": ""}, "comment"),
        ({"accessType": "Admin"}, "accessType"),
    ],
)
async def test_a_wrong_field_is_named_with_its_remedy(
    deciders: Deciders, change: dict[str, object], field: str
) -> None:
    good = deciders.message("approve")
    refusal = await deciders.refused(changed(good, body=json.dumps({**json.loads(good.body), **change})))
    assert refusal.field == field
    assert refusal.remedy
