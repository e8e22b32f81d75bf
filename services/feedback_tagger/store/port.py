"""The promise of the store, whichever database is behind it.

Every method raises TransientError where the same call may succeed later (connection lost, server restarting, deadlock)
and PermanentError where the database refuses the values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.run import RunState
from services.feedback_tagger.domain.spent import NOTHING, Agreement, Spent
from services.feedback_tagger.domain.task_table import Record, TaskTable
from services.feedback_tagger.domain.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """``rows_per_chunk`` and ``tokens_per_chunk`` (0: no limit) count for the run's first opening only.

    ``sequencer`` tells one upload from another.
    """

    run_id: str
    bucket: str
    key: str
    task: str
    rows_per_chunk: int
    sequencer: str
    tokens_per_chunk: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRun:
    """Both limits are what the run was first opened with: others would give other chunks the same numbers.

    ``ingested``: its chunks have all been sent. ``repeated``: the run is over, and this is a
    later upload of its object. ``chunks_sent`` and ``cuts`` are what the run's ingest noted last, so that one that
    starts over goes on from there.
    """

    rows_per_chunk: int
    ingested: bool
    repeated: bool
    state: RunState
    tokens_per_chunk: int = 0
    chunks_sent: int = 0
    cuts: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """How far ingest of a run is; ``total_chunks`` stays None until the last one is sent.

    ``cuts`` says how the chunks that go out next are cut, before they do: the first number is how many rows of the file
    (rejects counted) come before them, each other one how many end with one of them. An ingest that takes over cuts
    them in the same places, whatever its own limits. ``quote`` is JSON text, kept as it is; an empty one leaves what
    was noted before.
    """

    encoding: str = ""
    date_order: str = ""
    problem: str = ""
    rows_read: int = 0
    rows_rejected: int = 0
    chunks_sent: int = 0
    cuts: Sequence[int] = ()
    total_chunks: int | None = None
    quote: str = ""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """``ready`` to be closed: ingest is done and every chunk has ended."""

    run_id: str
    ready: bool


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """``records`` are for the task's table, if it has one of its own. ``counted`` is what the run counts the row as,
    empty: its label. A ``known`` answer took no model."""

    row: Row
    label: str
    records: Sequence[Record] = ()
    counted: str = ""
    known: bool = False

    @property
    def counts_as(self) -> str:
        return self.counted or self.label


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row that no model would answer about, by its line; it counts as rejected."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkResult:
    """``labelled`` are the rows that have an answer; ``row_count`` is all rows of the chunk, duplicates included.

    ``failed`` rows are not stored and cost nobody else: the chunk is done all the same. ``table`` is where the rows go,
    None: to customer_feedback.
    """

    run_id: str
    chunk_no: int
    row_count: int
    labelled: Sequence[LabelledRow]
    failed: Sequence[FailedRow] = ()
    spent: Spent = NOTHING
    agreement: Sequence[Agreement] = ()
    table: TaskTable | None = None


class RunStore(Protocol):
    """Runs, for ingest and the finaliser."""

    async def open_run(self, run: NewRun) -> OpenedRun:
        """Create the run unless it exists.

        A later upload of a closed run that has dead chunks or a problem opens it again, one revision on, with its dead
        chunks forgotten, so that their rows have another chance.
        """
        ...

    async def note_repeat(self, run_id: str, sequencer: str) -> None:
        """This upload of a run that is over has been answered."""
        ...

    async def note_ingest(self, run_id: str, progress: Ingested, *, after: int | None = None) -> bool:
        """Overwrite what is known of the ingest of an open run; with ``total_chunks`` it is done.

        False, and nothing changed, if it is done or closed, or if ``after`` is given and is not the noted
        ``chunks_sent``: another task reads the same file and is ahead, or was.
        """
        ...

    async def abandon_ingest(self, run_id: str, problem: str) -> None:
        """Ingest will not go on: the run's total is what was sent so far. No effect where ingest is done."""
        ...

    async def open_runs(self) -> list[OpenRun]: ...

    async def run_state(self, run_id: str) -> RunState | None: ...

    async def claim_report(self, run_id: str, *, every_seconds: float) -> bool:
        """True for one caller in ``every_seconds``, and only while the run is open."""
        ...

    async def close_if_ready(self, run_id: str) -> bool:
        """True for exactly one caller a revision: the run was open and ready, and has its ``outcome`` from now on."""
        ...

    async def claim_announcement(self, *, claim_seconds: float) -> RunState | None:
        """A closed run whose result nobody has announced nor is announcing, if there is one.

        The claim runs out by itself, so that a crashed announcer is replaced.
        """
        ...

    async def announced(self, run_id: str, *, revision: int) -> None: ...

    async def dead_rows(self, run_id: str) -> list[tuple[int, str]]:
        """Line and reason of every row that was sent for a label and got none: failed alone, or with its chunk."""
        ...


class RowStore(Protocol):
    """Rows and chunks, for the pool."""

    async def taxonomy(self) -> Taxonomy: ...

    async def chunk_is_done(self, run_id: str, chunk_no: int) -> bool: ...

    async def known(self, identities: Sequence[str], *, table: TaskTable | None = None) -> set[str]:
        """Which of the identities have a row in the task's table (None: in customer_feedback)."""
        ...

    async def finish_chunk(self, result: ChunkResult) -> bool:
        """Rows and chunk in one transaction; False, and nothing changed, if the chunk was done already.

        Rows whose identity is there already are not written, none of their records, and count as duplicates. A dead
        chunk that comes back becomes a done one, and its run, if it was closed, open again at the next revision.
        """
        ...

    async def bury_chunk(self, run_id: str, chunk_no: int, *, lines: Sequence[int], reason: str) -> None:
        """The chunk will not be done: its rows, by their lines, count as rejected. No effect on a done chunk."""
        ...

    async def agreement(self, run_id: str) -> list[Agreement]:
        """What second looks at the run's answers have shown so far, one entry a number of rows per prompt."""
        ...

    async def add_singles(
        self, singles: Sequence[LabelledRow], *, execution_ids: Sequence[str], table: TaskTable | None = None
    ) -> int:
        """Rows of no run; how many were new."""
        ...
