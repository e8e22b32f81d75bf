"""Closing runs: whoever sees first that a run is over closes it, one task announces it, and a crashed one is replaced.

What readers without a database need lies in the bucket: each run's document, kept up to date while it is open, and the
categories.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.domain.run import (
    TAXONOMY_DOCUMENT_KEY,
    RunState,
    Terms,
    dead_rows_key,
    document,
    run_document_key,
)
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.files.rejects import reject_file
from services.feedback_tagger.pool import ReadTaxonomy
from services.feedback_tagger.results import run_notification
from services.feedback_tagger.store.batches import BatchStore, Part, as_document
from services.feedback_tagger.store.port import RunStore
from services.feedback_tagger.tasks import TASKS, Tasks
from shared.clock import Now
from shared.errors import TransientError
from shared.health import Beat
from shared.lifecycle import StopEvent
from shared.logs import logger, unit_of_work
from shared.notifications.port import Notifications
from shared.tracing import TRACEPARENT

log = logger("finaliser")

POLL_SECONDS = 0.5
REPORT_SECONDS = 2.0
TELL_SECONDS = 60.0
# Twice what the slowest announcement takes with its calls' own timeouts; a crashed announcer's run waits this long.
CLAIM_SECONDS = 60.0
LOGGED = (
    "run_id", "revision", "status", "rows", "stored", "duplicates", "rejected", "failed", "unknown", "seconds",
    "tokens", "cost", "throttles", "tier", "lane", "rows_per_prompt", "agreement", "chunks", "repeats",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Finaliser:
    """The loop; any number of tasks run it."""

    store: RunStore = field(repr=False)
    bucket: Bucket = field(repr=False)
    notifications: Notifications = field(repr=False)
    taxonomy: ReadTaxonomy = field(repr=False)
    terms: Callable[[RunState], Terms] = field(repr=False)
    now: Now = field(repr=False)
    beat: Beat = field(repr=False)
    tasks: Tasks = field(default=TASKS, repr=False)
    batches: BatchStore | None = field(default=None, repr=False)
    keep_accuracy: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)
    _kept_taxonomy: Taxonomy | None = field(init=False, default=None)
    _told_at: float = field(init=False, default=-math.inf)

    async def run(self, stop: StopEvent) -> None:
        while not stop.is_set():
            self.beat()
            try:
                await self.turn()
            except TransientError as error:
                # The database or the bucket is away: runs wait, nothing is lost, the next turn tries again.
                log.warning("turn_failed", reason=str(error))
            try:
                await asyncio.wait_for(stop.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def turn(self) -> None:
        """Report on what is open, close what is over, announce what is closed."""
        try:
            open_runs = await self.store.open_runs()
        except TransientError as error:
            # Every turn begins with this read, which asks the database alone: an alarm rings by the line.
            log.warning("database_away", reason=str(error))
            return
        if self.now() >= self._told_at + TELL_SECONDS:
            self._told_at = self.now()
            log.info("runs_open", open=len(open_runs), ready=sum(run.ready for run in open_runs))
        await self._keep_taxonomy()
        if self.keep_accuracy is not None:
            await self.keep_accuracy()
        for run in open_runs:
            if run.ready:
                await self.store.close_if_ready(run.run_id)
            elif await self.store.claim_report(run.run_id, every_seconds=REPORT_SECONDS):
                await self._keep_document(run.run_id)
        while (state := await self.store.claim_announcement(claim_seconds=CLAIM_SECONDS)) is not None:
            await self._announce(state)

    async def _announce(self, state: RunState) -> None:
        if state.status == "open":
            return  # Opened again since it was claimed: it will be announced as what it becomes.
        with unit_of_work("announce run", parent=state.expected.get(TRACEPARENT), run_id=state.run_id):
            await self._tell(state)

    async def _tell(self, state: RunState) -> None:
        if state.rows_failed:
            rejects = [(line, "", reason) for line, reason in await self.store.dead_rows(state.run_id)]
            if state.shortage:
                # Which lines the lost chunks held, nobody knows: line 0 stands for all of them.
                rejects.append((0, "", state.shortage))
            await self.bucket.put(
                dead_rows_key(state.run_id), reject_file(rejects), content_type="text/csv; charset=utf-8"
            )
        await self._keep_document(state.run_id)
        result = await self._document(state)
        await self.notifications.publish(run_notification(result, notification_id=f"{state.run_id}:{state.revision}"))
        await self.store.announced(state.run_id, revision=state.revision)
        log.info("run", **{name: result[name] for name in LOGGED})
        if not state.adds_up and not state.problem:
            log.error("counts_do_not_add_up", run_id=state.run_id, revision=state.revision)

    async def _keep_document(self, run_id: str) -> None:
        """Write the run's document; if the run has moved on meanwhile, write it again.

        Without the second look a slow writer could leave a closed run's document saying "open" for ever.
        """
        state = await self.store.run_state(run_id)
        while state is not None:
            body = json.dumps(await self._document(state), ensure_ascii=False).encode()
            await self.bucket.put(run_document_key(run_id), body, content_type="application/json")
            written, state = state, await self.store.run_state(run_id)
            if state is not None and (state.status, state.revision) == (written.status, written.revision):
                return

    async def _keep_taxonomy(self) -> None:
        taxonomy = await self.taxonomy()
        if taxonomy == self._kept_taxonomy:
            return
        categories = [{"id": category.category_id, "name": category.name} for category in taxonomy.categories]
        body = json.dumps({"version": 1, "categories": categories}, ensure_ascii=False).encode()
        await self.bucket.put(TAXONOMY_DOCUMENT_KEY, body, content_type="application/json")
        self._kept_taxonomy = taxonomy

    async def _document(self, state: RunState) -> dict[str, Any]:
        unknown = self.tasks.fallback_of(state.task)
        parts: Sequence[Part] = ()
        if self.batches is not None and state.expected.get("lane") == "batch":
            parts = await self.batches.parts(state.run_id)
        batch = [as_document(part) for part in parts]
        return document(state, now=self.now(), unknown=unknown, terms=self.terms(state), batch=batch)
