"""Keeps the accuracy against corrections in the bucket, for readers without a database."""

import json
from dataclasses import dataclass, field
from typing import Any

from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.domain.accuracy import ACCURACY_DOCUMENT_KEY, accuracy_document
from services.feedback_tagger.store.corrections import CorrectionStore
from shared.clock import Now

SECONDS = 300.0
"""Between two looks while nobody uploads corrections: labels that are filled in later change the figures too."""


@dataclass(slots=True, kw_only=True)
class AccuracyKeeper:
    store: CorrectionStore = field(repr=False)
    bucket: Bucket = field(repr=False)
    now: Now = field(repr=False)
    _kept: dict[str, Any] | None = field(init=False, default=None, repr=False)
    _looked_at: float | None = field(init=False, default=None)

    async def keep(self) -> None:
        """Write the document as the rows are now."""
        await self._write(accuracy_document(await self.store.judged()))

    async def keep_up(self) -> None:
        """The same every few minutes, and only if the figures are others than this task wrote last."""
        if self._looked_at is not None and 0 <= self.now() - self._looked_at < SECONDS:
            return
        document = accuracy_document(await self.store.judged())
        if document != self._kept:
            await self._write(document)
        self._looked_at = self.now()

    async def _write(self, document: dict[str, Any]) -> None:
        body = json.dumps(document, ensure_ascii=False).encode()
        await self.bucket.put(ACCURACY_DOCUMENT_KEY, body, content_type="application/json")
        self._kept, self._looked_at = document, self.now()
