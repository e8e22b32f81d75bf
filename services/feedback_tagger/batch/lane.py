"""Choosing the batch lane for a file, and beginning its parts."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

from services.feedback_tagger.batch.parts import Parts, PartWriting, begun
from services.feedback_tagger.batch.records import Header
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.planner.lane import WantedLane, choose_lane
from services.feedback_tagger.planner.quote import Quote
from services.feedback_tagger.store.port import OpenedRun
from services.feedback_tagger.tasks.task import Task
from shared.model.prices import BatchLimits, ModelPrice

UNKNOWN_LIMITS = BatchLimits(least_records=1, most_records=1000, most_bytes=100_000_000)
"""Where the price file had limits when a run was begun, and has none now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLane:
    """``timeout_hours`` is after how long a job is given up by the service; None: no new file takes this lane."""

    writing: PartWriting = field(repr=False)
    price: ModelPrice | None
    timeout_hours: int | None
    deadline_minutes: float | None

    def quoted(self, quote: Quote, opened: OpenedRun, task: Task, wanted: WantedLane) -> Quote:
        """The quote with the lane that the run takes: the one it was begun in, or the one chosen now."""
        state = opened.state
        if state.revision > 1:
            # Taken up again for its dead chunks alone.
            return replace(quote, lane="realtime", lane_because="taken up again")
        if (noted := state.expected.get("lane")) in ("realtime", "batch"):
            because = str(state.expected.get("lane_because", ""))
            return replace(quote, lane=noted, lane_because=because, batch_hours=state.expected.get("batch_hours"))
        choice = choose_lane(
            self.price,
            wanted=wanted,
            records=quote.prompts,
            votes=task.votes,
            timeout_hours=self.timeout_hours,
            deadline_minutes=self.deadline_minutes,
            expected_minutes=quote.minutes,
        )
        return replace(quote, lane=choice.lane, lane_because=choice.because, batch_hours=self.timeout_hours)

    def begun(self, run_id: str, task: Task, taxonomy: Taxonomy) -> AbstractAsyncContextManager[Parts]:
        """The run's parts, from where the last one ends. All of a part is asked with the categories of now."""
        header = Header(
            model_id=self.writing.model_id,
            task=task.name,
            taxonomy=taxonomy,
            rows_per_prompt=self.writing.rows_per_prompt,
        )
        limits = self.price.batch_limits if self.price is not None else None
        return begun(self.writing, run_id, task, header, limits or UNKNOWN_LIMITS)
