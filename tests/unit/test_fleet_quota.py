"""What a task's limiter is told: settings before published figures, its part of them, and the old ones in an outage."""

from collections.abc import Sequence

import pytest

from shared.errors import TransientError
from shared.model.fleet import FleetQuota, fleet_quota
from shared.model.memory import MemoryShares
from shared.model.prices import PRICES, QuotaCodes
from shared.model.quota import Limits
from shared.model.settings import ModelSettings
from shared.model.shares import TICKETS, Member

MICRO = "us.amazon.nova-micro-v1:0"


class Answers:
    """A Published that gives what it was given, one a call."""

    def __init__(self, *answers: Limits | Exception) -> None:
        self._answers = list(answers)
        self.codes: list[QuotaCodes] = []

    async def limits(self, codes: QuotaCodes) -> Limits:
        self.codes.append(codes)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Away:
    async def renew(self, member: Member) -> Sequence[Member]:
        raise TransientError("no table today")

    async def remove(self, member: Member) -> None:
        raise TransientError("no table today")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_quota(clock: Clock, *, published: Answers | None = None, shares: object = None, **settings: str) -> FleetQuota:
    return fleet_quota(
        MICRO,
        ModelSettings.from_environment(settings),
        service="feedback_tagger",
        task="me",
        price=PRICES.of(MICRO),
        published=published,
        shares=shares,  # type: ignore[arg-type]
        monotonic=clock,
    )


async def test_a_task_alone_is_allowed_what_the_settings_say() -> None:
    quota = a_quota(Clock(), shares=MemoryShares(), MODEL_TOKENS_PER_MINUTE="50000")
    await quota.turn()
    assert quota.limiter.allowed == 50_000


async def test_what_the_settings_say_wins_over_what_is_published() -> None:
    published = Answers(Limits(tokens_per_minute=1.0))
    quota = a_quota(Clock(), published=published, MODEL_TOKENS_PER_MINUTE="50000")
    await quota.turn()
    assert quota.limiter.allowed == 50_000
    assert published.codes == []


async def test_the_published_limit_is_asked_for_by_the_price_file_s_code_or_the_settings() -> None:
    published = Answers(Limits(tokens_per_minute=4e6))
    quota = a_quota(Clock(), published=published)
    await quota.turn()
    assert quota.limiter.allowed == 4e6
    assert published.codes[0].tokens_per_minute == "L-DC7FF66C"
    other = Answers(Limits(tokens_per_minute=4e6))
    await a_quota(Clock(), published=other, MODEL_QUOTA_CODE="L-12345678").turn()
    assert other.codes[0].tokens_per_minute == "L-12345678"


async def test_a_published_limit_is_read_again_and_kept_while_it_cannot_be() -> None:
    clock = Clock()
    published = Answers(Limits(tokens_per_minute=100.0), TransientError("denied"), Limits(tokens_per_minute=300.0))
    quota = a_quota(clock, published=published)
    seen = []
    for _ in range(3):
        await quota.turn()
        await quota.turn()
        seen.append(quota.limiter.allowed)
        clock.now += 900
    assert seen == [100.0, 100.0, 300.0]


async def test_a_ticket_agent_that_comes_takes_its_share_from_files() -> None:
    clock = Clock()
    shares = MemoryShares()
    quota = a_quota(clock, shares=shares, MODEL_TOKENS_PER_MINUTE="1000", TICKET_SHARE="0.25")
    await quota.turn()
    await shares.renew(Member(task="t", service=TICKETS, demand=0.0, beat=1))
    await quota.turn()
    allowed = quota.limiter.allowed
    assert allowed is not None
    assert 0 < allowed <= 750


async def test_without_the_store_a_new_task_goes_on_with_a_small_part() -> None:
    quota = a_quota(Clock(), shares=Away(), MODEL_TOKENS_PER_MINUTE="1000")
    await quota.turn()
    assert quota.limiter.allowed == pytest.approx(50)
