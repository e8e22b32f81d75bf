"""The sweeper: one of a fleet, counting what died unseen, giving up what stands still."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from services.feedback_tagger.domain.feedback import Feedback, Row
from services.feedback_tagger.messages.chunk import chunk_as_json, row_as_json
from services.feedback_tagger.store.upkeep import ChunkId
from services.feedback_tagger.sweeper import LETTERS_HIDDEN_SECONDS, LOOK_AFTER_SECONDS, NEVER_ENDED, Sweeper
from shared.errors import TransientError
from shared.idempotency.memory import MemoryIdempotency
from shared.idempotency.standing import StandingClaim
from shared.queue.dead_letters import SOURCE_MESSAGE_ID
from shared.queue.memory import MemoryQueue
from tests.support.queues import loop_time, outgoing

pytestmark = pytest.mark.looptime

STUCK_SECONDS = 3600.0


@dataclass
class Runs:
    """Both stores, as far as the sweeper sees them: open runs with when they last moved, and which chunks ended."""

    moved_at: dict[str, float] = field(default_factory=dict)
    ended: set[ChunkId] = field(default_factory=set)
    buried: list[tuple[ChunkId, list[int], str]] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    away: bool = False

    async def idle_runs(self, *, idle_seconds: float) -> list[str]:
        if self.away:
            raise TransientError("the database is away")
        return [run for run, at in self.moved_at.items() if loop_time() - at >= idle_seconds]

    async def uncounted(self, chunks: Sequence[ChunkId]) -> set[ChunkId]:
        return {chunk for chunk in chunks if chunk.run_id in self.moved_at and chunk not in self.ended}

    async def give_up(self, run_id: str, *, idle_seconds: float, problem: str) -> int | None:
        del self.moved_at[run_id]
        self.given_up.append(run_id)
        return 1

    async def bury_chunk(self, run_id: str, chunk_no: int, *, lines: Sequence[int], reason: str) -> None:
        self.ended.add(ChunkId(run_id, chunk_no))
        self.buried.append((ChunkId(run_id, chunk_no), list(lines), reason))
        self.moved_at[run_id] = loop_time()


@dataclass
class Fleet:
    runs: Runs = field(default_factory=Runs)
    letters: MemoryQueue = field(default_factory=lambda: MemoryQueue("chunks-dead"))
    claims: MemoryIdempotency = field(default_factory=lambda: MemoryIdempotency(now=loop_time))
    swept: list[str] = field(default_factory=list)

    def a_sweeper(self, owner: str = "task-1") -> Sweeper:
        def beat() -> None:
            self.swept.append(owner)

        return Sweeper(
            claim=StandingClaim(claims=self.claims, key="sweeper", owner=owner, ttl_seconds=30),
            upkeep=self.runs,  # type: ignore[arg-type]  # what the sweeper uses of it
            rows=self.runs,  # type: ignore[arg-type]
            dead_chunks=self.letters,
            sweep_seconds=10,
            stuck_seconds=STUCK_SECONDS,
            beat=beat,
        )

    async def bury(self, number: int, *, by_us: bool = False, body: str | None = None, run_id: str = "run-1") -> None:
        rows = [row_as_json(Row(line=line, identity=f"i{line}", feedback=Feedback(feedback="late"))) for line in (4, 5)]
        chunk = body or chunk_as_json(run_id=run_id, task="categorise", number=number, rows=rows)
        about = {SOURCE_MESSAGE_ID: "m-1", "reason": "no"} if by_us else {}
        await self.letters.send([outgoing(chunk, attributes=about)])


async def test_a_chunk_that_sqs_moved_unseen_is_counted_once_and_its_letter_stays() -> None:
    fleet = Fleet()
    fleet.runs.moved_at["run-1"] = 0
    await fleet.bury(3)
    stop = asyncio.Event()
    sweeping = asyncio.create_task(fleet.a_sweeper().run(stop))
    await asyncio.sleep(LOOK_AFTER_SECONDS + 3 * LETTERS_HIDDEN_SECONDS)
    stop.set()
    await sweeping
    assert fleet.runs.buried == [(ChunkId("run-1", 3), [4, 5], NEVER_ENDED)]
    assert len(fleet.letters.stored) == 1


async def test_letters_that_say_where_they_come_from_or_are_no_chunks_are_left_alone() -> None:
    fleet = Fleet()
    fleet.runs.moved_at["run-1"] = -LOOK_AFTER_SECONDS
    await fleet.bury(1, by_us=True)
    await fleet.bury(2, body="no chunk")
    await fleet.bury(3, body=json.dumps([1]))
    fleet.runs.ended.add(ChunkId("run-1", 4))
    await fleet.bury(4)
    await fleet.bury(5, run_id="run-over")
    await fleet.a_sweeper().sweep()
    assert fleet.runs.buried == []


async def test_dead_letters_are_looked_at_only_while_a_run_stands_still() -> None:
    fleet = Fleet()
    await fleet.bury(3)
    await fleet.a_sweeper().sweep()
    fleet.runs.moved_at["run-1"] = loop_time()
    await fleet.a_sweeper().sweep()
    assert fleet.letters.faults.calls == ["send"]


async def test_more_letters_than_one_receive_are_all_looked_at() -> None:
    fleet = Fleet()
    fleet.runs.moved_at["run-1"] = -LOOK_AFTER_SECONDS
    for number in range(35):
        await fleet.bury(number)
    await fleet.a_sweeper().sweep()
    assert sorted(chunk.number for chunk, _, _ in fleet.runs.buried) == list(range(35))


async def test_a_run_that_stands_still_for_too_long_is_given_up_and_others_are_not() -> None:
    fleet = Fleet()
    fleet.runs.moved_at = {"stuck": -STUCK_SECONDS, "slow": 30 - STUCK_SECONDS}
    await fleet.a_sweeper().sweep()
    assert fleet.runs.given_up == ["stuck"]


async def test_a_run_whose_last_chunk_was_found_among_the_letters_is_not_given_up() -> None:
    fleet = Fleet()
    fleet.runs.moved_at["run-1"] = -STUCK_SECONDS
    await fleet.bury(3)
    await fleet.a_sweeper().sweep()
    assert (len(fleet.runs.buried), fleet.runs.given_up) == (1, [])


async def test_one_task_of_a_fleet_sweeps_and_another_takes_over_when_it_leaves() -> None:
    fleet = Fleet()
    first_stop, second_stop = asyncio.Event(), asyncio.Event()
    looks: list[str] = []

    def watched(owner: str) -> Sweeper:
        sweeper = fleet.a_sweeper(owner)

        class Upkeep(Runs):
            async def idle_runs(self, *, idle_seconds: float) -> list[str]:
                looks.append(owner)
                return []

        sweeper.upkeep = Upkeep()  # type: ignore[assignment]
        return sweeper

    first = asyncio.create_task(watched("first").run(first_stop))
    await asyncio.sleep(1)
    second = asyncio.create_task(watched("second").run(second_stop))
    await asyncio.sleep(60)
    assert set(looks) == {"first"}
    first_stop.set()
    await first
    looks.clear()
    await asyncio.sleep(15)
    second_stop.set()
    await second
    assert set(looks) == {"second"}
    assert {"first", "second"} <= set(fleet.swept)


async def test_a_database_that_is_away_ends_no_sweeping() -> None:
    fleet = Fleet()
    fleet.runs.away = True
    stop = asyncio.Event()
    sweeping = asyncio.create_task(fleet.a_sweeper().run(stop))
    await asyncio.sleep(100)
    fleet.runs.away = False
    fleet.runs.moved_at["run-1"] = -STUCK_SECONDS
    await asyncio.sleep(20)
    stop.set()
    await sweeping
    assert fleet.runs.given_up == ["run-1"]
