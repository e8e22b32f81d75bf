"""Getting a label for every row: few prompts, strict answers, and nobody else's trouble where one row makes trouble."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.feedback_tagger.asking.prompting import Asked, PriceOf, Prompting, Reading
from services.feedback_tagger.domain.feedback import Row
from services.feedback_tagger.domain.spent import Agreement, Spent, total
from services.feedback_tagger.domain.taxonomy import Taxonomy
from services.feedback_tagger.planner.agreement import LEAST, position, rows_per_prompt, share_to_check
from services.feedback_tagger.planner.batch import Plan, planned, regrouped, room_for_rows
from services.feedback_tagger.planner.prompt import Hex
from services.feedback_tagger.planner.tier import Tier
from services.feedback_tagger.store.port import FailedRow, LabelledRow
from services.feedback_tagger.tasks.task import Task
from shared.errors import PermanentError, TransientError
from shared.logs import logger
from shared.model.port import Model
from shared.model.prices import PRICES

log = logger("asking")

# Prompts of one call under way at once: a garbled answer about 20 rows is 20 questions, and others wait for the quota.
AT_ONCE = 4
# If a model refuses this too, the request is at fault (the model's id, a right, a guardrail for everything), no row.
HARMLESS = "The parcel came a day late."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """``labels`` are in the order of the rows; None for one that the model refused, with the reason in ``refusals`` by
    its place. ``votes`` has, by place, every answer that a row was given, if it was asked more than once for that.
    ``suspicious`` rows were asked alone."""

    labels: Sequence[str | None]
    refusals: Mapping[int, str] = field(default_factory=dict)
    spent_by_model: Mapping[str, Spent] = field(default_factory=dict)
    agreement: Sequence[Agreement] = ()
    votes: Mapping[int, Sequence[str]] = field(default_factory=dict)
    suspicious: int = 0

    @property
    def spent(self) -> Spent:
        return total(self.spent_by_model.values())

    def labelled(self, task: Task, rows: Sequence[Row]) -> list[LabelledRow]:
        return [
            labelled_row(task, row, label, self.votes.get(place, ()))
            for place, (row, label) in enumerate(zip(rows, self.labels, strict=True))
            if label is not None
        ]

    def failed(self, rows: Sequence[Row]) -> list[FailedRow]:
        return [FailedRow(rows[place].line, reason) for place, reason in sorted(self.refusals.items())]


class HalfAnswered(TransientError):
    """The model went away between two prompts: ``answers`` are paid for, with None for each row that has none yet."""

    def __init__(self, cause: TransientError, answers: Answers) -> None:
        super().__init__(str(cause), retry_after=cause.retry_after)
        self.cause = cause
        self.answers = answers


def labelled_row(task: Task, row: Row, answer: str, votes: Sequence[str] = (), *, known: bool = False) -> LabelledRow:
    records = () if task.table is None else task.records(row, answer, votes)
    return LabelledRow(row, answer, records=records, counted=task.counted(answer), known=known)


def known_and_open(task: Task, rows: Sequence[Row]) -> tuple[list[LabelledRow], list[Row]]:
    """The rows that have their answer without a model, with it, and those that a model is to be asked about."""
    known: list[LabelledRow] = []
    unanswered: list[Row] = []
    for row in rows:
        answer = task.known(row.feedback)
        if answer is None:
            unanswered.append(row)
        else:
            known.append(labelled_row(task, row, answer, known=True))
    return known, unanswered


@dataclass(slots=True, kw_only=True)
class Asker:
    """Asks ``model`` for labels; retries are the model's own (LimitedModel). Raises TransientError while it is away,
    HalfAnswered if it answered about some rows before, and PermanentError if it refuses whatever the rows say.

    ``prompt_tokens`` bounds a prompt by estimate (0: rows alone do). ``unsure_model_id`` is asked once about rows that
    the first model calls unknown or gives no valid answer about. ``agreement_share`` of the rows are asked again alone.
    """

    model: Model = field(repr=False)
    model_id: str
    rows_per_prompt: int
    token_hex: Hex = field(repr=False)
    prompt_tokens: int = 0
    unsure_model_id: str | None = None
    agreement_share: float = 0.0
    agreement_least: float = LEAST
    price_of: PriceOf = field(default=PRICES.of, repr=False)
    _prompting: Prompting = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._prompting = Prompting(model=self.model, token_hex=self.token_hex, price_of=self.price_of)

    async def labels(
        self,
        task: Task,
        rows: Sequence[Row],
        taxonomy: Taxonomy,
        *,
        seen: Sequence[Agreement] | None = None,
        tier: Tier = "default",
    ) -> Answers:
        """A label of the task for each row: what a row says decides which, and nothing else can come out.

        ``seen`` is what the run's agreement check has found so far: it decides how many rows share a prompt and how
        many are checked. None (rows of no run): nothing is checked.
        """
        if not rows or not task.ready(taxonomy):
            return Answers(labels=[task.fallback] * len(rows))
        at_most = rows_per_prompt(self.rows_per_prompt, seen or (), least=self.agreement_least)
        system = task.system(taxonomy)
        limits = _Limits(at_most, room_for_rows(self.prompt_tokens, system))
        plan = planned([task.question(row.feedback) for row in rows], at_most=at_most, at_most_tokens=limits.tokens)
        asked = Asked(model_id=self.model_id, task=task, taxonomy=taxonomy, system=system, tier=tier)
        round_ = _Round(prompting=self._prompting, asked=asked, plan=plan)
        agreement: tuple[Agreement, ...] = ()
        try:
            await round_.ask(plan.groups)
            if seen is not None and at_most > 1:
                sample = _sampled(rows, round_.together, self.agreement_share)
                agreement = await round_.check_again(sample, at_most)
            if self.unsure_model_id is not None and (unsure := round_.unsure()):
                await round_.ask_another(self.unsure_model_id, limits.regrouped(unsure, plan))
            for vote in range(1, task.votes):
                await round_.vote(vote, limits.regrouped(round_.shuffled(rows, vote), plan))
        except TransientError as error:
            answers = round_.paid_for(agreement, unsure_are_open=self.unsure_model_id is not None)
            if answers is None:
                raise
            raise HalfAnswered(error, answers) from error
        return round_.answers(agreement)


@dataclass(frozen=True, slots=True)
class _Limits:
    rows: int
    tokens: int

    def regrouped(self, places: Iterable[int], plan: Plan) -> list[list[int]]:
        return regrouped(places, plan, at_most=self.rows, at_most_tokens=self.tokens)


def _sampled(rows: Sequence[Row], places: Iterable[int], share: float) -> list[int]:
    """The places to check, in the order of their rows' hashes, which is not the order they were asked in."""
    if share <= 0:
        return []
    drawn = [(position(rows[place].identity), place) for place in places]
    return [place for at, place in sorted(drawn) if at < share_to_check(share, rows[place].line)]


