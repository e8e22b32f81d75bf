"""What the finaliser says while it cannot do its work."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from services.feedback_tagger.domain.run import RunState, Terms
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.finaliser import TELL_SECONDS, Finaliser
from services.feedback_tagger.metrics import METRICS
from services.feedback_tagger.store.port import RunStore
from shared.errors import TransientError
from tests.support.queues import loop_time

pytestmark = pytest.mark.looptime


@dataclass
class Runs:
    """As much of the store as a turn without runs sees."""

    away: bool = False

    async def open_runs(self) -> Sequence[RunState]:
        if self.away:
            raise TransientError("PostgreSQL: ConnectionRefusedError")
        return ()

    async def claim_announcement(self, *, claim_seconds: float) -> None:
        return None


@dataclass
class Bucket:
    away: bool = False

    async def put(self, key: str, body: bytes, *, content_type: str) -> None:
        if self.away:
            raise TransientError("PutObject: 503")


async def lines_of(runs: Runs, bucket: Bucket, *, seconds: float) -> list[str]:
    """The events that a task writes in that time."""

    async def taxonomy() -> Taxonomy:
        return Taxonomy(())

    stop = asyncio.Event()
    finaliser = Finaliser(
        store=cast(RunStore, runs),
        bucket=cast(Any, bucket),
        notifications=cast(Any, None),
        taxonomy=taxonomy,
        terms=lambda _: Terms("2026-11-22", 20),
        now=loop_time,
        beat=lambda: None,
    )
    with capture_logs() as lines:
        running = asyncio.create_task(finaliser.run(stop))
        await asyncio.sleep(seconds)
        stop.set()
        await running
    return [str(line["event"]) for line in lines]


async def test_a_database_that_is_away_is_told_of_in_every_minute_that_it_is() -> None:
    said = await lines_of(Runs(away=True), Bucket(), seconds=300)

    assert said.count("database_away") >= 5
    assert {metric.name for metric in METRICS if metric.event == "database_away"} == {"DatabaseAway"}
    # Nobody knows how many are open: a zero would let the last task go.
    assert "runs_open" not in said


async def test_a_bucket_that_is_away_is_no_database_that_is() -> None:
    said = await lines_of(Runs(), Bucket(away=True), seconds=300)

    assert "turn_failed" in said
    assert "database_away" not in said
    assert "runs_open" in said


async def test_how_many_runs_are_open_is_told_once_a_minute_from_the_first_turn_on() -> None:
    said = await lines_of(Runs(), Bucket(), seconds=5 * TELL_SECONDS)

    assert said.count("runs_open") == 5
