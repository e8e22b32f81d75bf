"""The limiter: how much of a quota it turns into answers, who waits for whom, and what a cancelled call leaves."""

import asyncio
import itertools
from random import Random

import pytest

from local.bedrock.settings import Limit
from shared.errors import OverBudget, PermanentError, Throttled, TransientError
from shared.model.day_blocks import DayBlocks, until_midnight
from shared.model.limited import LimitedModel, expected_usage
from shared.model.limiter import Limiter
from shared.model.memory import MemorySpend
from shared.model.port import Model, Reply, Request, Text, Usage
from shared.model.quota import Limits, Quota
from tests.support.throttling_model import ThrottlingModel, a_request

pytestmark = pytest.mark.looptime

SHAPES = ("fixed_window", "sliding_window", "token_bucket")
AMOUNT = 200_000.0
NOON = 1_700_000_000.0


def a_limiter(tokens: float | None = AMOUNT) -> Limiter:
    return Limiter(Quota(Limits(tokens_per_minute=tokens)), monotonic=asyncio.get_running_loop().time)


def limited(model: Model, limiter: Limiter, lane: str = "files", *budgets: DayBlocks) -> LimitedModel:
    return LimitedModel(model, limiter, lane=lane, uniform=Random(3).uniform, budgets=budgets)


def a_reply(usage: Usage | None = None) -> Reply:
    usage = usage or Usage(input_tokens=1, output_tokens=1)
    return Reply(blocks=(Text("1"),), stop_reason="end_turn", usage=usage, latency_ms=1)


class Scripted:
    """A model that answers with what it was given, an error or a reply, one a call."""

    def __init__(self, *answers: Exception | Reply, seconds: float = 0.1) -> None:
        self._answers = list(answers)
        self._seconds = seconds
        self.calls = 0

    async def converse(self, request: Request) -> Reply:
        self.calls += 1
        await asyncio.sleep(self._seconds)
        answer = self._answers.pop(0) if self._answers else a_reply()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def use(limit: Limit, *, minutes: float = 8, published: float | None = AMOUNT) -> tuple[float, float]:
    """(used over offered, throttled over calls) of as many callers as there is work for, from the 37th second on."""
    random = Random(7)
    service = ThrottlingModel(limits=[limit], random=random)
    limiter = a_limiter(published)
    model = limited(service, limiter)

    async def caller() -> None:
        while True:
            try:
                await model.converse(a_request(words=random.randrange(700, 1500)))
            except Throttled:
                await asyncio.sleep(random.uniform(0, 30))  # As a queue would, that has the message back.

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(minutes * 60):
            await asyncio.gather(*(caller() for _ in range(60)))
    offered = (limit.amount * (1 - limit.hidden_margin_percent / 100) - limit.other_tenant_amount) * minutes
    print(f"{limit.shape}: useful {service.used / offered:.3f} throttled {service.throttled / service.calls:.4f}")  # noqa: T201
    return service.used / offered, service.throttled / service.calls


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_published_quota_is_used_to_nineteen_twentieths_and_nothing_is_refused(shape: str) -> None:
    useful, throttled = await use(Limit.model_validate({"counts": "tokens", "amount": AMOUNT, "shape": shape}))
    assert useful >= 0.95
    assert throttled <= 0.01


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("hidden", [{"hidden_margin_percent": 20}, {"other_tenant_amount": 0.3 * AMOUNT}])
async def test_a_quota_that_is_smaller_than_published_is_found_and_used(shape: str, hidden: dict[str, float]) -> None:
    limit = Limit.model_validate({"counts": "tokens", "amount": AMOUNT, "shape": shape, **hidden})
    useful, throttled = await use(limit)
    assert useful >= 0.9
    assert throttled <= 0.02


async def test_without_any_published_figure_the_quota_is_found_too() -> None:
    limit = Limit.model_validate({"counts": "tokens", "amount": AMOUNT, "shape": "token_bucket"})
    useful, throttled = await use(limit, published=None, minutes=20)
    assert useful >= 0.9
    assert throttled <= 0.05


async def test_a_single_row_never_waits_behind_a_file_s_backlog() -> None:
    limiter = a_limiter()
    clock = asyncio.get_running_loop().time
    full = a_reply(Usage(input_tokens=1200, output_tokens=200))
    files = limited(Scripted(*[full] * 500), limiter)
    backlog = [asyncio.create_task(files.converse(a_request())) for _ in range(500)]
    await asyncio.sleep(30)
    began = clock()
    await limited(Scripted(), limiter, "singles").converse(a_request())
    # One call's worth of tokens at 200,000 a minute, and what the call takes itself.
    assert clock() - began < 1.0
    assert sum(not task.done() for task in backlog) > 100
    for task in backlog:
        task.cancel()
    await asyncio.gather(*backlog, return_exceptions=True)


async def test_lanes_that_both_wait_share_by_their_shares_and_an_idle_one_leaves_all() -> None:
    limiter = Limiter(
        Quota(Limits(tokens_per_minute=60_000)),
        monotonic=asyncio.get_running_loop().time,
        shares={"tickets": 0.25, "files": 0.75},
    )
    sent = {"tickets": 0, "files": 0}

    async def caller(lane: str) -> None:
        while True:
            hold = await limiter.reserve(lane, 500)
            sent[lane] += 1
            hold.settle(500)

    tasks = [asyncio.create_task(caller("files")) for _ in range(3)]
    await asyncio.sleep(120)
    alone = sent["files"]
    tasks += [asyncio.create_task(caller("tickets")) for _ in range(3)]
    sent["files"] = 0
    await asyncio.sleep(240)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert alone == pytest.approx(240, rel=0.05)
    assert sent["tickets"] / (sent["tickets"] + sent["files"]) == pytest.approx(0.25, abs=0.03)


