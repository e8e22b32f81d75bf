"""A chunk and what a job has answered about it, made one result: exact in rows, answers and cost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeAlias

from services.feedback_tagger.asking.asker import labelled_row
from services.feedback_tagger.asking.prompting import REFUSALS, Reading, readable
from services.feedback_tagger.batch.records import ChunkLine, Header, read_output, record_ids
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.spent import NOTHING, Agreement, Spent
from services.feedback_tagger.messages.chunk import read_chunk
from services.feedback_tagger.store.port import ChunkResult
from services.feedback_tagger.tasks.task import Task
from shared.errors import TransientError
from shared.model.port import Reply
from shared.model.prices import ModelPrice

AsReply: TypeAlias = Callable[[Mapping[str, Any]], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """``open_rows``, by place, have no answer yet: then ``body`` goes to the pool with those ``answered``, else
    ``result`` is the chunk's."""

    result: ChunkResult
    body: str = field(repr=False)
    answered: Mapping[int, str]
    open_rows: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merger:
    """``answers`` is a job's output and ``places`` where each record's line begins in it: memory holds ids alone."""

    run_id: str
    header: Header
    task: Task
    price: ModelPrice | None
    as_reply: AsReply = field(repr=False)
    answers: BinaryIO = field(repr=False)
    places: Mapping[str, int] = field(repr=False)
    second_model: bool = False

    def merged(self, line: ChunkLine) -> Merged:
        """Reads the file: for a thread."""
        rows, questions = read_chunk(line.body).rows, line.questions
        prompts = len(questions.prompts)
        labels: dict[int, str] = {}
        spent = NOTHING
        checked = agreed = 0
        for number, (record_id, places) in enumerate(record_ids(self.run_id, line.number, questions)):
            reading = self._reading(record_id, len(places))
            spent += reading.spent
            for row, label in reading.labels.items():
                place = places[row - 1]
                if number >= prompts:
                    if place not in labels:
                        continue  # Its prompt has no answer for it; the pool looks at it alone if it has to.
                    checked += 1
                    agreed += labels[place] == label
                # Where a check differs the later answer stays: no neighbour and no position was in it.
                labels[place] = label
        agreement = (
            (Agreement(rows_per_prompt=self.header.rows_per_prompt, checked=checked, agreed=agreed),) if checked else ()
        )
        answered = {
            place: labels[first]
            for place, first in enumerate(questions.asked_at)
            if first is not None and self._sure(labels.get(first))
        }
        open_rows = [
            place for place, first in enumerate(questions.asked_at) if first is not None and place not in answered
        ]
        result = ChunkResult(
            run_id=self.run_id,
            chunk_no=line.number,
            row_count=len(rows),
            labelled=[
                labelled_row(self.task, row, label, known=known) for row, label, known in self._given(rows, answered)
            ],
            spent=spent,
            agreement=agreement,
            table=self.task.table,
        )
        return Merged(result=result, body=line.body, answered=answered, open_rows=open_rows)

    def _sure(self, label: str | None) -> bool:
        # A second model is asked about rows that the first one calls unknown; the pool does that.
        return label is not None and not (self.second_model and label == self.task.fallback)

    def _given(self, rows: Sequence[Row], answered: Mapping[int, str]) -> Iterator[tuple[Row, str, bool]]:
        """Rows with their answers; of the others each was stored before, or has an answer that takes no model."""
        for place, row in enumerate(rows):
            if place in answered:
                yield row, answered[place], False
            elif (answer := self.task.known(row.feedback)) is not None:
                yield row, answer, True

    def _reading(self, record_id: str, rows: int) -> Reading:
        output = self._output(record_id)
        if output is None:
            return Reading()
        try:
            reply = self.as_reply(output)
        except TransientError:
            return Reading()  # A record's output that is no reply: asked again, as one that is missing.
        spent = spent_in_a_batch(reply, self.price)
        if reply.stop_reason in REFUSALS:
            return Reading(refusal=REFUSALS[reply.stop_reason], spent=spent)
        return Reading(labels=self.task.read(readable(reply), rows, self.header.taxonomy), spent=spent)

    def _output(self, record_id: str) -> Mapping[str, Any] | None:
        if (place := self.places.get(record_id)) is None:
            return None
        self.answers.seek(place)
        found = read_output(self.answers.readline())
        return None if found is None else found[1]


@dataclass(frozen=True, slots=True)
class Index:
    """``places``: where the line of each record with an answer begins; of two with one id the first counts.
    ``nano_usd`` is what all of them cost."""

    places: Mapping[str, int] = field(repr=False)
    nano_usd: int


def indexed(answers: BinaryIO, as_reply: AsReply, price: ModelPrice | None) -> Index:
    places: dict[str, int] = {}
    nano_usd = place = 0
    answers.seek(0)
    for line in answers:
        found = read_output(line)
        if found is not None and found[1] is not None:
            places.setdefault(found[0], place)
            nano_usd += _cost(found[1], as_reply, price)
        place += len(line)
    return Index(places, nano_usd)


def _cost(output: Mapping[str, Any], as_reply: AsReply, price: ModelPrice | None) -> int:
    try:
        return spent_in_a_batch(as_reply(output), price).nano_usd
    except TransientError:
        return 0  # No reply, so no usage either.


def spent_in_a_batch(reply: Reply, price: ModelPrice | None) -> Spent:
    usage = reply.usage
    return Spent(
        calls=1,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        nano_usd=0 if price is None else price.nano_usd(usage, batch=True),
        unpriced_calls=1 if price is None else 0,
    )
