"""What runs and turns add up to."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cli.cost import Slot, of_runs, of_turns, usd_each
from cli.runs import off_by, usd_per_thousand
from local.provisioning import AGENT, TAGGER
from shared.model.prices import ModelPrice

PRICE = ModelPrice(model_id="m", name="m", input=Decimal(1), output=Decimal(10))
DAY = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)


def a_run(usd: float | None = 0.5, quoted: float | None = 0.4, *, asked: int = 500, **changes: Any) -> dict[str, Any]:
    cost = {"usd": usd, "quoted_usd": quoted, "unpriced_calls": 0 if usd is not None else 3}
    tokens = {"input": 100, "cache_read": 20, "cache_write": 3, "output": 7}
    return {"task": "categorise", "model": "m", "answers": {"model": asked}, "tokens": tokens, "cost": cost, **changes}


def test_runs_add_up_by_day_task_and_model() -> None:
    later = DAY.replace(day=2)
    spent = of_runs([(DAY, a_run()), (DAY, a_run()), (later, a_run()), (DAY, a_run(task="sentiment"))])

    two = spent[Slot("2026-01-01", TAGGER, "categorise", "m")]
    assert len(spent) == 3
    assert (two.jobs, two.rows, two.input_tokens, two.output_tokens) == (2, 1000, 246, 14)
    assert (two.usd, two.quoted_usd) == (1.0, 0.8)
    assert usd_each(Slot("", TAGGER, "", "m"), two) == 1.0


def test_what_has_no_price_is_not_shown_as_free() -> None:
    (found,) = of_runs([(DAY, a_run(None))]).values()

    assert found.unpriced == 3
    assert usd_each(Slot("", TAGGER, "", "m"), found) is None
    assert usd_per_thousand(a_run(None)) is None


def test_a_run_of_an_older_build_counts_too() -> None:
    (slot,) = of_runs([(DAY, {"task": "categorise", "status": "complete"})])

    assert slot.model == "?"


def test_turns_add_up_by_day_and_ticket() -> None:
    turns = [
        {"ticketId": ticket, "at": at, "inputTokens": 1_000_000, "outputTokens": 100_000}
        for ticket, at in (
            ("T-1", "2026-01-01T10"),
            ("T-1", "2026-01-01T11"),
            ("T-2", "2026-01-01T12"),
            ("T-2", "2026-01-02T01"),
        )
    ]
    spent = of_turns(turns, "m", PRICE)
    first = spent[Slot("2026-01-01", AGENT, "", "m")]

    assert len(spent) == 2
    assert (first.jobs, first.usd) == (2, 6.0)
    assert usd_each(Slot("", AGENT, "", "m"), first) == 3.0


def test_turns_of_an_unknown_model_are_tokens_without_a_price() -> None:
    (found,) = of_turns([{"ticketId": "T-1", "at": "2026-01-01", "inputTokens": 5}], "?", None).values()

    assert (found.input_tokens, found.usd, found.unpriced) == (5, 0.0, 1)


@pytest.mark.parametrize(("usd", "quoted", "off"), [(0.5, 0.4, 0.25), (0.5, None, None), (None, 0.4, None)])
def test_a_run_is_compared_with_its_quote(usd: float | None, quoted: float | None, off: float | None) -> None:
    assert off_by(a_run(usd, quoted)) == (None if off is None else pytest.approx(off))
