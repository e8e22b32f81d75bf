"""Asks one model about every labelled row, chunk by chunk as the pool does, and keeps what came of it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.feedback_tagger.asking.asker import Asker, known_and_open
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.spent import NOTHING, Agreement, Spent
from services.feedback_tagger.domain.taxonomy import UNKNOWN, Category, Taxonomy, taxonomy_of
from services.feedback_tagger.evaluation.judging import Fields, Judge, Pairs, judge_of, spellings
from services.feedback_tagger.evaluation.labelled import Labelled, NoLabels
from services.feedback_tagger.evaluation.metrics import Figures, figures
from services.feedback_tagger.messages.chunk import row_as_json
from services.feedback_tagger.planner.chunks import ChunkLimits, Sized, chunked
from services.feedback_tagger.planner.prompt import row_tokens
from services.feedback_tagger.tasks.task import Task
from shared.model.port import Model, Reply, Request

AT_ONCE = 4
CHUNK_BYTES = 200_000
SHOWN_FAULTS = 3

Heard = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every model is asked. ``truths`` are the rows' right answers, in the rows' order."""

    task: Task
    taxonomy: Taxonomy
    judge: Judge
    rows: tuple[Row, ...]
    truths: tuple[Fields, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldResult:
    """``open``: it has too many values to list them."""

    name: str
    figures: Figures
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """``latencies_ms`` of each call as its caller saw it; ``known`` rows had their answer without a model."""

    model_id: str
    rows_per_prompt: int
    rows: int
    known: int
    refused: int
    fields: tuple[FieldResult, ...]
    agreement: tuple[Agreement, ...]
    spent: Spent
    latencies_ms: tuple[float, ...] = field(repr=False)
    seconds: float


def question_of(
    task: Task, labelled: Sequence[Labelled], categories: Sequence[str] = (), *, judge: Judge | None = None
) -> Question:
    """``categories`` left out: the labels of the file; ``judge`` left out: the task's own. Raises NoLabels."""
    labels = [each.label for each in labelled]
    judge = judge or judge_of(task, [*categories, *labels])
    truths: list[Fields] = []
    faults: list[str] = []
    for each in labelled:
        try:
            truths.append(judge.truth(each.label))
        except ValueError as fault:
            faults.append(f"line {each.row.line}: {each.label[:60]!r} {fault}")
    if faults:
        more = f" (and {len(faults) - SHOWN_FAULTS} more)" if len(faults) > SHOWN_FAULTS else ""
        raise NoLabels(f"has labels that no answer could equal: {' / '.join(faults[:SHOWN_FAULTS])}{more}; mend them")
    _more_than_one(truths)
    # Sorted, and not as they come: the same labels in another order of rows are the same prompt.
    names = [name for name in categories or sorted(spellings(labels).values(), key=str.casefold) if name != UNKNOWN]
    taxonomy = taxonomy_of([Category(place, name) for place, name in enumerate(dict.fromkeys(names), start=1)])
    return Question(
        task=task, taxonomy=taxonomy, judge=judge, rows=tuple(each.row for each in labelled), truths=tuple(truths)
    )


def _more_than_one(truths: Sequence[Fields]) -> None:
    values: dict[str, set[str]] = {}
    for truth in truths:
        for name, value in truth.items():
            values.setdefault(name, set()).add(value)
    if all(len(found) < 2 for found in values.values()):
        only = ", ".join(sorted(value for found in values.values() for value in found))[:80]
        raise NoLabels(
            f"has one label alone ({only}), which whoever always says so gets right; label rows of two kinds"
        )


@dataclass(slots=True)
class TimedModel:
    """The Model port, with a watch: ``latencies_ms`` has every call that was answered."""

    inner: Model = field(repr=False)
    monotonic: Callable[[], float] = field(repr=False)
    latencies_ms: list[float] = field(default_factory=list)

    async def converse(self, request: Request) -> Reply:
        began = self.monotonic()
        reply = await self.inner.converse(request)
        self.latencies_ms.append((self.monotonic() - began) * 1000)
        return reply


async def evaluated(
    question: Question, asker: Asker, watch: TimedModel, heard: Heard = lambda _rows: None
) -> ModelResult:
    """``asker`` asks through ``watch``; ``heard`` is told how many rows are done. Raises what asking raises."""
    began = watch.monotonic()
    work = iter(_chunks(question, asker))
    answers: dict[int, str | None] = {}
    agreement: list[Agreement] = []
    spent = NOTHING
    known_rows = 0

    async def work_off() -> None:
        nonlocal spent, known_rows
        for places in work:
            rows = [question.rows[place] for place in places]
            known, fresh = known_and_open(question.task, rows)
            given = await asker.labels(question.task, fresh, question.taxonomy, seen=tuple(agreement))
            labels = {row.row.identity: row.label for row in known}
            labels |= {row.identity: label for row, label in zip(fresh, given.labels, strict=True) if label is not None}
            answers.update((place, labels.get(question.rows[place].identity)) for place in places)
            agreement.extend(given.agreement)
            spent += given.spent
            known_rows += len(known)
            heard(len(answers))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work_off())
    pairs = Pairs(question.judge)
    for place, (row, truth) in enumerate(zip(question.rows, question.truths, strict=True)):
        pairs.add(question.task, row, truth, answers[place])
    return ModelResult(
        model_id=asker.model_id,
        rows_per_prompt=asker.rows_per_prompt,
        rows=len(question.rows),
        known=known_rows,
        refused=sum(answer is None for answer in answers.values()),
        fields=_fields(question.judge, pairs.by_field),
        agreement=_by_size(agreement),
        spent=spent,
        latencies_ms=tuple(watch.latencies_ms),
        seconds=watch.monotonic() - began,
    )


def _fields(judge: Judge, by_field: Mapping[str, Sequence[tuple[str, str]]]) -> tuple[FieldResult, ...]:
    return tuple(
        FieldResult(name=name, figures=figures(pairs, no_answer=judge.no_answer), open=name in judge.open_fields)
        for name, pairs in by_field.items()
    )


def _chunks(question: Question, asker: Asker) -> Iterator[Sequence[int]]:
    """Places of the rows that share a chunk, cut as ingest cuts them."""
    limits = ChunkLimits(rows=asker.rows_per_prompt, bytes=CHUNK_BYTES, tokens=asker.prompt_tokens)
    sized = (
        Sized(
            place,
            place + 1,
            len(row_as_json(row).encode()),
            row_tokens(question.task.question(row.feedback)),
        )
        for place, row in enumerate(question.rows)
    )
    return (cut.rows for cut in chunked(sized, limits))


def _by_size(agreement: Sequence[Agreement]) -> tuple[Agreement, ...]:
    found: dict[int, Agreement] = {}
    for each in agreement:
        had = found.get(each.rows_per_prompt, replace(each, checked=0, agreed=0))
        found[each.rows_per_prompt] = replace(had, checked=had.checked + each.checked, agreed=had.agreed + each.agreed)
    return tuple(found[size] for size in sorted(found, reverse=True))
