"""Rows asked about with what people corrected before: examples by run, and by tenant where tenants must not meet.

A run shows the same examples from its first prompt to its last, in all tasks: they are bound to it once, by version.
Rows sent alone belong to no run and get those of the last minute.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.feedback_tagger.asking.asker import Answers, Asker, HalfAnswered
from services.feedback_tagger.asking.looking import Recent
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.spent import Agreement, Spent
from services.feedback_tagger.domain.taxonomy import UNKNOWN, Category, Example, Taxonomy
from services.feedback_tagger.planner.examples import PER_CATEGORY, TOKENS, Candidate, chosen
from services.feedback_tagger.store.examples import ExampleStore, Tenant, TenantColumn
from services.feedback_tagger.tasks.categorise import CATEGORISE
from services.feedback_tagger.tasks.task import Task
from shared.clock import Now
from shared.errors import TransientError
from shared.logs import logger
from shared.model.prices import ModelPrice
from shared.model.tokens import estimated_tokens

log = logger("examples")

LOOKED_AT_EACH = 200
"""Of each category the rows that were stored last: enough to choose from, few enough to read for every run."""
SECONDS = 60.0
PROMPTS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRules:
    """``tenant_column`` names the column that tells tenants apart; None: the installation is one. ``price`` decides
    whether more examples are cheaper than few."""

    per_category: int = PER_CATEGORY
    tokens: int = TOKENS
    tenant_column: TenantColumn | None = None
    price: ModelPrice | None = None


@dataclass(slots=True, kw_only=True)
class Examples:
    """Raises what the store raises."""

    store: ExampleStore = field(repr=False)
    rules: ExampleRules
    now: Now = field(repr=False)
    _current: Recent[tuple[str, tuple[str, ...]], tuple[Example, ...]] = field(init=False, repr=False)
    _of_run: Recent[tuple[str, str, tuple[str, ...]], tuple[Example, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._current = Recent(self._read_current, self.now, SECONDS)
        self._of_run = Recent(self._read_of_run, self.now, SECONDS)

    def tenant_of(self, row: Row) -> str:
        """Empty: none, or a row that does not say."""
        column = self.rules.tenant_column
        return "" if column is None else str(getattr(row.feedback, column) or "")

    async def taxonomy_for(self, taxonomy: Taxonomy, *, run_id: str | None, tenant: str = "") -> Taxonomy:
        """``taxonomy`` with the examples that a prompt for this run (None: for rows of no run) and tenant shows."""
        if self.rules.per_category <= 0 or not taxonomy.categories:
            return taxonomy
        if self.rules.tenant_column is not None and not tenant:
            return taxonomy  # Whose row this is nobody knows: everybody else's are another's.
        if run_id is None:
            return replace(taxonomy, examples=await self._current((tenant, taxonomy.names)))
        return replace(taxonomy, examples=await self._of_run((run_id, tenant, taxonomy.names)))

    async def shared_by(self, task: Task, taxonomy: Taxonomy, run_id: str | None) -> Taxonomy:
        """``taxonomy`` as prompts show it whose rows nobody parts by tenant: without examples where tenants are told
        apart."""
        return await self.taxonomy_for(taxonomy, run_id=run_id) if task.takes_examples else taxonomy

    async def _read_current(self, key: tuple[str, tuple[str, ...]]) -> tuple[Example, ...]:
        tenant, names = key
        return await self._shown(await self._choose(tenant, names))

    async def _read_of_run(self, key: tuple[str, str, tuple[str, ...]]) -> tuple[Example, ...]:
        run_id, tenant, names = key
        bound = await self.store.of_run(run_id, tenant)
        if bound is None:
            bound = await self.store.bind(run_id, tenant, await self._choose(tenant, names))
            log.info("examples", run_id=run_id, version=bound.version, examples=len(bound.rows))
        return await self._shown(bound.rows)

    async def _choose(self, tenant: str, names: tuple[str, ...]) -> list[tuple[int, str]]:
        column = self.rules.tenant_column
        corrected = await self.store.corrected(
            [*names, UNKNOWN], tenant=None if column is None else Tenant(column, tenant), each=LOOKED_AT_EACH
        )
        # With one example, so that the sentence that introduces them is counted.
        introduced = Taxonomy(_numbered(names), (Example(UNKNOWN, ""),))
        found = chosen(
            (
                Candidate(each.row_id, each.identity, each.said, each.label, CATEGORISE.question(each.feedback))
                for each in corrected
            ),
            names,
            per_category=self.rules.per_category,
            tokens=self.rules.tokens,
            prefix_tokens=estimated_tokens(CATEGORISE.system(introduced)),
            price=self.rules.price,
        )
        return [(each.row_id, each.label) for each in found]

    async def _shown(self, rows: Sequence[tuple[int, str]]) -> tuple[Example, ...]:
        # The texts are read where they are stored: a row that was erased leaves the prompts too.
        there = await self.store.feedback([row_id for row_id, _ in rows])
        return tuple(Example(label, CATEGORISE.question(there[row_id])) for row_id, label in rows if row_id in there)


async def labels_by_example(  # what an asker needs, and whose examples
    asker: Asker,
    examples: Examples | None,
    task: Task,
    rows: Sequence[Row],
    taxonomy: Taxonomy,
    *,
    run_id: str | None = None,
    **how: Any,
) -> Answers:
    """The asker's labels, asked for with examples; ``run_id`` None: rows of no run. ``how`` is the asker's to take.

    Where tenants are told apart, rows of two never share a prompt.
    """
    if examples is None or not task.takes_examples:
        return await asker.labels(task, rows, taxonomy, **how)
    groups = grouped(rows, examples.tenant_of)
    if len(groups) == 1:
        (tenant,) = groups
        return await asker.labels(
            task, rows, await examples.taxonomy_for(taxonomy, run_id=run_id, tenant=tenant), **how
        )
    gate = asyncio.Semaphore(PROMPTS_AT_ONCE)

    async def ask(tenant: str, places: Sequence[int]) -> Answers:
        async with gate:
            taught = await examples.taxonomy_for(taxonomy, run_id=run_id, tenant=tenant)
            return await asker.labels(task, [rows[place] for place in places], taught, **how)

    # All of them to their end: answers that are under way are paid for already.
    asked = [ask(tenant, places) for tenant, places in groups.items()]
    found: list[Answers] = []
    away: TransientError | None = None
    for places, outcome in zip(groups.values(), await asyncio.gather(*asked, return_exceptions=True), strict=True):
        if isinstance(outcome, HalfAnswered):
            away = outcome.cause
            found.append(outcome.answers)
        elif isinstance(outcome, TransientError):
            away = outcome
            found.append(Answers(labels=[None] * len(places)))
        elif isinstance(outcome, BaseException):
            raise outcome
        else:
            found.append(outcome)
    answers = merged(list(groups.values()), found)
    if away is None:
        return answers
    if task.votes > 1 or not any(label is not None for label in answers.labels):
        raise away
    raise HalfAnswered(away, answers) from away


def grouped(rows: Sequence[Row], tenant_of: Callable[[Row], str]) -> dict[str, list[int]]:
    """The places of each tenant's rows."""
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(tenant_of(row), []).append(place)
    return groups


