"""One task of the fleet looks for new categories and carries accepted ones into the rows, step by step.

Every step asks the database what is still to do, does a bounded piece of it and commits: a task that is killed anywhere
is replaced by one that goes on there. Should two believe the claim theirs for a moment, they write the same: vectors
and memberships are kept once, a pass ends once, and a piece of labels waits for the one before.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from services.feedback_tagger.aside import aside
from services.feedback_tagger.asking.prompting import PriceOf
from services.feedback_tagger.bucket.port import Bucket
from services.feedback_tagger.commands.categories import accept
from services.feedback_tagger.discovery.clustering import Point, joining_distance
from services.feedback_tagger.discovery.documents import (
    HISTORY_DOCUMENT_KEY,
    PROPOSALS_DOCUMENT_KEY,
    SHOWN_EVENTS,
    SHOWN_EXAMPLES,
    history_document,
    proposals_document,
)
from services.feedback_tagger.discovery.likeness import likeness
from services.feedback_tagger.discovery.naming import SHOWN_TEXTS, Naming, words_for
from services.feedback_tagger.discovery.placing import KnownGroup, Placement, Rules, placed
from services.feedback_tagger.discovery.splitting import parts_of
from services.feedback_tagger.discovery.texts import digest_of, row_digest, text_of
from services.feedback_tagger.domain.command import Command
from services.feedback_tagger.domain.spent import NOTHING, Spent
from services.feedback_tagger.store.discovery import DiscoveryStore, Member, NewProposal, Placing, Vector
from services.feedback_tagger.store.taxonomy import TaxonomyStore
from shared.clock import Now
from shared.errors import BadInput, DeskhandError, PermanentError, TransientError
from shared.health import Beat
from shared.idempotency.standing import StandingClaim
from shared.lifecycle import StopEvent
from shared.logs import logger
from shared.model.embeddings import Embedder, Embedding
from shared.model.port import Usage
from shared.model.tokens import estimated_tokens
from shared.waiting import is_set_within

log = logger("discovery")

CLAIM = "feedback-discovery"
POLL_SECONDS = 5.0
ROWS_NOTED_AT_ONCE = 1_000
ROWS_LABELLED_AT_ONCE = 500
TEXTS_EMBEDDED_AT_ONCE = 64
CALLS_AT_ONCE = 8
QUOTED_TEXTS = 500
MOST_UNPLACED = 20_000
"""New texts and those left over before, together: their vectors are in memory while they are placed, 20 MB of them."""
EXAMPLES_OF_A_CATEGORY = 3


class Stopped(TransientError):
    """The service is stopping; what is left to do is found again by the next task."""


@dataclass(slots=True, kw_only=True)
class Discovery:
    """``embedding_id`` names the model and the length of its vectors: others cannot be compared with them.

    ``texts`` bounds what one pass takes on; ``accept_rows``: proposals with so many rows are accepted without asking,
    None: never.
    """

    claim: StandingClaim
    store: DiscoveryStore = field(repr=False)
    taxonomy: TaxonomyStore = field(repr=False)
    bucket: Bucket = field(repr=False)
    embedder: Embedder = field(repr=False)
    embedding_model_id: str
    embedding_id: str
    price_of: PriceOf = field(repr=False)
    naming: Naming
    rules: Rules
    texts: int
    accept_rows: int | None
    every_seconds: float
    now: Now = field(repr=False)
    beat: Beat = field(repr=False)
    _stop: StopEvent | None = field(init=False, default=None, repr=False)
    _looked_at: float | None = field(init=False, default=None)
    _written: dict[str, str] = field(init=False, default_factory=dict, repr=False)

    async def run(self, stop: StopEvent) -> None:
        self._stop = stop
        while not stop.is_set():
            self.beat()
            try:
                await self.turn()
            except Stopped:
                break
            except DeskhandError as error:
                log.warning("turn_failed", reason=repr(error))
            await is_set_within(stop, min(POLL_SECONDS, self.every_seconds))
        await self.claim.leave()

    async def turn(self) -> None:
        """Labels that are under way first, since people wait for them; then, every so often, a look for new rows."""
        if not await self.claim.is_ours():
            self._written.clear()  # Another task writes the documents now.
            return
        await self.relabel()
        due = self._looked_at is None or not 0 <= self.now() - self._looked_at < self.every_seconds
        if due:
            # Noted first: after a failure the next turns keep the documents, and do not ask the model each time.
            self._looked_at = self.now()
            await self.discover()
        await self.keep_documents()

    async def relabel(self) -> None:
        changed = 0
        while (some := await self.taxonomy.relabel_some(rows=ROWS_LABELLED_AT_ONCE)) is not None:
            changed += some
            await self._between_steps()
        if changed:
            log.info("labels_changed", rows=changed)

    async def discover(self) -> None:
        await self._note_rows()
        if await self.store.waiting():
            await self._look()
        await self._name()
        await self._look_inside()
        await self._accept()
        await self.relabel()

    async def keep_documents(self) -> None:
        summary = await self.store.summary()
        shown = await self.taxonomy.proposals(examples=SHOWN_EXAMPLES)
        await self._put(PROPOSALS_DOCUMENT_KEY, proposals_document(shown, summary))
        await self._put(HISTORY_DOCUMENT_KEY, history_document(await self.taxonomy.history(latest=SHOWN_EVENTS)))

    async def _note_rows(self) -> None:
        while await self.store.waiting() < self.texts:
            rows = await self.store.fresh_rows(at_most=min(ROWS_NOTED_AT_ONCE, self.texts))
            if not rows:
                return
            await self.store.note_rows({row.row_id: row_digest(row) for row in rows})
            await self._between_steps()

    async def _look(self) -> None:
        under_way = await self.store.begin_pass()
        await self._quote(under_way.number, under_way.texts)
        while some := await self.store.without_vector(self.embedding_id, at_most=TEXTS_EMBEDDED_AT_ONCE):
            await self._embed(under_way.number, {digest: text_of(row) for digest, row in some})
            await self._between_steps()
        texts = await self.store.unplaced(self.embedding_id, at_most=MOST_UNPLACED)
        known = await self.store.taking(self.embedding_id)
        placement = await aside(
            placed,
            [Point(text.digest, text.numbers) for text in texts],
            [KnownGroup(group.proposal_id, group.centroid) for group in known],
            self.rules,
        )
        await self._between_steps()
        ended = await self.store.place(under_way.number, self.embedding_id, _as_placing(placement, texts))
        log.info(
            "pass",
            number=under_way.number,
            texts=len(texts),
            joined=len(placement.joined),
            proposed=len(placement.new),
            left_over=len(placement.left),
            ended_here=ended,
        )

    async def _quote(self, number: int, texts: int) -> None:
        """What embedding will cost, before it does: by the first texts, if there are many."""
        some = await self.store.without_vector(self.embedding_id, at_most=QUOTED_TEXTS)
        if not some:
            return
        price = self.price_of(self.embedding_model_id)
        tokens = sum(estimated_tokens(text_of(row)) for _, row in some) * max(1, texts) // len(some)
        usage = Usage(input_tokens=tokens, output_tokens=0)
        await self.store.note_quote(number, texts=texts, nano_usd=0 if price is None else price.nano_usd(usage))

    async def _embed(self, number: int, texts: Mapping[str, str]) -> None:
        """Keep what came back, also where a call failed: it is paid for. Raises the first failure that may pass."""
        gate = asyncio.Semaphore(CALLS_AT_ONCE)

        async def ask(text: str) -> Embedding:
            async with gate:
                return await self.embedder.embed(text)

        answers = await asyncio.gather(*(ask(text) for text in texts.values()), return_exceptions=True)
        vectors, problems, spent, failure = [], {}, NOTHING, None
        for digest, answer in zip(texts, answers, strict=True):
            if isinstance(answer, Embedding):
                vectors.append(Vector(digest, answer.vector, answer.tokens))
                spent += self._spent(answer.tokens)
            elif isinstance(answer, PermanentError):
                problems[digest] = answer.reason
            else:
                failure = failure or answer
        if len(problems) == len(texts) and len(texts) > 1:
            # No text is to blame where none is taken: a model id, a right that is missing.
            raise PermanentError(f"the embedding model takes no text: {next(iter(problems.values()))}")
        await self.store.keep_vectors(number, self.embedding_id, vectors, spent, problems)
        if failure is not None:
            raise failure

    async def _name(self) -> None:
        unnamed = await self.store.unnamed(self.embedding_id, texts=4 * SHOWN_TEXTS)
        if not unnamed:
            return
        categories = await self._category_vectors(unnamed[0].pass_no)
        others = {group.proposal_id: group.centroid for group in await self.store.taking(self.embedding_id)}
        for proposal in unnamed:
            shown = await self.taxonomy.proposals(examples=0)
            taken = {*categories, *(each.proposal.name for each in shown if each.proposal.name)}
            named, spent = await self.naming.name(proposal.texts, taken)
            named = named or words_for(proposal.proposal_id, proposal.texts)
            like = likeness(
                proposal.proposal_id,
                proposal.centroid,
                categories,
                others,
                within=joining_distance(self.rules.distance),
            )
            await self.store.keep_name(
                proposal.proposal_id, named.name, named.description, extends=like.extends, near=like.near, spent=spent
            )
            await self._between_steps()

    async def _look_inside(self) -> None:
        """Whether proposals hold two subjects, as far as texts have come or gone since that was asked."""
        for grown in await self.store.grown(self.embedding_id):
            parts = await aside(parts_of, await self.store.members(grown.proposal_id), self.rules)
            await self.store.keep_parts(
                grown.proposal_id, texts=grown.texts, parts=[len(part.members) for part in parts]
            )
            await self._between_steps()

    async def _category_vectors(self, number: int) -> dict[str, list[Sequence[float]]]:
        """Of each category its name's vector and those of some of its rows; what has none yet is embedded."""
        texts_of = {
            name: [name, *(text_of(row) for row in rows)]
            for name, rows in await self.store.category_texts(each=EXAMPLES_OF_A_CATEGORY)
        }
        texts = {digest_of(text): text for texts in texts_of.values() for text in texts}
        known = {vector.digest for vector in await self.store.vectors(list(texts), self.embedding_id)}
        missing = [digest for digest in texts if digest not in known]
        for start in range(0, len(missing), TEXTS_EMBEDDED_AT_ONCE):
            some = missing[start : start + TEXTS_EMBEDDED_AT_ONCE]
            await self._embed(number, {digest: texts[digest] for digest in some})
            await self._between_steps()
        vectors = {vector.digest: vector.numbers for vector in await self.store.vectors(list(texts), self.embedding_id)}
        return {
            name: [vectors[digest] for text in texts if (digest := digest_of(text)) in vectors]
            for name, texts in texts_of.items()
        }

    async def _accept(self) -> None:
        if self.accept_rows is None:
            return
        for shown in await self.taxonomy.proposals(examples=0):
            proposal = shown.proposal
            # One that only its number names, that may be part of a category or be two, is for a person to judge.
            fit = proposal.description and not proposal.extends and not proposal.parts
            if shown.rows < self.accept_rows or not fit:
                continue
            command = Command(
                command_id=f"automatic-{proposal.proposal_id}",
                kind="categories.accept",
                said_by="automatic",
                principal="",
                fields={
                    "proposal": proposal.proposal_id,
                    "reason": f"{shown.rows} rows, and {self.accept_rows} are enough",
                },
            )
            try:
                await self.taxonomy.change(command, partial(accept, command=command))
            except BadInput as error:
                log.warning("not_accepted", proposal=proposal.proposal_id, reason=error.problem)

    async def _put(self, key: str, document: Mapping[str, Any]) -> None:
        body = json.dumps(document, ensure_ascii=False, default=str)
        if self._written.get(key) != body:
            await self.bucket.put(key, body.encode(), content_type="application/json")
            self._written[key] = body

    async def _between_steps(self) -> None:
        """Raises Stopped on a drain, and TransientError where another task has taken over."""
        self.beat()
        if self._stop is not None and self._stop.is_set():
            raise Stopped("the service is stopping")
        if not await self.claim.is_ours():
            raise TransientError("another task looks for categories now")

    def _spent(self, tokens: int) -> Spent:
        price = self.price_of(self.embedding_model_id)
        usage = Usage(input_tokens=tokens, output_tokens=0)
        return Spent(
            calls=1,
            input_tokens=tokens,
            nano_usd=0 if price is None else price.nano_usd(usage),
            unpriced_calls=1 if price is None else 0,
        )


def _as_placing(placement: Placement, texts: Sequence[Vector]) -> Placing:
    return Placing(
        joined=[(joined.proposal_id, Member(joined.digest, joined.distance)) for joined in placement.joined],
        new=[NewProposal(group.centroid, [Member(*member) for member in group.members]) for group in placement.new],
        seen=[text.digest for text in texts],
        left=len(placement.left),
    )
