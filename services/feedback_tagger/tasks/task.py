"""What makes a task: its prompt, its way of reading answers, its table."""

from collections.abc import Callable
from dataclasses import dataclass

from services.feedback_tagger.domain.feedback import Feedback
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.planner.prompt import ANSWER_TOKENS_PER_ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """``system`` writes the part of the prompt that all rows share; ``question`` is what a row adds to it.

    ``read`` maps an answer to labels by row number (from 1), leaving out rows without a valid one. A row that stays
    without one gets ``fallback``. Files under ``upload_prefix`` are for this task. ``answer_tokens_per_row`` is the
    room that a row's answer needs.
    """

    name: str
    table: str
    upload_prefix: str
    system: Callable[[Taxonomy], str]
    question: Callable[[Feedback], str]
    read: Callable[[str, int, Taxonomy], dict[int, str]]
    fallback: str
    answer_tokens_per_row: int = ANSWER_TOKENS_PER_ROW