async def test_a_throttled_call_is_sent_again_and_says_how_often_it_was_refused() -> None:
    service = Scripted(Throttled("slow down"), Throttled("slow down"), a_reply())
    assert (await limited(service, a_limiter()).converse(a_request())).throttles == 2
    assert service.calls == 3


async def test_a_refusal_for_good_is_not_asked_again() -> None:
    service = Scripted(PermanentError("no such model"))
    limiter = a_limiter()
    with pytest.raises(PermanentError):
        await limited(service, limiter).converse(a_request())
    assert service.calls == 1
    assert limiter.demand() == 0


async def test_retries_are_a_tenth_of_calls_however_many_fail() -> None:
    service = Scripted(*[TransientError("away") for _ in range(5000)])
    model = limited(service, a_limiter(None))

    async def one() -> bool:
        with pytest.raises(TransientError):
            await model.converse(a_request(words=1))
        return True

    assert all(await asyncio.gather(*(one() for _ in range(1000))))
    assert 1000 < service.calls <= 1000 + 20 + 100


async def test_one_throttle_holds_up_nobody_else() -> None:
    limiter = a_limiter()
    clock = asyncio.get_running_loop().time
    service = Scripted(Throttled("slow down"), seconds=0.05)
    model = limited(service, limiter)
    ends: list[float] = []

    async def one() -> None:
        await model.converse(a_request(words=10))
        ends.append(clock())

    await asyncio.gather(*(one() for _ in range(30)))
    gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(ends))]
    assert max(gaps) < 2.0


async def test_a_cancelled_call_leaves_neither_a_place_nor_tokens_behind() -> None:
    limiter = a_limiter(10_000)
    first = await limiter.reserve("files", 9_000)
    waiting = [asyncio.create_task(limiter.reserve("files", 5_000)) for _ in range(3)]
    await asyncio.sleep(1)
    waiting[0].cancel()
    first.settle(0)
    # Granted and cancelled in the same moment.
    waiting[1].cancel()
    await asyncio.gather(waiting[0], waiting[1], return_exceptions=True)
    hold = await waiting[2]
    assert limiter.demand() == 5_000
    hold.settle(1_000)
    assert limiter.demand() == 1_000


async def test_a_drain_gives_files_back_and_lets_tickets_finish() -> None:
    limiter = a_limiter(10_000)
    hold = await limiter.reserve("files", 10_000)
    file = asyncio.create_task(limiter.reserve("files", 1_000))
    ticket = asyncio.create_task(limiter.reserve("tickets", 1_000))
    await asyncio.sleep(1)
    limiter.drain()
    with pytest.raises(TransientError, match="stopping"):
        await file
    with pytest.raises(TransientError, match="stopping"):
        await limiter.reserve("singles", 1)
    hold.settle(0)
    (await ticket).settle(10)


async def test_ending_a_call_twice_counts_once() -> None:
    limiter = a_limiter()
    hold = await limiter.reserve("files", 1000)
    hold.settle(400)
    hold.settle(900)
    hold.give_back()
    assert limiter.demand() == 400


def test_what_a_request_may_use_covers_every_part_of_it() -> None:
    bare = expected_usage(a_request(words=100, max_tokens=70))
    assert bare.output_tokens == 70
    assert 100 <= bare.input_tokens <= 200


class TestABudgetADay:
    def a_budget(self, spend: MemorySpend, limit: int, now: float = NOON) -> DayBlocks:
        return DayBlocks(spend=spend, account="a", limit=limit, cost=lambda usage: usage.input_tokens, now=lambda: now)

    async def test_is_taken_in_blocks_and_never_beyond_the_limit(self) -> None:
        spend = MemorySpend()
        budgets = [self.a_budget(spend, 10_000) for _ in range(3)]
        spent = 0
        over = 0
        for turn in range(600):
            budget = budgets[turn % 3]
            try:
                units = await budget.take(Usage(input_tokens=20, output_tokens=0))
            except OverBudget:
                over += 1
                continue
            budget.settle(units, Usage(input_tokens=20, output_tokens=0))
            spent += 20
        assert over == 100
        assert spent == 10_000
        for budget in budgets:
            await budget.close()
        assert await spend.counted("a", at=NOON) == spent

    async def test_counts_what_was_used_and_not_what_was_expected(self) -> None:
        spend = MemorySpend()
        budget = self.a_budget(spend, 10_000)
        units = await budget.take(Usage(input_tokens=500, output_tokens=0))
        budget.settle(units, Usage(input_tokens=700, output_tokens=0))
        await budget.close()
        assert await spend.counted("a", at=NOON) == 700

    async def test_stops_a_model_before_the_call_and_until_midnight(self) -> None:
        service = Scripted()
        model = limited(service, a_limiter(), "files", self.a_budget(MemorySpend(), 10))
        with pytest.raises(OverBudget) as over:
            await model.converse(a_request())
        assert over.value.retry_after == until_midnight(NOON)
        assert service.calls == 0

    async def test_begins_anew_at_midnight_utc(self) -> None:
        spend = MemorySpend()
        clock = [NOON]
        budget = DayBlocks(
            spend=spend, account="a", limit=100, cost=lambda usage: usage.input_tokens, now=lambda: clock[0]
        )
        await budget.take(Usage(input_tokens=100, output_tokens=0))
        with pytest.raises(OverBudget):
            await budget.take(Usage(input_tokens=1, output_tokens=0))
        clock[0] += until_midnight(NOON)
        assert await budget.take(Usage(input_tokens=100, output_tokens=0)) == 100
