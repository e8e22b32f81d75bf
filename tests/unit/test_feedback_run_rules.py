"""How a run ends, and what its report says: every edge of the rule, and counts that add up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.feedback import asking_fields, cost_text
from services.feedback_tagger.domain.run import RunState, Terms, document, outcome, repeat_document
from services.feedback_tagger.domain.spent import Agreement, Spent

RUN = RunState(
    run_id="run-" + "0" * 24,
    bucket="b",
    key="uploads/a.csv",
    task="categorise",
    status="complete",
    revision=1,
    started_at=10.0,
    finished_at=15.0,
    total_chunks=1,
    chunks_done=1,
)
ASKED = Spent(calls=3, throttles=2, input_tokens=900, output_tokens=60, nano_usd=1_250_000)


def reported(state: RunState, *, now: float = 20.0) -> dict[str, object]:
    return document(state, now=now, unknown="unknown", terms=Terms("2026-11-01", 20))


@pytest.mark.parametrize(
    ("status", "why", "changes"),
    [
        ("complete", "every row is stored", {"rows_read": 10, "stored": 10}),
        ("complete", "every row was there already", {"rows_read": 10, "duplicates": 10}),
        (
            "complete",
            "a model without a price",
            {"rows_read": 1, "stored": 1, "spent": Spent(calls=1, unpriced_calls=1)},
        ),
        ("partial", "one row is rejected", {"rows_read": 10, "stored": 9, "rows_rejected": 1}),
        ("partial", "most rows are rejected", {"rows_read": 10, "stored": 1, "rows_rejected": 9}),
        ("partial", "a fifth died", {"rows_read": 10, "stored": 8, "rows_dead": 2, "chunks_dead": 1}),
        ("failed", "over a fifth died", {"rows_read": 10, "stored": 7, "rows_dead": 3, "chunks_dead": 1}),
        ("failed", "over a fifth is lost", {"rows_read": 10, "stored": 7, "chunks_dead": 1, "chunks_lost": 1}),
        ("failed", "all died", {"rows_read": 4, "rows_dead": 4, "chunks_dead": 1}),
        ("failed", "all are rejected", {"rows_read": 4, "rows_rejected": 4, "problem": "has no usable row"}),
        ("failed", "the file is empty", {"problem": "is empty", "total_chunks": 0, "chunks_done": 0}),
        ("failed", "a header and no rows, whatever ingest said of it", {"total_chunks": 0, "chunks_done": 0}),
        ("failed", "not read to its end", {"rows_read": 10, "stored": 10, "problem": "could not be read to its end"}),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_the_status_follows_from_what_became_of_the_rows(status: str, why: str, changes: dict[str, object]) -> None:
    state = replace(RUN, **changes)  # type: ignore[arg-type]
    assert outcome(state) == status, why
    assert state.adds_up


def test_rows_of_a_lost_chunk_count_as_failed_and_fewer_do_once_it_turns_up() -> None:
    lost = replace(RUN, rows_read=30, rows_rejected=2, stored=8, chunks_dead=2, chunks_lost=2)
    assert (lost.rows_failed, lost.adds_up) == (20, True)
    found_one = replace(lost, stored=18, chunks_dead=1, chunks_lost=1)
    assert (found_one.rows_failed, found_one.adds_up) == (10, True)
    assert reported(found_one)["rejected"] == 12


def test_rows_that_nobody_accounts_for_show() -> None:
    assert not replace(RUN, rows_read=30, stored=29).adds_up


@given(
    stored=st.integers(0, 50),
    duplicates=st.integers(0, 50),
    rejected=st.integers(0, 50),
    dead=st.integers(0, 50),
    lost=st.integers(0, 50),
    problem=st.sampled_from(["", "is empty"]),
)
def test_complete_means_that_every_row_is_in_the_store(
    stored: int, duplicates: int, rejected: int, dead: int, lost: int, problem: str
) -> None:
    state = replace(
        RUN,
        rows_read=stored + duplicates + rejected + dead + lost,
        stored=stored,
        duplicates=duplicates,
        rows_rejected=rejected,
        rows_dead=dead,
        chunks_dead=2,
        chunks_lost=1 if lost else 0,
        problem=problem,
    )
    shown = reported(state)
    assert shown["rows"] == stored + duplicates + int(str(shown["rejected"]))
    assert (outcome(state) == "complete") == (stored + duplicates == state.rows_read > 0 and not problem)


def test_the_report_says_what_asking_cost_and_what_was_quoted() -> None:
    state = replace(
        RUN,
        rows_read=3,
        stored=3,
        spent=ASKED,
        quote='{"nano_usd": 1000000, "tier": "flex"}',
        agreement=[
            Agreement(rows_per_prompt=10, checked=0, agreed=0),
            Agreement(rows_per_prompt=20, checked=8, agreed=7),
        ],
    )
    shown = reported(state)
    assert shown["cost"] == {
        "usd": 0.00125,
        "unpriced_calls": 0,
        "prices_as_of": "2026-11-01",
        "quoted_usd": 0.001,
    }
    assert (shown["throttles"], shown["tier"], shown["rows_per_prompt"]) == (2, "flex", 20)
    assert shown["agreement"] == [
        {"rows_per_prompt": 20, "checked": 8, "agreed": 7, "share": 0.875},
        {"rows_per_prompt": 10, "checked": 0, "agreed": 0, "share": None},
    ]


def test_a_cost_that_is_unknown_is_not_shown_as_nothing() -> None:
    unpriced = reported(replace(RUN, spent=Spent(calls=2, unpriced_calls=2)))["cost"]
    assert isinstance(unpriced, dict)
    assert unpriced["usd"] is None
    assert "unknown" in cost_text(unpriced)
    half = reported(replace(RUN, spent=replace(ASKED, unpriced_calls=1)))["cost"]
    assert isinstance(half, dict)
    assert cost_text(half) == "$0.0013 by prices of 2026-11-01, and 1 calls without a price"


def test_a_run_that_waits_for_its_budget_says_until_when_and_only_while_it_does() -> None:
    waiting = replace(RUN, status="open", finished_at=None, waiting_until=86_400.0)
    assert reported(waiting)["waiting_until"] == "1970-01-02T00:00:00Z"
    assert dict(asking_fields(reported(waiting)))["waiting"] == "a budget is used up; goes on at 1970-01-02T00:00:00Z"
    assert reported(waiting, now=86_401.0)["waiting_until"] is None
    assert reported(replace(waiting, status="complete"))["waiting_until"] is None


def test_status_shows_the_figures_of_asking() -> None:
    state = replace(RUN, spent=ASKED, agreement=[Agreement(rows_per_prompt=20, checked=8, agreed=7)])
    assert dict(asking_fields(reported(state))) == {
        "cost": "$0.0013 by prices of 2026-11-01",
        "tokens": "900 in, 60 out, in 3 calls",
        "throttled": "2 calls, tried again",
        "tier": "default",
        "rows a prompt": 20,
        "agreement at 20": "7 of 8 rows kept their label when asked again (87.5%)",
    }


def test_a_document_of_an_older_task_can_still_be_shown() -> None:
    assert asking_fields({"run_id": "run-1", "tokens": {"calls": 1, "input": 2, "output": 3}}) == []


@pytest.mark.parametrize("quote", ["", "[1]", "{broken", '{"nano_usd": "much"}'])
def test_a_quote_that_cannot_be_read_is_none(quote: str) -> None:
    cost = reported(replace(RUN, quote=quote))["cost"]
    assert isinstance(cost, dict)
    assert cost["quoted_usd"] is None


def test_a_repeat_costs_nothing_and_adds_nothing() -> None:
    shown = repeat_document(
        replace(RUN, rows_read=5, stored=4, rows_rejected=1, spent=ASKED, quote='{"nano_usd": 7}'),
        now=20.0,
        unknown="unknown",
    )
    assert (shown["stored"], shown["duplicates"], shown["rejected"], shown["repeats"]) == (0, 4, 1, 1)
    assert shown["cost"] == {"usd": 0.0, "unpriced_calls": 0, "prices_as_of": "", "quoted_usd": None}
