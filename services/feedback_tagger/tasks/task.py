"""What makes a task: how its files are read, its prompt, its way of reading answers, its table."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.domain.reading import Reader, read_table
from services.feedback_tagger.domain.task_table import Record, TaskTable
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.messages.item import read_item
from services.feedback_tagger.planner.prompt import ANSWER_TOKENS_PER_ROW
from services.feedback_tagger.planner.quote import ANSWER_TOKENS


def _most_given(answers: Sequence[str]) -> str:
    return Counter(answers).most_common(1)[0][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An answer of any task is one canonical string: equal strings are agreement, and a run counts them.

    The prompt: ``system`` writes the part that all rows share; ``question`` is what a row adds to it. ``read`` maps a
    model's answer to answers by row number (from 1), leaving out rows without a valid one. A row that stays without one
    gets ``fallback``. ``ready``: whether there is anything to ask yet; while not, every row gets ``fallback``.
    ``answer_tokens_per_row`` is the room that a row's answer needs, ``usual_answer_tokens`` what it takes mostly, for
    quotes.

    The rows: objects under ``upload_prefix`` are for this task (the longest prefix wins), and ``reader`` makes rows of
    them; ``read_item`` makes one of the body and the id of a message that holds a row alone, or raises BadInput.

    The table: ``records`` makes of a row, its answer and all answers it was given (empty if it was asked once) at least
    one record of ``table``. Without a table, rows go to customer_feedback and the answer is their label.

    ``counted`` is what a run's ``by_label`` counts an answer as: few different texts of at most 255 characters.
    ``known`` is the answer for a row that needs no model, or None. With ``votes`` above 1 every row is asked so often,
    in other orders and beside other rows, by ``again(1)`` and so on: the same task, asked in another way; ``elected``
    makes one answer of them, in the order in which they were given. A task that ``takes_examples`` writes those of its
    taxonomy into its prompt.
    """

    name: str
    upload_prefix: str
    system: Callable[[Taxonomy], str]
    question: Callable[[Feedback], str]
    read: Callable[[str, int, Taxonomy], dict[int, str]]
    fallback: str
    table: TaskTable | None = None
    records: Callable[[Row, str, Sequence[str]], Sequence[Record]] = lambda _row, _answer, _votes: ()
    counted: Callable[[str], str] = lambda answer: answer
    known: Callable[[Feedback], str | None] = lambda _feedback: None
    reader: Reader = read_table
    read_item: Callable[[str, str], Row] = read_item
    ready: Callable[[Taxonomy], bool] = lambda _taxonomy: True
    answer_tokens_per_row: int = ANSWER_TOKENS_PER_ROW
    usual_answer_tokens: int = ANSWER_TOKENS
    votes: int = 1
    again: "Callable[[int], Task] | None" = None
    elected: Callable[[Sequence[str]], str] = _most_given
    takes_examples: bool = False
