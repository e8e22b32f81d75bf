"""One ticket and one file through both running services with tracing on: what the traces and the logs say of each."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from local.cloud import FEEDBACK_MODEL_ID
from local.emulator import Emulator
from local.postgres import Postgres
from local.provisioning import provision
from local.services import FEEDBACK_TAGGER, TICKET_AGENT, running_services
from tests.support.feedback import a_file, many_rows
from tests.support.otlp_receiver import Collector, ReceivedSpan, running_collector
from tests.support.tagger_process import Analyst
from tests.support.ticket_flow import MODEL, OutsideDesk, attributes_of
from tests.support.tickets import a_text
from tests.support.waiting import wait_until

TICKET_WORDS = "an unmistakable justification"
FEEDBACK_WORDS = "an unmistakable complaint"


@dataclass(frozen=True, slots=True)
class Told:
    """What is left after both services have stopped."""

    collector: Collector
    lines: dict[str, list[dict[str, Any]]]
    logs: str
    mail: dict[str, str]
    run: str


@pytest.fixture(scope="module")
def told(
    emulator: Emulator, postgres: Postgres, bedrock_endpoint: BedrockEndpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    name, folder = f"test-{secrets.token_hex(4)}", tmp_path_factory.mktemp("traced")
    resources = provision(emulator.environment(), name)

    def aws(service: str, **_: Any) -> Any:
        return resources.client(service)

    desk, analyst = OutsideDesk(aws, resources), Analyst(resources)
    desk.import_sample_directory()
    with running_collector() as collector:
        common = {
            "DRAIN_SECONDS": "30",
            "LONG_POLL_SECONDS": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            **bedrock_endpoint.environment(),
        }
        agent = resources.ticket_agent(TICKET_MODEL_ID=MODEL, SWEEP_SECONDS="1", **common)
        database = {"DATABASE_URL": postgres.create_database(name), "FEEDBACK_MODEL_ID": FEEDBACK_MODEL_ID}
        tagger = resources.feedback_tagger(**database, **common)
        with running_services(agent, tagger, folder):
            desk.submit("T-1", "111", a_text(justification=f"Business Justification: {TICKET_WORDS}"))
            (mail,) = wait_until(lambda: desk.mail("T-1"), what="a notification")
            rows = [{**row, "feedback": f"{row['feedback']} {FEEDBACK_WORDS}"} for row in many_rows(3)]
            run = analyst.upload("march.csv", a_file(rows))
            analyst.result_of(run)
        logs = {service: folder / f"{service}.log" for service in (TICKET_AGENT, FEEDBACK_TAGGER)}
        yield Told(
            collector=collector,
            lines={service: read_lines(log) for service, log in logs.items()},
            logs="".join(log.read_text(encoding="utf-8") for log in logs.values()),
            mail=attributes_of(mail),
            run=run,
        )


def read_lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]


def ancestors(collector: Collector, span: ReceivedSpan) -> list[str]:
    """The names of the spans above it, the nearest first."""
    by_id = {each.span_id: each for each in collector.spans}
    names = []
    while (above := by_id.get(span.parent_id)) is not None:
        names.append(above.name)
        span = above
    return names


def without_prefix(name: str, queue: str) -> bool:
    return name.startswith("process ") and queue in name


def step(collector: Collector, queue: str, trace_id: str) -> ReceivedSpan:
    (found,) = (span for span in collector.trace(trace_id) if without_prefix(span.name, queue))
    return found


def test_one_trace_covers_a_ticket_from_its_message_to_its_notification(told: Told) -> None:
    collector = told.collector
    _, trace_id, _, _ = told.mail["traceparent"].split("-")
    intake = step(collector, "ticket-intake", trace_id)
    work = step(collector, "ticket-work", trace_id)
    news = step(collector, "ticket-updates", trace_id)
    assert intake.parent_id == ""
    assert work.parent_id == news.parent_id == intake.span_id
    assert told.mail["traceparent"].split("-")[2] == news.span_id
    assert {span.service for span in collector.trace(trace_id)} == {"ticket_agent"}
    for each in (intake, work, news):
        assert each.attributes["deskhand.ticket_id"] == "T-1"
        assert each.attributes["messaging.system"] == "aws_sqs"
    calls = [span for span in collector.trace(trace_id) if span.name == f"chat {MODEL}"]
    tools = [
        span.attributes["gen_ai.tool.name"]
        for span in collector.trace(trace_id)
        if "gen_ai.tool.name" in span.attributes
    ]
    assert len(calls) >= 2
    assert tools[-1] == "autoResolveTicket"
    for call in calls:
        assert ancestors(collector, call) == ["invoke_agent ticket_agent", work.name, intake.name]
        assert call.attributes["gen_ai.operation.name"] == "chat"
        assert call.attributes["gen_ai.provider.name"] == "aws.bedrock"
        assert call.attributes["gen_ai.request.model"] == MODEL
        assert call.attributes["gen_ai.usage.input_tokens"] > 0
        assert call.attributes["gen_ai.usage.output_tokens"] > 0
        assert call.attributes["gen_ai.response.finish_reasons"] == ["tool_use"]
    writes = [span for span in collector.trace(trace_id) if span.name == "TransactWriteItems"]
    assert "execute_tool giveAccess" in {ancestors(collector, write)[0] for write in writes}
    assert not [span.name for span in collector.trace(trace_id) if span.failed]


def test_one_trace_covers_a_file_from_its_upload_to_its_result(told: Told) -> None:
    collector = told.collector
    announced = collector.one("announce run", deskhand__run_id=told.run)
    trace_id = announced.trace_id
    file = step(collector, "feedback-files", trace_id)
    chunk = step(collector, "feedback-chunks", trace_id)
    assert chunk.parent_id == announced.parent_id == file.span_id
    assert file.attributes["deskhand.run_id"] == chunk.attributes["deskhand.run_id"] == told.run
    (call,) = (span for span in collector.trace(trace_id) if span.name == f"chat {FEEDBACK_MODEL_ID}")
    (write,) = (span for span in collector.trace(trace_id) if span.name == "finish_chunk")
    assert call.parent_id == write.parent_id == chunk.span_id
    assert write.attributes["db.system.name"] == "postgresql"
    assert {span.service for span in collector.trace(trace_id)} == {"feedback_tagger"}


def test_every_line_of_a_tickets_life_carries_its_id_and_its_trace(told: Told) -> None:
    _, trace_id, _, _ = told.mail["traceparent"].split("-")
    lines = told.lines[TICKET_AGENT]
    of_ticket = [line for line in lines if line.get("ticket_id") == "T-1"]
    messages = {line["message_id"] for line in of_ticket}
    assert len(messages) == 3
    assert [line for line in lines if line.get("message_id") in messages and line.get("ticket_id") != "T-1"] == []
    assert {line["trace_id"] for line in of_ticket} == {trace_id}
    assert {"ticket_taken_in", "ticket_ended", "ticket_told"} <= {line["event"] for line in of_ticket}
    assert len([line for line in of_ticket if line["event"] == "message"]) == 3


def test_every_line_about_a_file_carries_its_run_and_its_trace(told: Told) -> None:
    lines = told.lines[FEEDBACK_TAGGER]
    of_run = [line for line in lines if line.get("run_id") == told.run]
    messages = {line["message_id"] for line in of_run if "message_id" in line}
    assert len(messages) == 2
    assert [line for line in lines if line.get("message_id") in messages and line.get("run_id") != told.run] == []
    assert {"file", "chunk", "run", "message"} <= {line["event"] for line in of_run}
    assert len({line["trace_id"] for line in of_run}) == 1


def test_no_text_of_a_ticket_or_of_feedback_is_in_a_trace_or_in_a_log(told: Told) -> None:
    for words in (TICKET_WORDS, FEEDBACK_WORDS):
        assert words not in told.logs
        assert words.encode() not in told.collector.raw
