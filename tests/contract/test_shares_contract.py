"""The promise of a fleet's shares, in memory and in DynamoDB; and the pure division that rests on it."""

import secrets
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.aws.clients import aws_session, open_client
from shared.model.dynamodb_shares import DynamoDbShares
from shared.model.memory import MemoryShares
from shared.model.shares import BEAT_SECONDS, GONE_SECONDS, TICKETS, Member, Shared, Shares, divided
from tests.support.contract_clouds import CLOUDS, contract_table, use_cloud

TAGGER = "feedback_tagger"


def a_member(task: str = "a", *, service: str = TAGGER, demand: float = 100.0, beat: int = 1) -> Member:
    return Member(task=task, service=service, demand=demand, beat=beat)


@pytest.fixture(params=["memory", *CLOUDS])
async def shares(request: pytest.FixtureRequest) -> AsyncIterator[Shares]:
    if request.param == "memory":
        yield MemoryShares()
        return
    use_cloud(request.param, request)
    async with open_client(aws_session(), "dynamodb") as client, contract_table(client, "leaseKey") as created:
        # Members of another model's quota in the same table are none of ours.
        await DynamoDbShares(client, created["TableName"], model_id="other").renew(a_member("z"))
        yield DynamoDbShares(client, created["TableName"], model_id=f"model-{secrets.token_hex(2)}")


async def test_a_member_sees_itself_and_all_others(shares: Shares) -> None:
    assert await shares.renew(a_member("a")) == [a_member("a")]
    assert set(await shares.renew(a_member("b", service=TICKETS))) == {a_member("a"), a_member("b", service=TICKETS)}


async def test_renewing_puts_a_member_in_its_earlier_self_s_place(shares: Shares) -> None:
    await shares.renew(a_member("a"))
    assert await shares.renew(a_member("a", demand=5.0, beat=2)) == [a_member("a", demand=5.0, beat=2)]


async def test_a_member_that_renewed_meanwhile_is_not_removed(shares: Shares) -> None:
    await shares.renew(a_member("a", beat=1))
    await shares.renew(a_member("a", beat=2))
    await shares.remove(a_member("a", beat=1))
    assert len(await shares.renew(a_member("b"))) == 2
    await shares.remove(a_member("a", beat=2))
    assert await shares.renew(a_member("b")) == [a_member("b")]


async def test_removing_who_is_not_there_is_no_error(shares: Shares) -> None:
    await shares.remove(a_member("nobody"))


members = st.lists(
    st.builds(
        Member,
        task=st.text("abcdefgh", min_size=1, max_size=3),
        service=st.sampled_from([TAGGER, TICKETS]),
        demand=st.floats(0, 1e6),
        beat=st.just(1),
    ),
    max_size=12,
    unique_by=lambda member: member.task,
)


@given(members, st.floats(0, 0.9))
def test_parts_add_up_to_no_more_than_all_and_everybody_has_one(found: list[Member], ticket_share: float) -> None:
    parts = divided(found, ticket_share=ticket_share)
    assert sum(parts.values()) <= 1 + 1e-9
    assert all(part > 0 for part in parts.values())
    if found:
        assert sum(parts.values()) == pytest.approx(1)


@given(members, st.floats(0.05, 0.9))
def test_tickets_keep_their_share_whatever_files_ask_for(found: list[Member], ticket_share: float) -> None:
    parts = divided(found, ticket_share=ticket_share)
    tickets = [member.task for member in found if member.service == TICKETS]
    if tickets:
        assert sum(parts[task] for task in tickets) >= ticket_share - 1e-9


def test_parts_follow_demand() -> None:
    parts = divided([a_member("a", demand=300), a_member("b", demand=100)], ticket_share=0.1)
    assert parts == pytest.approx({"a": 0.75, "b": 0.25})


class Fleet:
    """Tasks that beat in turn on a shared store, each with its own view; time passes by hand."""

    def __init__(self) -> None:
        self.store = MemoryShares()
        self.views: dict[str, Shared] = {}
        self.beats: dict[str, int] = {}
        self.now = 0.0

    def join(self, task: str) -> None:
        self.views[task] = Shared(task=task, ticket_share=0.1)
        self.beats[task] = 0

    async def beat(self, demand: dict[str, float]) -> None:
        """Every living task renews once, evenly over a beat; the parts in use never exceed the limit."""
        for task in list(self.views):
            self.now += BEAT_SECONDS / len(self.views)
            self.beats[task] += 1
            member = a_member(task, demand=demand.get(task, 0.0), beat=self.beats[task])
            found = await self.store.renew(member)
            for gone in self.views[task].gone(found, self.now):
                await self.store.remove(gone)
            self.views[task].update(found, self.now)

    @property
    def total(self) -> float:
        return sum(view.part for view in self.views.values())


async def test_a_task_alone_has_all_of_it_at_once() -> None:
    fleet = Fleet()
    fleet.join("a")
    await fleet.beat({})
    assert fleet.views["a"].part == 1.0


async def test_a_task_that_joins_takes_its_part_only_when_the_others_have_given_it_up() -> None:
    fleet = Fleet()
    fleet.join("a")
    await fleet.beat({"a": 100})
    fleet.join("b")
    await fleet.beat({"a": 100, "b": 100})
    assert fleet.views["b"].part <= 0.05
    for _ in range(4):
        await fleet.beat({"a": 100, "b": 100})
        assert fleet.total <= 1.05
    assert fleet.views["a"].part == pytest.approx(0.5)
    assert fleet.views["b"].part == pytest.approx(0.5)


async def test_the_part_of_a_dead_task_comes_back() -> None:
    fleet = Fleet()
    fleet.join("a")
    fleet.join("b")
    for _ in range(5):
        await fleet.beat({"a": 100, "b": 100})
    del fleet.views["b"]
    died = fleet.now
    while fleet.views["a"].part < 0.99:
        await fleet.beat({"a": 100})
        assert fleet.now < died + GONE_SECONDS + 6 * BEAT_SECONDS
    assert await fleet.store.renew(a_member("a", beat=99)) == [a_member("a", beat=99)]


async def test_parts_in_use_stay_within_the_limit_while_demand_moves() -> None:
    fleet = Fleet()
    for task in "abc":
        fleet.join(task)
    for turn in range(60):
        await fleet.beat({task: 1000.0 if (turn // 5 + number) % 3 == 0 else 10.0 for number, task in enumerate("abc")})
        if turn > 3:
            assert fleet.total <= 1.0 + 1e-6
