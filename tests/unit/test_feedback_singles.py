"""Rows sent alone: one prompt for those that come together, and each ends by itself."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.feedback_tagger.asking.asker import Answers, HalfAnswered
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.task_table import TaskTable
from services.feedback_tagger.domain.taxonomy import Category, Taxonomy, taxonomy_of
from services.feedback_tagger.pool import LONGEST_WAIT_SECONDS
from services.feedback_tagger.singles import Singles
from services.feedback_tagger.store.port import LabelledRow
from shared.errors import OverBudget, PermanentError, TransientError
from shared.queue.message import GiveBack
from tests.support.queues import a_message, no_jitter

pytestmark = pytest.mark.looptime


@dataclass
class Desk:
    """A store that refuses a row that says so, and an asker whose model refuses another one."""

    stored: list[str] = field(default_factory=list)
    prompts: list[int] = field(default_factory=list)
    error: Exception | None = None

    async def known(self, identities: Sequence[str], *, table: TaskTable | None = None) -> set[str]:
        return {identity for identity in identities if identity in self.stored}

    async def add_singles(
        self, singles: Sequence[LabelledRow], *, execution_ids: Sequence[str], table: TaskTable | None = None
    ) -> int:
        if any(single.row.feedback.feedback == "breaks the store" for single in singles):
            raise PermanentError("the database refuses the values")
        new = [single.row.identity for single in singles if single.row.identity not in self.stored]
        self.stored += new
        return len(new)

    async def labels(self, task: Any, rows: Sequence[Row], taxonomy: Taxonomy) -> Answers:
        self.prompts.append(len(rows))
        if self.error is not None:
            raise self.error
        refused = [row.feedback.feedback == "breaks the model" for row in rows]
        return Answers(
            labels=[None if no else "Payment" for no in refused],
            refusals={place: "a guardrail stopped the answer" for place, no in enumerate(refused) if no},
        )

    def singles(self) -> Singles:
        async def taxonomy() -> Taxonomy:
            return taxonomy_of([Category(1, "Payment")])

        return Singles(
            store=self,  # type: ignore[arg-type]  # what singles use of it
            asker=self,  # type: ignore[arg-type]
            taxonomy=taxonomy,
            rows_per_prompt=20,
            wait_seconds=0.5,
            now=lambda: 12.5,
            uniform=no_jitter,
        )


async def outcomes(singles: Singles, *texts: str) -> list[Any]:
    messages = [
        a_message(json.dumps({"version": 1, "feedback": text, "id": text}), message_id=f"m-{number}")
        for number, text in enumerate(texts)
    ]
    return await asyncio.gather(*(singles.handle(message) for message in messages), return_exceptions=True)


async def test_a_row_that_the_model_refuses_fails_alone() -> None:
    desk = Desk()
    late, refused, dear = await outcomes(desk.singles(), "late", "breaks the model", "dear")
    assert (late, dear) == (None, None)
    assert isinstance(refused, PermanentError)
    assert desk.prompts == [3]


async def test_a_row_that_the_store_refuses_fails_alone_on_a_second_try() -> None:
    desk = Desk()
    late, refused, dear = await outcomes(desk.singles(), "late", "breaks the store", "dear")
    assert (late, dear) == (None, None)
    assert isinstance(refused, PermanentError)
    assert desk.prompts == [3, 1, 1, 1]
    assert len(desk.stored) == 2


async def test_an_outage_sends_all_back_without_asking_again() -> None:
    desk = Desk(error=TransientError("away"))
    assert [type(each) for each in await outcomes(desk.singles(), "late", "dear")] == [TransientError] * 2
    assert desk.prompts == [2]


async def test_rows_over_the_days_budget_wait_in_their_queue() -> None:
    desk = Desk(error=OverBudget("used up", retry_after=80_000))
    late, dear = await outcomes(desk.singles(), "late", "dear")
    assert isinstance(late, GiveBack)
    assert late == dear
    assert late.after >= LONGEST_WAIT_SECONDS


async def test_rows_wait_for_the_budget_too_if_it_ended_between_two_prompts() -> None:
    used_up = OverBudget("used up", retry_after=80_000)
    desk = Desk(error=HalfAnswered(used_up, Answers(labels=["Payment", None])))
    assert [type(each) for each in await outcomes(desk.singles(), "late", "dear")] == [GiveBack] * 2


async def test_a_row_that_is_there_already_leaves_its_message_id_and_how_long_it_took() -> None:
    desk, singles = Desk(), Desk().singles()
    singles.store = desk  # type: ignore[assignment]
    await outcomes(singles, "late")
    with capture_logs() as lines:
        assert await outcomes(singles, "late", "dear") == [None, None]
    (line,) = lines
    assert (line["stored"], line["duplicates"], line["duplicate_messages"]) == (1, 1, ["m-0"])
    assert line["seconds_since_sent"] == [12.5, 12.5]
