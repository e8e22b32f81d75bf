"""One run of the ticket agent under chaos: tickets and decisions in, tasks struck, and everything that is left read."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from local.bedrock_endpoint import BedrockEndpoint
from local.provisioning import Provisioned
from shared.aws.items import from_item
from tests.chaos import stores
from tests.chaos.findings import Finding
from tests.chaos.fleet import fleet_of
from tests.chaos.scale import Scale
from tests.chaos.schedule import Strike, schedule
from tests.chaos.strikes import Striker
from tests.chaos.ticket_findings import DeskRun, Mail, desk_findings
from tests.chaos.ticket_rules import Asked, World, tickets_of
from tests.support.cloud import AwsClients
from tests.support.ticket_flow import MODEL, SAMPLE, OutsideDesk
from tests.support.waiting import eventually

TASKS = 2
MORE_EMPLOYEES = 300
AT_ONCE = 150
"""Tickets under way: enough that every strike hits some, few enough that no queue of the emulator gets deep."""
BATCH = 10
VISIBILITY_SECONDS = 6
DRAIN_SECONDS = 30.0
STALLED_SECONDS = 150.0
"""Nothing was told for so long: what is missing is lost. Longer than the sweeper needs to send work again."""
MODEL_MS = 120
QUEUES = ("ticket-intake", "ticket-decisions", "ticket-work", "ticket-updates")


@dataclass(slots=True)
class DeskStores:
    """The queues and tables from outside, and what has come out of the mailbox so far."""

    resources: Provisioned
    mail: list[Mail] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    decided: set[str] = field(default_factory=set)
    over: bool = False

    def client(self, service: str) -> Any:
        return self.resources.client(service)

    def submit(self, tickets: Sequence[Asked]) -> None:
        for each in tickets:
            body = {"version": 1, "ticketId": each.ticket_id, "employeeId": each.employee_id, "content": each.text}
            self._send("ticket-intake", body)

    def collect(self, asked: dict[str, Asked]) -> int:
        """Take out what has arrived, and decline what people decline; returns how many new notifications came."""
        before = len(self.told)
        for message in stores.drain(self.client("sqs"), self.resources.queues["mailbox"]):
            body = json.loads(message["Body"])
            attributes = {name: each["Value"] for name, each in body["MessageAttributes"].items()}
            mail = Mail(attributes["notification_id"], f"{body['Subject']}\n{body['Message']}")
            self.mail.append(mail)
            self.told.add(mail.id)
            if attributes["status"] == "assigned" and asked[mail.ticket_id].declined:
                self._decline(mail.ticket_id, attributes["owner"])
        return len(self.told) - before

    def _decline(self, ticket_id: str, owner: str) -> None:
        if ticket_id in self.decided:
            return
        self.decided.add(ticket_id)
        body = {"version": 1, "ticketId": ticket_id, "decidedBy": owner, "decision": "decline"}
        self._send("ticket-decisions", body)

    def _send(self, queue: str, body: dict[str, Any]) -> None:
        self.client("sqs").send_message(QueueUrl=self.resources.queues[queue], MessageBody=json.dumps(body))

    def ended(self) -> int:
        """Tickets of which people know how the agent ended them."""
        return sum(each.endswith(":1") for each in self.told)

    async def reached(self, tickets: float) -> None:
        """Until so many have ended, or the feed is over and no more will."""
        while not (self.over or self.ended() >= tickets):  # noqa: ASYNC110 (a count, not a moment, is waited for)
            await asyncio.sleep(0.05)

    def all_told(self, tickets: int) -> bool:
        return self.ended() == tickets and all(f"{each}:2" in self.told for each in self.decided)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [from_item(item) for item in stores.scan(self.client("dynamodb"), self.resources.tables[table])]

    def left(self) -> dict[str, int]:
        names = [*QUEUES, *(f"{name}-dead" for name in QUEUES)]
        return {name: sum(stores.counts(self.client("sqs"), self.resources.queues[name])) for name in names}


async def run_tickets(
    resources: Provisioned, aws: AwsClients, bedrock: BedrockEndpoint, folder: Path, *, scale: Scale, seed: int
) -> tuple[list[Finding], str]:
    """The findings of one seed, and a line about what was done."""
    die = random.Random(seed)
    stored = DeskStores(resources)
    world = await asyncio.to_thread(settle, OutsideDesk(aws, resources))
    tickets = tickets_of(world, scale.tickets, die)
    bedrock.control(f"models/{MODEL}", {"latency": {"fixed_ms": MODEL_MS}})
    began = time.monotonic()
    async with fleet_of(
        "tests.chaos.ticket_task", _environment(resources, bedrock), folder, drain_seconds=DRAIN_SECONDS
    ) as fleet:
        striker = Striker(fleet=fleet, die=die, pause_seconds=1.5 * VISIBILITY_SECONDS, numbers=(TASKS,))
        await fleet.start(how_many=TASKS)
        strikes = schedule(scale.ticket_blows, die)
        await asyncio.gather(_feed(stored, tickets), _strike(striker, strikes, stored))
        fleet.look_for_crashes()
        await _emptied(stored)
        await fleet.stop_all()
    run = await asyncio.to_thread(_read, stored, world, tickets)
    found = desk_findings(run) + [Finding("bad exit", problem) for problem in fleet.problems]
    again = sum(entry["attempt"] > 1 for entry in run.ledger if "runMs" in entry)
    if again == 0:
        found.append(Finding("no chaos", "no strike hit a run: the test proved nothing"))
    return found, (
        f"{len(run.tickets)} tickets in {time.monotonic() - began:.0f} s, {len(run.grants)} grants, "
        f"{len(run.decided)} declined, {again} ended in a later run, strikes {dict(striker.dealt)}, "
        f"{len(run.mail) - len(stored.told)} repeated notifications"
    )


def settle(desk: OutsideDesk) -> World:
    """The sample directory, and more employees of the same managers and of none."""
    desk.import_sample_directory()
    sample = yaml.safe_load((SAMPLE / "directory.yaml").read_text(encoding="utf-8"))
    owners = {row["id"]: row["owner"] for row in sample["environments"]}
    managers: dict[str, str | None] = {
        row["id"]: row["manager"] for row in sample["employees"] if not row["id"].startswith("@")
    }
    bosses = [*sorted(set(owners.values())), None]
    for number in range(MORE_EMPLOYEES):
        employee, manager = f"e{number}", bosses[number % len(bosses)]
        managers[employee] = manager
        desk.put("User", employeeId=employee, **({"manager": manager} if manager else {}))
    standing = frozenset((row["employee"], row["environment"]) for row in sample["access"])
    return World(managers=managers, owners=owners, standing=standing)


def _environment(resources: Provisioned, bedrock: BedrockEndpoint) -> dict[str, str]:
    return resources.ticket_agent(
        TICKET_MODEL_ID=MODEL,
        LONG_POLL_SECONDS="1",
        DRAIN_SECONDS=str(DRAIN_SECONDS),
        VISIBILITY_SECONDS=str(VISIBILITY_SECONDS),
        SWEEP_SECONDS="2",
        OPEN_TICKET_SECONDS="60",
        UNTOLD_SECONDS="30",
        TICKET_RUN_SECONDS="60",
        # Runs that were killed count against the budgets: here they are not what is asked about.
        TICKET_TURNS="500",
        TICKET_TOKENS="10000000",
        TICKET_TOKENS_PER_DAY="1000000000000",
        **bedrock.environment(),
    )


async def _feed(stored: DeskStores, tickets: Sequence[Asked]) -> None:
    """Put tickets as others end, and read the mail, until everybody was told everything or nothing comes any more."""
    asked = {each.ticket_id: each for each in tickets}
    put, news_at = 0, time.monotonic()
    while not stored.all_told(len(tickets)) and time.monotonic() - news_at < STALLED_SECONDS:
        if put < len(tickets) and put - stored.ended() < AT_ONCE:
            await asyncio.to_thread(stored.submit, tickets[put : put + BATCH])
            put += BATCH
        if await asyncio.to_thread(stored.collect, asked):
            news_at = time.monotonic()
        await asyncio.sleep(0.05)
    stored.over = True


async def _strike(striker: Striker, strikes: Sequence[Strike], stored: DeskStores) -> None:
    """Each strike when so many tickets have ended as its time says: a slow machine is struck as often as a fast one."""
    for strike in strikes:
        await stored.reached(strike.at)
        await striker.deal(strike)
    await striker.settled()


async def _emptied(stored: DeskStores) -> None:
    """Until no message is left; one that stays is for the findings to say, not for a timeout."""

    async def empty() -> bool:
        left = await asyncio.to_thread(stored.left)
        return not any(left[name] for name in QUEUES)

    try:
        await eventually(empty, within=60, what="empty queues")
    except AssertionError:
        return


def _read(stored: DeskStores, world: World, tickets: Sequence[Asked]) -> DeskRun:
    stored.collect({each.ticket_id: each for each in tickets})
    return DeskRun(
        world=world,
        asked=tickets,
        tickets=stored.rows("Ticket"),
        grants=[row for row in stored.rows("UserAccess") if "#grant#" in row["environmentId"]],
        ledger=stored.rows("Ledger"),
        mail=stored.mail,
        decided=frozenset(stored.decided),
        left=stored.left(),
    )
