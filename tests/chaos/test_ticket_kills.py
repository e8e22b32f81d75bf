"""Tasks of the ticket agent are killed in the middle of their work, and others take over."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.trajectory import head_in
from local.bedrock_endpoint import BedrockEndpoint
from local.processes import inherited_environment
from local.provisioning import Provisioned
from services.ticket_agent.domain.chain import verify
from tests.support.agents import BACK_ENDS, BackEnd
from tests.support.cloud import AwsClients
from tests.support.ticket_flow import MODEL, OutsideDesk, attributes_of
from tests.support.tickets import a_text
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
TICKETS = 12
# A kill leaves what the task held invisible for so long: short, so that the test is about take-overs and not about
# waiting; three heartbeats fit in on a busy machine.
VISIBILITY_SECONDS = 6
LIMIT_SECONDS = 90.0


class Tasks:
    """Tasks of the service, any number side by side; only those it started are killed."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = {**inherited_environment(), **environment}
        self._log = log.open("ab")
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "services.ticket_agent"]
        self.running.append(
            subprocess.Popen(command, env=self._environment, cwd=ROOT, stdout=self._log, stderr=self._log)
        )

    def kill_oldest(self) -> None:
        task = self.running.pop(0)
        task.kill()
        task.wait()

    def stop(self) -> list[int]:
        for task in self.running:
            task.terminate()
        statuses = [task.wait(timeout=60) for task in self.running]
        self.running.clear()
        self._log.close()
        return statuses


@contextmanager
def running_tasks(environment: Mapping[str, str], log: Path) -> Iterator[Tasks]:
    tasks = Tasks(environment, log)
    try:
        yield tasks
    finally:
        for task in tasks.running:
            task.kill()
            task.wait()


@pytest.mark.parametrize("back_end", BACK_ENDS, ids=lambda one: one.name)
def test_a_ticket_survives_a_kill_at_any_point_with_one_grant_and_one_outcome(
    aws: AwsClients, resources: Provisioned, bedrock: BedrockEndpoint, tmp_path: Path, back_end: BackEnd
) -> None:
    """What does it do: every ticket ends once, each grant is made once, everybody is told, although tasks are killed.

    How does it do it: two tasks work on slow answers of the model; whenever some more turns were recorded, one is
    killed with SIGKILL and another started. The claims are read from the tables and from the mailbox afterwards. On a
    hosted back end, a kill leaves a session on the server that waits for results, and a later run begins another.
    """
    desk = OutsideDesk(aws, resources)
    desk.import_sample_directory()
    bedrock.control(f"models/{back_end.known_as}", {"latency": {"fixed_ms": 120}})
    environment = resources.ticket_agent(
        TICKET_MODEL_ID=MODEL,
        TICKET_BACKEND=back_end.name,
        **back_end.settings,
        LONG_POLL_SECONDS="1",
        DRAIN_SECONDS="30",
        VISIBILITY_SECONDS=str(VISIBILITY_SECONDS),
        **bedrock.environment(),
    )
    tickets = [f"T-{number}" for number in range(TICKETS)]
    with running_tasks(environment, tmp_path / "tasks.log") as tasks:
        tasks.start()
        tasks.start()
        for number, ticket_id in enumerate(tickets):
            desk.put("User", employeeId=f"e{number}", manager="@sam")
            desk.submit(ticket_id, f"e{number}", a_text())
        for kill in range(3):
            enough = 8 * (kill + 1)
            wait_until(lambda enough=enough: count(desk, "turn#") >= enough, within=90, what=f"{enough} turns")  # type: ignore[misc]
            tasks.kill_oldest()
            tasks.start()
        until = time.monotonic() + LIMIT_SECONDS
        ended = [desk.ended(ticket_id, within=until - time.monotonic()) for ticket_id in tickets]
        told = wait_until(lambda: everybody_told(desk, tickets), within=120, what="all notifications")
        statuses = tasks.stop()
    assert statuses == [0, 0]
    assert Counter(row["assignStatus"] for row in ended) == {"auto-resolved": TICKETS}
    assert Counter(row["ticketId"] for row in desk.grants()) == dict.fromkeys(tickets, 1)
    outcomes = [row for row in desk.rows("Ledger") if row["entry"].startswith("status#")]
    assert Counter(row["ticketId"] for row in outcomes) == dict.fromkeys(tickets, 1)
    assert told == {f"{ticket_id}:1" for ticket_id in tickets}
    assert sum(row["attempt"] > 1 for row in outcomes) >= 1, "no kill hit a run: the test proved nothing"
    for ticket_id in tickets:
        entries = desk.ledger(ticket_id)
        verdict = verify(entries, head_in(entries))
        assert verdict.intact, (ticket_id, verdict.faults)
    # What a killed task had reserved stays counted, so the day's count is never below what the ledgers show.
    turns = [row for row in desk.rows("Ledger") if row["entry"].startswith("turn#")]
    used = sum(row["inputTokens"] + row["outputTokens"] for row in turns)
    counted = [row["tokens"] for row in desk.rows("Idempotency") if row["idempotencyKey"].startswith("spend#tickets#")]
    assert sum(counted) >= used > 0
    if back_end.hosted:
        assert len(bedrock.control("sessions")) > TICKETS


def count(desk: OutsideDesk, prefix: str) -> int:
    return sum(str(row["entry"]).startswith(prefix) for row in desk.rows("Ledger"))


def everybody_told(desk: OutsideDesk, tickets: list[str]) -> set[str]:
    ids = {attributes_of(mail)["notification_id"] for ticket_id in tickets for mail in desk.mail(ticket_id)}
    return ids if len(ids) == len(tickets) else set()