def merged(groups: Sequence[Sequence[int]], answers: Sequence[Answers]) -> Answers:
    """One answer of several, each about the rows at its places."""
    if len(answers) == 1:
        return answers[0]
    labels: dict[int, str | None] = {}
    refusals: dict[int, str] = {}
    votes: dict[int, Sequence[str]] = {}
    spent: dict[str, Spent] = {}
    for places, each in zip(groups, answers, strict=True):
        labels.update(zip(places, each.labels, strict=True))
        refusals.update((places[at], reason) for at, reason in each.refusals.items())
        votes.update((places[at], given) for at, given in each.votes.items())
        for model_id, cost in each.spent_by_model.items():
            spent[model_id] = spent.get(model_id, Spent()) + cost
    return Answers(
        labels=[labels[place] for place in sorted(labels)],
        refusals=refusals,
        spent_by_model=spent,
        agreement=_added(answers),
        votes=votes,
        suspicious=sum(each.suspicious for each in answers),
    )


def _added(answers: Sequence[Answers]) -> list[Agreement]:
    by_size: dict[int, Agreement] = {}
    for look in (look for each in answers for look in each.agreement):
        size = look.rows_per_prompt
        before = by_size.get(size, Agreement(rows_per_prompt=size, checked=0, agreed=0))
        by_size[size] = Agreement(
            rows_per_prompt=size, checked=before.checked + look.checked, agreed=before.agreed + look.agreed
        )
    return [by_size[size] for size in sorted(by_size)]


def _numbered(names: Sequence[str]) -> tuple[Category, ...]:
    return tuple(Category(number, name) for number, name in enumerate(names, start=1))
