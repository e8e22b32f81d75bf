"""The ticket agent from outside while it is measured: tickets in on time, notifications out, and its task's figures."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.running_task import RunningTask
from local.bedrock_endpoint import BedrockEndpoint
from local.provisioning import Provisioned
from local.services import TICKET_AGENT, start_service, wait_until_healthy
from shared.aws.items import from_item, to_item
from tests.chaos import stores
from tests.support.tickets import a_text
from tests.support.waiting import eventually

MODEL = "amazon.nova-lite-v1:0"
OWNER, ENVIRONMENT = "@sam", "1"
LONG_POLL_SECONDS = 1


@contextmanager
def ticket_task(
    resources: Provisioned, bedrock: BedrockEndpoint, folder: Path, *, workers: int
) -> Iterator[RunningTask]:
    """A healthy task with default settings but for its workers, a drain that is short, and no day's budget."""
    environment = resources.ticket_agent(
        TICKET_MODEL_ID=MODEL,
        TICKET_WORKERS=str(workers),
        TICKET_TOKENS_PER_DAY="1000000000000",
        DRAIN_SECONDS="60",
        **bedrock.environment(),
    )
    service = start_service(TICKET_AGENT, environment, folder, label=f"ticket_agent-{workers}-workers")
    try:
        wait_until_healthy([service])
        yield RunningTask.of(service)
    finally:
        service.stop()


@dataclass(slots=True)
class Desk:
    """Every ticket has an employee of its own, so that each takes the whole way: asked, checked, granted, resolved.

    ``due`` is when a ticket was to be put, ``told`` when its notification lay in the mailbox: the queue's own time.
    """

    resources: Provisioned
    due: dict[str, float] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    _number: int = 0

    def settle(self) -> None:
        self._put("Environment", environmentId=ENVIRONMENT, environment_name="AnalyticsEnv", managing_entity=OWNER)
        self._put("User", employeeId=OWNER, manager="@samManager")
        self._put("ResolverGroup", groupId="service-desk", name="Everything that belongs to nobody else")

    def _put(self, table: str, **values: Any) -> None:
        self.resources.client("dynamodb").put_item(TableName=self.resources.tables[table], Item=to_item(values))

    async def offer(self, *, per_second: float, seconds: float) -> list[str]:
        """Open loop: each ticket at its time, whether or not earlier ones have ended. Returns their ids."""
        ids = [f"T-{self._number + index}" for index in range(round(per_second * seconds))]
        self._number += len(ids)
        await asyncio.to_thread(self._hire, ids)
        began = time.time()
        for index, ticket_id in enumerate(ids):
            self.due[ticket_id] = began + index / per_second
        async with asyncio.TaskGroup() as puts:
            for ticket_id in ids:
                await asyncio.sleep(max(0.0, self.due[ticket_id] - time.time()))
                puts.create_task(asyncio.to_thread(self._submit, ticket_id))
        return ids

    def _hire(self, ids: list[str]) -> None:
        for ticket_id in ids:
            self._put("User", employeeId=f"e-{ticket_id}", manager=OWNER)

    def _submit(self, ticket_id: str) -> None:
        body = {"version": 1, "ticketId": ticket_id, "employeeId": f"e-{ticket_id}", "content": a_text()}
        url = self.resources.queues["ticket-intake"]
        self.resources.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))

    async def collect(self) -> None:
        """Read the mail until cancelled."""
        while True:
            await asyncio.to_thread(self._collect)

    def _collect(self) -> None:
        sqs, url = self.resources.client("sqs"), self.resources.queues["mailbox"]
        received = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=LONG_POLL_SECONDS,
            MessageSystemAttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        for message in received:
            notification = json.loads(message["Body"])["MessageAttributes"]["notification_id"]["Value"]
            self.told.setdefault(notification.rpartition(":")[0], int(message["Attributes"]["SentTimestamp"]) / 1000)
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    async def all_told(self, ids: list[str], *, within: float) -> None:
        """Raises AssertionError if some were not told in time."""

        async def told() -> bool:
            return all(ticket_id in self.told for ticket_id in ids)

        await eventually(told, within=within, what=f"the notifications of {len(ids)} tickets")

    def seconds(self, ids: list[str]) -> list[float]:
        return [self.told[ticket_id] - self.due[ticket_id] for ticket_id in ids]

    def model_seconds(self, ids: list[str]) -> Mapping[str, float]:
        """What each ticket's run waited for the model, by its ledger. Raises WrongRun if one was not resolved."""
        wanted, found = set(ids), {}
        for item in stores.scan(self.resources.client("dynamodb"), self.resources.tables["Ledger"]):
            entry = from_item(item)
            if entry["entry"] == "status#0001" and entry["ticketId"] in wanted:
                if entry["assignStatus"] != "auto-resolved":
                    raise WrongRun(f"{entry['ticketId']} ended {entry['assignStatus']}: {entry['communication']}")
                found[str(entry["ticketId"])] = int(entry["modelMs"]) / 1000
        return found


class WrongRun(Exception):
    """The service did something else than what is measured; its figures would mean nothing."""
