"""Ports of the tagger that break one promise each; the checks of its chaos must find every one of them out."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.feedback_tagger.app import Ports
from services.feedback_tagger.asking.asker import HARMLESS
from services.feedback_tagger.domain.task_table import TaskTable
from services.feedback_tagger.store.port import ChunkResult, OpenRun, RowStore, RunStore
from shared.errors import PermanentError
from shared.model.port import Reply, Request, Text
from tests.chaos.broken import SOUND, DeletesBeforeProcessing

DELETE_BEFORE_STORE = "delete-before-store"
BURY_WITHOUT_COUNTING = "bury-without-counting"
CLOSE_WITHOUT_LOOKING = "close-without-looking-under-the-lock"
NEW_IDENTITY = "identity-not-from-content"
BUILDS = (DELETE_BEFORE_STORE, BURY_WITHOUT_COUNTING, CLOSE_WITHOUT_LOOKING, NEW_IDENTITY)


class _Passes:
    """Passes on what it does not break."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class ForgetsTheDead(_Passes):
    """Says that it counted a dead chunk and did not."""

    async def bury_chunk(self, run_id: str, chunk_no: int, *, lines: Sequence[int], reason: str) -> None:
        return


class NamesRowsAtRandom(_Passes):
    """Takes a row for new whenever it comes."""

    async def known(self, identities: Sequence[str], *, table: TaskTable | None = None) -> set[str]:
        return set()

    async def finish_chunk(self, result: ChunkResult) -> bool:
        renamed = [
            replace(each, row=replace(each.row, identity=f"{secrets.token_hex(20)}:1")) for each in result.labelled
        ]
        return bool(await self._inner.finish_chunk(replace(result, labelled=renamed)))


class ClosesOnFirstSight(_Passes):
    """Takes a run for over as soon as its ingest is, and closes it without a second look."""

    def __init__(self, inner: Any, pool: Any) -> None:
        super().__init__(inner)
        self._pool = pool

    async def open_runs(self) -> list[OpenRun]:
        rows = await self._pool.fetch("select run_id, total_chunks from feedback_run where status = 'open'")
        return [OpenRun(row["run_id"], row["total_chunks"] is not None) for row in rows]

    async def close_if_ready(self, run_id: str) -> bool:
        await self._pool.execute(
            "update feedback_run set status = 'complete', finished_at = now() where run_id = $1", run_id
        )
        return True


class RefusesSome(_Passes):
    """A model that takes no prompt with a certain word, nor a harmless one: chunks with it die."""

    async def converse(self, request: Request) -> Reply:
        (block,) = request.turns[0].blocks
        if isinstance(block, Text) and ("Case 1" in block.text or HARMLESS in block.text):
            raise PermanentError("the model takes none of this")
        return await self._inner.converse(request)  # type: ignore[no-any-return]


def refusing(ports: Ports) -> Ports:
    """The ports with a model that lets some chunks die: nothing is broken by that."""
    return replace(ports, model=RefusesSome(ports.model))


def ports_of(build: str, ports: Ports) -> Ports:
    """The ports of a build: those given, with one of them broken."""
    rows: RowStore = ports.rows
    runs: RunStore = ports.runs
    match build:
        case "delete-before-store":
            return replace(ports, chunks=DeletesBeforeProcessing(ports.chunks))
        case "bury-without-counting":
            rows = ForgetsTheDead(rows)
        case "close-without-looking-under-the-lock":
            runs = ClosesOnFirstSight(runs, runs._pool)  # type: ignore[attr-defined]
        case "identity-not-from-content":
            rows = NamesRowsAtRandom(rows)
        case _:
            assert build == SOUND, build
    return replace(ports, rows=rows, runs=runs)
