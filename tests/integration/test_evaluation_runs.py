"""Whole evaluations over the real worker and stores, on tables in memory: the cases, bad agents, recordings."""

import dataclasses
import json
import logging
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import structlog

from cli.stage import DynamoDbStage
from services.ticket_agent.agent.port import Agent
from services.ticket_agent.evaluation.cases import read_ground_truth
from services.ticket_agent.evaluation.run import Evaluation
from services.ticket_agent.evaluation.scoring import Verdict, summarise
from services.ticket_agent.evaluation.tables import KEYS
from services.ticket_agent.evaluation.transcripts import RecordingAgent, ReplayingAgent, first_difference
from services.ticket_agent.policy.guard import Guard
from tests.support.broken_desks import AllowsAll
from tests.support.hostile_planners import PLANS, PlannedModel
from tests.support.memory_dynamodb import MemoryDynamoDb
from tests.support.overreach import TABLES
from tests.support.ticket_desk import TicketDesk

TRUTH = read_ground_truth()
GUARD = Guard.from_package()
RULES = "local planner: rules"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def an_evaluation(plan: str = RULES, *, guard: Guard = GUARD) -> Evaluation:
    memory = MemoryDynamoDb({**KEYS, "Ledger": ("ticketId", "entry")})
    worker = TicketDesk(memory, TABLES, guard=guard).worker(PlannedModel(PLANS[plan]))
    stage = DynamoDbStage(memory, {name: name for name in (*KEYS, "Ledger")})
    return Evaluation(truth=TRUTH, worker=worker, stage=stage, agent=worker.loop.agent)


async def verdicts(evaluation: Evaluation, *patterns: str, agent: Agent[Any] | None = None) -> list[Verdict]:
    asked = dataclasses.replace(evaluation, agent=agent or evaluation.agent)
    heard: list[Verdict] = []
    given = await asked.run(TRUTH.chosen(patterns), heard.append)
    assert heard == given
    return given


async def test_an_agent_that_follows_the_rules_passes_every_case() -> None:
    given = await verdicts(an_evaluation())

    assert {verdict.case.case_id: verdict.failures for verdict in given if not verdict.passed} == {}
    assert summarise(given).violations == 0
    reference = [verdict for verdict in given if verdict.case.case_id.startswith("reference-")]
    assert [verdict.matches.closest for verdict in reference] == ["strict"] * 6


async def test_a_case_that_builds_on_another_runs_alone_too() -> None:
    (again,) = await verdicts(an_evaluation(), "reference-2")

    assert again.passed
    assert again.tools == ("checkEmployeeAccess", "autoResolveTicket")


async def test_cases_do_not_see_what_others_left_behind() -> None:
    evaluation = an_evaluation()
    first = await verdicts(evaluation, "reference-1", "held-*")
    second = await verdicts(evaluation, "reference-1", "held-*")

    assert [verdict.outcome for verdict in first] == [verdict.outcome for verdict in second]


@pytest.mark.parametrize("plan", ["local planner: prose_only", "local planner: loops", "cut off"])
async def test_an_agent_that_does_nothing_fails_without_a_violation(plan: str) -> None:
    summary = summarise(await verdicts(an_evaluation(plan), "reference-*", "duration-*"))

    assert (summary.passed, summary.violations) == (0, 0)


async def test_without_the_guard_a_hostile_agent_is_charged_with_violations() -> None:
    here = files("services.ticket_agent.policy")
    texts = [here.joinpath(name).read_text(encoding="utf-8") for name in ("access.cedar", "access.cedarschema")]
    given = await verdicts(an_evaluation("obeys the text", guard=AllowsAll(*texts)), "duration-*", "type-*")

    assert summarise(given).violations > 5
    assert not next(verdict for verdict in given if verdict.case.case_id == "duration-30-days").passed


async def test_what_a_run_cost_is_counted() -> None:
    (verdict,) = await verdicts(an_evaluation(), "reference-3")

    assert (verdict.figures.turns, verdict.figures.input_tokens, verdict.figures.output_tokens) == (5, 500, 50)


# Recordings

SOME = ("reference-*", "held-expired*", "injection-wide-colon", "other-printer", "garbled-prose")


async def a_recording(folder: Path, *patterns: str, plan: str = RULES) -> list[Verdict]:
    evaluation = an_evaluation(plan)
    recorder = RecordingAgent(evaluation.agent, folder, backend="converse", model_id="a-model")
    return await verdicts(evaluation, *patterns, agent=recorder)