@dataclass(slots=True, kw_only=True)
class _Round:
    """What is known so far of the rows of one call, by their places. ``together`` were answered beside other rows."""

    prompting: Prompting
    asked: Asked
    plan: Plan
    labels: dict[int, str] = field(default_factory=dict)
    refusals: dict[int, str] = field(default_factory=dict)
    together: set[int] = field(default_factory=set)
    spent: dict[str, Spent] = field(default_factory=dict)
    votes: dict[int, list[str]] = field(default_factory=dict)
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _blame: asyncio.Lock = field(default_factory=asyncio.Lock)
    _rows_are_to_blame: bool = False

    async def ask(self, groups: Sequence[Sequence[int]]) -> None:
        await _all([self._answer(group) for group in groups])

    async def check_again(self, places: Sequence[int], size: int) -> tuple[Agreement, ...]:
        """Each alone. Where the two answers differ the later one stays: no neighbour and no position was in it."""
        before = {place: self.labels[place] for place in places}
        compared: Counter[bool] = Counter()

        async def check(place: int) -> None:
            try:
                again = (await self._prompt(self.asked, [place])).labels.get(1)
            except TransientError as error:
                # The row has its label: for a second look alone the whole chunk would be asked, and paid, once more.
                log.warning("check_left_out", reason=str(error))
                return
            if again is not None:
                compared[again == before[place]] += 1
                self.labels[place] = again

        await _all([check(place) for place in places])
        if not compared:
            return ()
        return (Agreement(rows_per_prompt=size, checked=compared.total(), agreed=compared[True]),)

    def unsure(self) -> list[int]:
        """Places that the model called unknown or gave no valid answer about; never what it says of its certainty."""
        fallback = self.asked.task.fallback
        places = sorted(set(self.plan.asked_at) - self.refusals.keys())
        return [place for place in places if self.labels.get(place, fallback) == fallback]

    async def ask_another(self, model_id: str, groups: Sequence[Sequence[int]]) -> None:
        """Once; whatever has no valid answer then keeps what it had."""
        asked = replace(self.asked, model_id=model_id)

        async def ask(group: Sequence[int]) -> None:
            reading = await self._prompt(asked, group)
            if reading.refusal:
                log.warning("second_model_refused", model_id=model_id, rows=len(group), reason=reading.refusal)
            self.labels.update((group[number - 1], label) for number, label in reading.labels.items())

        await _all([ask(group) for group in groups])

    def shuffled(self, rows: Sequence[Row], vote: int) -> list[int]:
        """The places that have an answer, in an order of this vote's own: other rows stand before and beside each."""
        drawn = {place: position(f"{vote} {rows[place].identity}") for place in self.labels}
        return sorted(drawn, key=lambda place: (drawn[place], place))

    async def vote(self, number: int, groups: Sequence[Sequence[int]]) -> None:
        """Ask once more in another way; rows that get no valid answer have a vote less."""
        task = self.asked.task if self.asked.task.again is None else self.asked.task.again(number)
        asked = replace(self.asked, task=task, system=task.system(self.asked.taxonomy))

        async def ask(group: Sequence[int]) -> None:
            try:
                reading = await self._prompt(asked, group)
            except TransientError as error:
                # The rows have an answer each: for one more vote the whole chunk would be asked, and paid, once more.
                log.warning("vote_left_out", rows=len(group), reason=str(error))
                return
            for row, answer in reading.labels.items():
                place = group[row - 1]
                self.votes.setdefault(place, [self.labels[place]]).append(answer)

        await _all([ask(group) for group in groups])

    def answers(self, agreement: tuple[Agreement, ...]) -> Answers:
        places = self.plan.asked_at
        task = self.asked.task
        elected = {place: task.elected(votes) for place, votes in self.votes.items()}
        labels = {**self.labels, **elected}
        return Answers(
            labels=[None if first in self.refusals else labels.get(first, task.fallback) for first in places],
            refusals={place: self.refusals[first] for place, first in enumerate(places) if first in self.refusals},
            spent_by_model=dict(self.spent),
            agreement=agreement,
            votes={place: tuple(self.votes[first]) for place, first in enumerate(places) if first in self.votes},
            suspicious=len(self.plan.suspicious),
        )

    def paid_for(self, agreement: tuple[Agreement, ...], *, unsure_are_open: bool) -> Answers | None:
        """What is answered for good so far; None if nothing is, or if each row is to have several answers."""
        task = self.asked.task
        settled = {
            place: label for place, label in self.labels.items() if not (unsure_are_open and label == task.fallback)
        }
        if task.votes > 1 or not settled:
            return None
        return Answers(
            labels=[settled.get(first) for first in self.plan.asked_at],
            spent_by_model=dict(self.spent),
            agreement=agreement,
        )

    async def _answer(self, group: Sequence[int]) -> None:
        reading = await self._prompt(self.asked, group)
        if reading.refusal:
            await self._make_sure_that_rows_are_to_blame(reading.refusal)
            if len(group) == 1:
                self.refusals[group[0]] = reading.refusal
            else:
                middle = len(group) // 2
                await _all([self._answer(group[:middle]), self._answer(group[middle:])])
            return
        for number, place in enumerate(group, start=1):
            if number in reading.labels:
                self.labels[place] = reading.labels[number]
        if len(group) > 1:
            self.together.update(place for place in group if place in self.labels)
        # Asked alone, no other row's text can be the reason that this one has no answer.
        await _all([self._answer_alone(place) for place in group if place not in self.labels])

    async def _answer_alone(self, place: int) -> None:
        reading = await self._prompt(self.asked, [place])
        if reading.refusal:
            await self._make_sure_that_rows_are_to_blame(reading.refusal)
            self.refusals[place] = reading.refusal
        elif 1 in reading.labels:
            self.labels[place] = reading.labels[1]

    async def _make_sure_that_rows_are_to_blame(self, refusal: str) -> None:
        """Raises PermanentError if the model refuses a harmless row too: then the chunk waits among the dead letters
        for whoever mends the settings, and no row is given up."""
        async with self._blame:
            if not self._rows_are_to_blame:
                if (await self._converse(self.asked, [HARMLESS])).refusal:
                    raise PermanentError(refusal)
                self._rows_are_to_blame = True

    async def _prompt(self, asked: Asked, group: Sequence[int]) -> Reading:
        return await self._converse(asked, [self.plan.lines[place] for place in group])

    async def _converse(self, asked: Asked, lines: Sequence[str]) -> Reading:
        async with self._gate:
            reading = await self.prompting.ask(asked, lines)
        self.spent[asked.model_id] = self.spent.get(asked.model_id, Spent()) + reading.spent
        return reading


async def _all(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of them to their end, then the first error: answers that are under way are paid for already."""
    if len(jobs) == 1:
        await jobs[0]
        return
    for outcome in await asyncio.gather(*jobs, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
