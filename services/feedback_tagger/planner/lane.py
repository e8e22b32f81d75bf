"""Whether a file is asked at once or as batch jobs, which cost about half and take up to a day."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.feedback_tagger.planner.tier import FLEX_MARGIN
from shared.model.prices import ModelPrice

Lane: TypeAlias = Literal["realtime", "batch"]
WantedLane: TypeAlias = Literal["auto", "realtime", "batch"]

LANE_METADATA = "lane"
"""The user metadata of an uploaded object (x-amz-meta-lane) that says which lane its rows are to take."""


@dataclass(frozen=True, slots=True)
class Choice:
    lane: Lane
    because: str


def choose_lane(
    price: ModelPrice | None,
    *,
    wanted: WantedLane,
    records: int,
    votes: int,
    timeout_hours: int | None,
    deadline_minutes: float | None,
    expected_minutes: float | None,
) -> Choice:
    """batch if a job can be had for so many ``records`` (prompts) and its longest time fits before the deadline.

    ``timeout_hours`` is after how long the service gives a job up, None: this installation has no batch jobs. What a
    job leaves open is asked at once, for which ``expected_minutes`` must be left several times over. Without a deadline
    somebody may be waiting: at once, unless batch is ``wanted``.
    """
    if wanted == "realtime":
        return Choice("realtime", "asked for")
    if timeout_hours is None:
        return Choice("realtime", "no role for batch jobs is set (BATCH_ROLE_ARN)")
    if price is None or price.batch is None or price.batch >= 1 or price.batch_limits is None:
        return Choice("realtime", "the price file has no batch price for the model")
    if votes > 1:
        return Choice("realtime", "the task asks about each row several times")
    if records < price.batch_limits.least_records:
        least = price.batch_limits.least_records
        return Choice("realtime", f"about {records:,} prompts, and a batch job takes at least {least:,}")
    if wanted == "batch":
        return Choice("batch", "asked for")
    if deadline_minutes is None:
        return Choice("realtime", "no deadline is set (FEEDBACK_DEADLINE_MINUTES)")
    needed = 60 * timeout_hours + FLEX_MARGIN * (expected_minutes or 0.0)
    if needed > deadline_minutes:
        return Choice("realtime", f"a batch job may take {timeout_hours} h, too long for the deadline")
    return Choice("batch", f"the deadline leaves a job its {timeout_hours} h")


def wanted_lane(metadata: str | None) -> WantedLane:
    """What an upload says; anything else than a lane's name counts as saying nothing."""
    match (metadata or "").strip().lower():
        case "batch":
            return "batch"
        case "realtime":
            return "realtime"
        case _:
            return "auto"