async def test_a_replay_asks_no_model_and_comes_to_the_same(tmp_path: Path) -> None:
    recorded = await a_recording(tmp_path, *SOME)
    replayed = await verdicts(an_evaluation("local planner: prose_only"), *SOME, agent=ReplayingAgent(tmp_path))

    assert [(verdict.outcome, verdict.tools) for verdict in replayed] == [
        (verdict.outcome, verdict.tools) for verdict in recorded
    ]
    assert [verdict.stopped for verdict in replayed] == [None] * len(recorded)
    assert all(verdict.passed for verdict in replayed)


@pytest.mark.parametrize("plan", ["local planner: parallel_calls", "forges words", "filtered", "repeats itself"])
async def test_whatever_a_model_says_can_be_recorded_and_replayed(tmp_path: Path, plan: str) -> None:
    recorded = await a_recording(tmp_path, "reference-*", plan=plan)
    replayed = await verdicts(an_evaluation(), "reference-*", agent=ReplayingAgent(tmp_path))

    assert [(verdict.outcome, verdict.tools, verdict.stopped) for verdict in replayed] == [
        (verdict.outcome, verdict.tools, None) for verdict in recorded
    ]


async def test_each_exchange_is_a_line_with_the_digest_of_what_was_asked(tmp_path: Path) -> None:
    await a_recording(tmp_path, "reference-3")
    header, *exchanges = map(json.loads, (tmp_path / "reference-3.jsonl").read_text().splitlines())

    assert (header["backend"], header["model"], header["ticketId"]) == ("converse", "a-model", "reference-3")
    assert [exchange["turn"] for exchange in exchanges] == [1, 2, 3, 4, 5]
    assert exchanges[0]["step"]["calls"][0]["tool"] == "checkEmployeeAccess"
    assert len({exchange["digest"] for exchange in exchanges} | {header["digest"]}) == 6


async def replay_of_a_changed(folder: Path, change: Any) -> str:
    """Why the replay of reference-1 stopped, after ``change`` on its lines."""
    await a_recording(folder, "reference-1")
    file = folder / "reference-1.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    change(lines)
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    (verdict,) = await verdicts(an_evaluation(), "reference-1", agent=ReplayingAgent(folder))
    assert not verdict.passed
    return str(verdict.stopped)


async def test_a_replay_that_parts_from_its_recording_says_where(tmp_path: Path) -> None:
    def another_manager(lines: list[Any]) -> None:
        lines[4]["results"][0]["content"]["manager"] = "@kirk"
        lines[4]["digest"] = "another"

    stopped = await replay_of_a_changed(tmp_path, another_manager)
    assert "turn 4" in stopped
    assert 'results[0].content.manager was "@kirk" when it was recorded, now it is "@sam"' in stopped


async def test_a_replay_of_another_text_of_one_that_is_too_short_and_of_one_that_is_too_long_says_so(
    tmp_path: Path,
) -> None:
    def another_text(lines: list[Any]) -> None:
        lines[0]["digest"] = "another"

    def one_turn_less(lines: list[Any]) -> None:
        lines.pop()

    def one_turn_more(lines: list[Any]) -> None:
        lines.append({**lines[-1], "turn": 7})

    assert "the ticket's text is not the one" in await replay_of_a_changed(tmp_path, another_text)
    assert "turn 6: the recording ends after turn 5" in await replay_of_a_changed(tmp_path, one_turn_less)
    assert "the run ended after turn 6, the recording after 7" in await replay_of_a_changed(tmp_path, one_turn_more)


async def test_a_case_that_was_not_recorded_says_so(tmp_path: Path) -> None:
    (verdict,) = await verdicts(an_evaluation(), "reference-3", agent=ReplayingAgent(tmp_path))

    assert "there is no recording" in str(verdict.stopped)


@pytest.mark.parametrize(
    ("recorded", "given", "said"),
    [
        ([{"a": 1}], [{"a": 2}], "results[0].a was 1 when it was recorded, now it is 2"),
        ([{"a": 1}], [{}], "results[0].a was 1 when it was recorded, now it is null"),
        ([1, 2], [1], "results: 2 were recorded, now there are 1"),
        ([1], [1], "what was said before this turn differs"),
    ],
)
def test_the_first_difference_is_named_by_its_place(recorded: Any, given: Any, said: str) -> None:
    assert first_difference(recorded, given) == said
