"""The lines of a part's objects: which rows each record of a job holds, the records, and what comes back for them.

``rows.jsonl``: a header, then a line for each chunk with its message as it would go to the pool, and which of its rows
each record holds. ``input.jsonl``: a record a line, as the job reads them. The job's own output names records by id.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.taxonomy import Category, Taxonomy
from services.feedback_tagger.planner.agreement import position, share_to_check
from services.feedback_tagger.planner.batch import planned
from services.feedback_tagger.tasks.task import Task
from shared.errors import PermanentError

ROWS, INPUT, OUTPUT = "rows.jsonl", "input.jsonl", "output/"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What all records of a part have in common, and their answers are read by."""

    model_id: str
    task: str
    taxonomy: Taxonomy
    rows_per_prompt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked about one chunk, by places of its rows.

    ``prompts`` are rows that share a record; ``checks`` are rows of them that are asked once more, each alone.
    ``asked_at`` has for every row the place of the one that is asked for it, None for a row that needs no question.
    ``lines`` are the texts that are asked, by place.
    """

    prompts: Sequence[Sequence[int]]
    checks: Sequence[int]
    asked_at: Sequence[int | None]
    lines: Mapping[int, str] = field(default_factory=dict, repr=False)

    @property
    def records(self) -> int:
        return len(self.prompts) + len(self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLine:
    """A line of ``rows.jsonl`` as it is read back."""

    number: int
    body: str = field(repr=False)
    questions: Questions


def questions_about(
    task: Task, rows: Sequence[Row], *, there: Collection[str], at_most: int, at_most_tokens: int, check_share: float
) -> Questions:
    """As the pool would ask: rows that are stored already (``there``, by identity) or have an answer without a model
    are left out, equal ones are asked once, suspicious ones alone."""
    unanswered = [
        place for place, row in enumerate(rows) if row.identity not in there and task.known(row.feedback) is None
    ]
    plan = planned(
        [task.question(rows[place].feedback) for place in unanswered], at_most=at_most, at_most_tokens=at_most_tokens
    )
    asked_at: list[int | None] = [None] * len(rows)
    for index, first in enumerate(plan.asked_at):
        asked_at[unanswered[index]] = unanswered[first]
    prompts = [[unanswered[index] for index in group] for group in plan.groups]
    together = [place for prompt in prompts if len(prompt) > 1 for place in prompt]
    drawn = sorted((position(rows[place].identity), place) for place in together)
    return Questions(
        prompts=prompts,
        checks=[place for at, place in drawn if at < share_to_check(check_share, rows[place].line)],
        asked_at=asked_at,
        lines={place: plan.lines[index] for index, place in enumerate(unanswered)},
    )


def record_ids(run_id: str, chunk: int, questions: Questions) -> Iterator[tuple[str, Sequence[int]]]:
    """The id of each record of a chunk, and the places it asks about: first the prompts, then the checks.

    Letters and digits alone, as some editions of the user guide ask for.
    """
    run = run_id.removeprefix("run-")
    for number, places in enumerate(questions.prompts):
        yield f"{run}c{chunk}p{number}", places
    for number, place in enumerate(questions.checks):
        yield f"{run}c{chunk}k{number}", [place]


def header_line(header: Header) -> str:
    categories = [[category.category_id, category.name] for category in header.taxonomy.categories]
    return _line(
        {
            "version": VERSION,
            "model_id": header.model_id,
            "task": header.task,
            "categories": categories,
            "rows_per_prompt": header.rows_per_prompt,
        }
    )


def chunk_line(number: int, body: str, questions: Questions) -> str:
    return _line(
        {
            "chunk": number,
            "prompts": questions.prompts,
            "checks": questions.checks,
            "asked_at": questions.asked_at,
            "body": body,
        }
    )


def record_line(record_id: str, model_input: Mapping[str, Any]) -> str:
    return _line({"recordId": record_id, "modelInput": model_input})


def read_header(line: bytes) -> Header:
    """Raises PermanentError for what no ingest of ours has written."""
    try:
        values = json.loads(line)
        if values["version"] != VERSION:
            raise PermanentError(f"rows.jsonl: version {values['version']!r} is not this build's")
        return Header(
            model_id=str(values["model_id"]),
            task=str(values["task"]),
            # In the order that the prompts had: answers are numbers of it.
            taxonomy=Taxonomy(tuple(Category(number, name) for number, name in values["categories"])),
            rows_per_prompt=int(values["rows_per_prompt"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(f"rows.jsonl: the header cannot be read ({type(error).__name__}: {error})") from None


def read_chunk_line(line: bytes) -> ChunkLine:
    """Raises PermanentError."""
    try:
        values = json.loads(line)
        return ChunkLine(
            number=int(values["chunk"]),
            body=str(values["body"]),
            questions=Questions(prompts=values["prompts"], checks=values["checks"], asked_at=values["asked_at"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise PermanentError(f"rows.jsonl: a line cannot be read ({type(error).__name__}: {error})") from None


def read_output(line: bytes) -> tuple[str, Mapping[str, Any] | None] | None:
    """The id of a line of the job's output and its ``modelOutput``; that is None where the record has an error
    instead. None for a line that is cut or garbled."""
    try:
        values = json.loads(line)
        record_id, output = values["recordId"], values.get("modelOutput")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(record_id), output if isinstance(output, dict) and "error" not in values else None


def _line(values: Mapping[str, Any]) -> str:
    # Not escaped to ASCII, which would treble what other alphabets need; JSON itself escapes line ends.
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"
