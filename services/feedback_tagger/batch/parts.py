"""From the chunks of a file to parts, each a batch job's input: written to disk, then to the bucket, then noted.

A part's objects lie under a prefix that nobody else has written to, and which prefix counts is decided by the store: of
two ingests of one file the first to add a part has written it, and what the other wrote is never read.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from services.feedback_tagger.aside import aside
from services.feedback_tagger.batch.records import (
    INPUT,
    ROWS,
    Header,
    chunk_line,
    header_line,
    questions_about,
    record_ids,
    record_line,
)
from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.messages.chunk import read_chunk
from services.feedback_tagger.planner.batch import room_for_rows
from services.feedback_tagger.planner.prompt import FRAME_TOKENS, Hex, Prompt, packed
from services.feedback_tagger.store.batches import BatchStore, NewPart
from services.feedback_tagger.store.port import RowStore
from services.feedback_tagger.tasks.task import Task
from shared.model.batch_jobs import BatchJobs
from shared.model.port import Request, Text, Turn, Usage
from shared.model.prices import BatchLimits, ModelPrice
from shared.model.tokens import estimated_tokens

PREFIX = "batch/"
TYPE = "application/jsonl"


@dataclass(frozen=True, slots=True)
class Framed:
    """A chunk as its message, and the place in the file of its last row."""

    number: int
    body: str = field(repr=False)
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWriting:
    """How parts are written, for every run. ``most_nano_usd`` is what a part's job may cost at most, by estimate."""

    store: BatchStore = field(repr=False)
    rows: RowStore = field(repr=False)
    bucket: Bucket = field(repr=False)
    jobs: BatchJobs = field(repr=False)
    token_hex: Hex = field(repr=False)
    model_id: str
    rows_per_prompt: int
    prompt_tokens: int
    check_share: float
    price: ModelPrice | None = None
    most_nano_usd: int | None = None


@dataclass(frozen=True, slots=True)
class _Record:
    line: bytes = field(repr=False)
    nano_usd: int


