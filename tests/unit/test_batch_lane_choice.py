"""Which files take the batch lane, and what a chunk brings the pool from a job."""

from dataclasses import replace

import pytest

from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.domain.spent import NOTHING, Agreement, Spent
from services.feedback_tagger.messages.chunk import chunk_as_json, read_chunk, row_as_json, with_answers
from services.feedback_tagger.planner.lane import Choice, WantedLane, choose_lane, wanted_lane
from shared.model.prices import PRICES, ModelPrice


def price() -> ModelPrice:
    found = PRICES.of("amazon.nova-lite-v1:0")
    assert found is not None
    return found


def choice(
    *,
    of: ModelPrice | None = None,
    wanted: WantedLane = "auto",
    records: int = 5000,
    votes: int = 1,
    timeout_hours: int | None = 24,
    deadline_minutes: float | None = 48 * 60,
    expected_minutes: float | None = 10,
) -> Choice:
    return choose_lane(
        of or price(),
        wanted=wanted,
        records=records,
        votes=votes,
        timeout_hours=timeout_hours,
        deadline_minutes=deadline_minutes,
        expected_minutes=expected_minutes,
    )


def test_a_large_file_with_time_takes_batch_jobs() -> None:
    assert choice().lane == "batch"


@pytest.mark.parametrize("wanted", ["auto", "batch"])
def test_fewer_prompts_than_a_job_takes_are_asked_at_once(wanted: WantedLane) -> None:
    assert choice(records=100, wanted=wanted).lane == "batch"
    assert choice(records=99, wanted=wanted) == Choice(
        "realtime", "about 99 prompts, and a batch job takes at least 100"
    )


def test_the_deadline_must_leave_the_longest_job_and_what_it_leaves_open() -> None:
    assert choice(deadline_minutes=24 * 60 + 40, expected_minutes=10).lane == "batch"
    assert choice(deadline_minutes=24 * 60 + 39, expected_minutes=10).lane == "realtime"
    assert choice(deadline_minutes=48 * 60, timeout_hours=48).lane == "realtime"


def test_without_a_deadline_only_an_upload_that_says_so_waits_for_a_job() -> None:
    assert choice(deadline_minutes=None).lane == "realtime"
    assert choice(deadline_minutes=None, wanted="batch").lane == "batch"
    assert choice(deadline_minutes=5, wanted="batch").lane == "batch"


def test_an_upload_may_refuse_to_wait() -> None:
    assert choice(wanted="realtime").lane == "realtime"


@pytest.mark.parametrize("wanted", ["auto", "batch"])
def test_what_cannot_be_a_job_is_none(wanted: WantedLane) -> None:
    assert choice(timeout_hours=None, wanted=wanted).lane == "realtime"
    assert choice(votes=3, wanted=wanted).lane == "realtime"
    assert choice(of=replace(price(), batch=None), wanted=wanted).lane == "realtime"
    assert choice(of=replace(price(), batch_limits=None), wanted=wanted).lane == "realtime"


def test_a_word_that_is_no_lane_leaves_the_choice_to_the_tagger() -> None:
    assert [wanted_lane(word) for word in ("Batch ", "realtime", "auto", "", "fast", None)] == [
        "batch", "realtime", "auto", "auto", "auto", "auto",
    ]  # fmt: skip


def test_a_chunk_brings_what_a_job_has_answered_and_cost() -> None:
    rows = [row_as_json(Row(line=line, identity=f"i-{line}", feedback=Feedback(feedback="late"))) for line in (2, 3)]
    body = chunk_as_json(run_id="run-1", task="categorise", number=4, rows=rows)
    spent = Spent(calls=2, input_tokens=10, nano_usd=7)
    agreement = (Agreement(rows_per_prompt=20, checked=3, agreed=2),)
    chunk = read_chunk(with_answers(body, {1: 'the "late" \uffff one'}, spent, agreement))
    assert (chunk.run_id, chunk.number, [row.line for row in chunk.rows]) == ("run-1", 4, [2, 3])
    assert (chunk.answered, chunk.spent, chunk.agreement) == ({1: 'the "late" \uffff one'}, spent, agreement)
    assert "\uffff" not in with_answers(body, {1: "\uffff"}, NOTHING, ())


def test_a_chunk_without_answers_is_sent_as_it_was() -> None:
    body = chunk_as_json(run_id="run-1", task="categorise", number=0, rows=[])
    assert with_answers(body, {}, NOTHING, ()) == body
    assert read_chunk(body).spent == NOTHING


def test_what_a_newer_build_counts_besides_is_passed_over() -> None:
    body = chunk_as_json(run_id="run-1", task="categorise", number=0, rows=[])
    newer = f'{body[:-1]},"spent":{{"calls":3,"smiles":9}}}}'
    assert read_chunk(newer).spent == Spent(calls=3)
