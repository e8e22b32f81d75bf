"""From a ticket to the dashboards' table: both services run, and meet at nothing but the topic of ticket updates."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg

from local.bedrock_endpoint import BedrockEndpoint
from local.cloud import FEEDBACK_MODEL_ID
from local.postgres import Postgres
from local.provisioning import Provisioned
from local.services import TICKET_AGENT, start_service, wait_until_healthy
from tests.support.cloud import AwsClients
from tests.support.tagger_process import Analyst, running_tagger
from tests.support.ticket_flow import MODEL, OutsideDesk
from tests.support.tickets import a_text
from tests.support.waiting import wait_until

BRIEF = {"DRAIN_SECONDS": "30", "LONG_POLL_SECONDS": "1"}


def query(dsn: str, sql: str) -> list[dict[str, Any]]:
    async def fetch() -> list[dict[str, Any]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [dict(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def metrics_in(folder: Path, name: str) -> list[dict[str, Any]]:
    """The lines of the logs under ``folder`` that carry the metric for CloudWatch."""
    lines = [line for log in folder.glob("*.log") for line in log.read_text(encoding="utf-8").splitlines()]
    said = [json.loads(line) for line in lines if line.startswith("{")]
    return [
        line
        for line in said
        if any(
            metric["Name"] == name
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
            for metric in directive["Metrics"]
        )
    ]


def test_what_became_of_a_ticket_is_a_row_for_the_dashboards(
    resources: Provisioned, aws: AwsClients, postgres: Postgres, bedrock_endpoint: BedrockEndpoint, tmp_path: Path
) -> None:
    desk = OutsideDesk(aws, resources)
    desk.import_sample_directory()
    database = postgres.create_database(resources.name)
    tagger = resources.feedback_tagger(
        DEPLOYMENT=resources.name,
        DATABASE_URL=database,
        FEEDBACK_MODEL_ID=FEEDBACK_MODEL_ID,
        **BRIEF,
        **bedrock_endpoint.environment(),
    )
    agent = start_service(
        TICKET_AGENT,
        resources.ticket_agent(
            DEPLOYMENT=resources.name,
            TICKET_MODEL_ID=MODEL,
            SWEEP_SECONDS="1",
            **BRIEF,
            **bedrock_endpoint.environment(),
        ),
        tmp_path,
    )
    try:
        with running_tagger(tagger, tmp_path / "tagger"):
            wait_until_healthy([agent])
            # Anybody may publish to a topic who is let: what is no news of a ticket is set aside, and stops nothing.
            aws("sns").publish(TopicArn=resources.topics["ticket-updates"], Message="Lunch is at noon.")
            desk.submit("T-401", "111", a_text())
            [outcome] = wait_until(
                lambda: query(database, "select * from ticket_outcomes"), within=40, what="the outcome of T-401"
            )
            [letter] = Analyst(resources).dead_letters("ticket-outcomes", count=1)
    finally:
        status = agent.stop()
    assert status == 0, agent.process.log_tail()

    assert (outcome["ticket_id"], outcome["version"]) == ("T-401", 1)
    assert (outcome["state"], outcome["outcome"], outcome["employee"]) == ("resolved", "resolved by the agent", "111")
    ended = metrics_in(tmp_path, "TicketsEnded")
    assert {(line["deployment"], line["service"], line["ending"]) for line in ended} == {
        (resources.name, "ticket_agent", "resolved")
    }
    assert len(metrics_in(tmp_path / "tagger", "TicketOutcomes")) == 1
    assert len(metrics_in(tmp_path / "tagger", "MessagesDeadLettered")) == 1
    assert outcome["month"] == outcome["told_at"].date().replace(day=1)
    assert query(database, "select outcome, ticket_count from ticket_outcomes_by_month") == [
        {"outcome": "resolved by the agent", "ticket_count": 1}
    ]
    assert letter["reason"].startswith("body: is no notification")