@dataclass(slots=True, kw_only=True)
class Parts:
    """The parts of one run, one after the other. ``chunks`` and ``place`` say up to where parts have been added."""

    writing: PartWriting = field(repr=False)
    run_id: str
    task: Task
    header: Header
    system: str = field(repr=False)
    limits: BatchLimits
    part: int = 0
    chunks: int = 0
    place: int = 0
    _open: "_OpenPart | None" = field(default=None, init=False, repr=False)
    _system_tokens: int = field(init=False)

    def __post_init__(self) -> None:
        self._system_tokens = estimated_tokens(self.system)

    async def add(self, chunks: Sequence[Framed]) -> bool:
        """False if another ingest was first to add a part that these chunks filled: then nothing more is to be done."""
        rows = {row.identity for chunk in chunks for row in read_chunk(chunk.body).rows}
        there = await self.writing.rows.known(sorted(rows), table=self.task.table)
        left = list(chunks)
        while left:
            if self._open is None:
                self._open = await aside(_OpenPart, self.header)
            written = await aside(self._write, self._open, left, there)
            del left[:written]
            if left and not await self._close_part():
                return False
        return True

    async def finish(self) -> bool:
        """Add what is left as the last part; as ``add``."""
        return self._open is None or await self._close_part()

    def abandon(self) -> None:
        """Leave nothing on disk of a part that was not added."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _write(self, part: "_OpenPart", chunks: Sequence[Framed], there: set[str]) -> int:
        """How many of the chunks the part took: all, or as many as its job may have."""
        for count, chunk in enumerate(chunks):
            lines, records = self._lines(chunk, there)
            if not part.take(chunk, lines, records, self.limits, self.writing.most_nano_usd):
                return count
        return len(chunks)

    def _lines(self, chunk: Framed, there: set[str]) -> tuple[bytes, list[_Record]]:
        writing, task = self.writing, self.task
        rows = read_chunk(chunk.body).rows
        questions = questions_about(
            task,
            rows,
            there=there,
            at_most=self.header.rows_per_prompt,
            at_most_tokens=room_for_rows(writing.prompt_tokens, self.system),
            check_share=writing.check_share if self.header.rows_per_prompt > 1 else 0.0,
        )
        records = []
        for record_id, places in record_ids(self.run_id, chunk.number, questions):
            prompt = packed(
                self.system,
                [questions.lines[place] for place in places],
                token_hex=writing.token_hex,
                answer_tokens_per_row=task.answer_tokens_per_row,
            )
            request = Request(
                model_id=self.header.model_id,
                system=prompt.system,
                turns=(Turn("user", (Text(prompt.user),)),),
                max_tokens=prompt.max_tokens,
            )
            line = _encoded(record_line(record_id, writing.jobs.as_input(request)))
            records.append(_Record(line, self._may_cost(prompt)))
        return _encoded(chunk_line(chunk.number, chunk.body, questions)), records

    def _may_cost(self, prompt: Prompt) -> int:
        price = self.writing.price
        if price is None:
            return 0
        tokens = self._system_tokens + FRAME_TOKENS + estimated_tokens(prompt.user)
        return price.nano_usd(Usage(input_tokens=tokens, output_tokens=prompt.max_tokens), batch=True)

    async def _close_part(self) -> bool:
        part = self._open
        assert part is not None
        writing = self.writing
        prefix = f"{PREFIX}{self.run_id}/{self.part:05}-{writing.token_hex(4)}/"
        await writing.bucket.put_file(f"{prefix}{ROWS}", part.rows, content_type=TYPE)
        await writing.bucket.put_file(f"{prefix}{INPUT}", part.input, content_type=TYPE)
        new = NewPart(
            run_id=self.run_id,
            part=self.part,
            model_id=self.header.model_id,
            prefix=prefix,
            first_chunk=self.chunks,
            chunks=part.chunks,
            last_place=part.end,
            records=part.records,
            nano_usd=part.nano_usd,
        )
        self.abandon()
        if not await writing.store.add(new):
            return False
        self.part, self.chunks, self.place = self.part + 1, self.chunks + new.chunks, new.last_place
        return True


@asynccontextmanager
async def begun(
    writing: PartWriting, run_id: str, task: Task, header: Header, limits: BatchLimits
) -> AsyncIterator[Parts]:
    """The parts of a run from where the last one that was added ends."""
    parts = Parts(
        writing=writing, run_id=run_id, task=task, header=header, limits=limits, system=task.system(header.taxonomy)
    )
    if added := await writing.store.parts(run_id):
        last = added[-1]
        parts.part, parts.chunks, parts.place = last.part + 1, last.first_chunk + last.chunks, last.last_place
    try:
        yield parts
    finally:
        parts.abandon()


class _OpenPart:
    """A part on disk, not yet in the bucket."""

    def __init__(self, header: Header) -> None:
        self.rows = _file()
        self.input = _file()
        self.chunks = self.records = self.end = self.nano_usd = self._bytes = 0
        self.rows.write(_encoded(header_line(header)))

    def take(
        self, chunk: Framed, line: bytes, records: Sequence[_Record], limits: BatchLimits, most_nano_usd: int | None
    ) -> bool:
        """False, and nothing written, if the job would have too much with it; a first chunk is always taken."""
        size = sum(len(record.line) for record in records)
        cost = sum(record.nano_usd for record in records)
        full = self.records + len(records) > limits.most_records or self._bytes + size > limits.most_bytes
        dear = most_nano_usd is not None and self.nano_usd + cost > most_nano_usd
        if self.chunks and (full or dear):
            return False
        self.rows.write(line)
        self.input.writelines(record.line for record in records)
        self.nano_usd += cost
        self.chunks += 1
        self.records += len(records)
        self.end = chunk.end
        self._bytes += size
        return True

    def close(self) -> None:
        self.rows.close()
        self.input.close()


_file: Callable[[], BinaryIO] = lambda: cast(BinaryIO, TemporaryFile(prefix="deskhand-part-"))  # noqa: E731, SIM115


def _encoded(line: str) -> bytes:
    # Half of a pair is no UTF-8; rows have none, and a category's name must not end an ingest.
    return line.encode("utf-8", "replace")
