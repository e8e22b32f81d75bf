"""The checks themselves: each kind of damage is found, and an undamaged run is not accused."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from tests.chaos.findings import (
    LETTER_ATTRIBUTES,
    Arrival,
    BridgeRun,
    Freeze,
    Letter,
    QueueRun,
    bridge_findings,
    queue_findings,
)
from tests.chaos.scale import LONG, SHORT, Scale, scale_of, seeds_of
from tests.chaos.schedule import Blow, schedule
from tests.chaos.traffic import Traffic


def a_letter(message_id: str, **attributes: str) -> Letter:
    return Letter(message_id, dict.fromkeys(LETTER_ATTRIBUTES, "something") | attributes)


def a_run(*, applied: Mapping[str, Sequence[str]] | None = None) -> QueueRun:
    return QueueRun(
        fifo=True,
        sent={"g1-1", "g1-2", "g1-3", "g2-1"},
        poison={"g1-2"},
        applied=applied or {"g1": ["g1-1", "g1-3"], "g2": ["g2-1"]},
        letters=[a_letter("g1-2")],
        left=0,
    )


def promises(run: QueueRun) -> list[str]:
    return [finding.promise for finding in queue_findings(run)]


def test_an_undamaged_run_has_no_findings() -> None:
    assert promises(a_run()) == []


@pytest.mark.parametrize(
    ("damaged", "promise"),
    [
        (a_run(applied={"g1": ["g1-1"], "g2": ["g2-1"]}), "lost"),
        (a_run(applied={"g1": ["g1-1", "g1-3", "g1-3"], "g2": ["g2-1"]}), "twice"),
        (a_run(applied={"g1": ["g1-1", "g1-2", "g1-3"], "g2": ["g2-1"]}), "twice"),
        (a_run(applied={"g1": ["g1-3", "g1-1"], "g2": ["g2-1"]}), "out of order"),
        (replace(a_run(), letters=[]), "no letter"),
        (replace(a_run(), letters=[a_letter("g1-2"), a_letter("g1-2")]), "bad letter"),
        (replace(a_run(), letters=[a_letter("g1-2"), a_letter("g2-1")]), "bad letter"),
        (replace(a_run(), letters=[a_letter("g1-2", reason="")]), "bad letter"),
        (replace(a_run(), left=1), "left over"),
    ],
)
def test_each_kind_of_damage_to_a_queue_is_found(damaged: QueueRun, promise: str) -> None:
    assert promises(damaged) == [promise]


def an_arrival(sequence_number: int, ticket: str = "t1", version: int = 1) -> Arrival:
    return Arrival(ticket, version, sequence_number)


WRITTEN = {1: ("t1", 1), 2: ("t2", 1), 3: ("t1", 2)}
ARRIVED = [an_arrival(2, "t2"), an_arrival(1, "t1"), an_arrival(3, "t1", 2)]


@pytest.mark.parametrize(
    ("run", "promise"),
    [
        (BridgeRun(WRITTEN, ARRIVED[:2]), "lost"),
        (BridgeRun(WRITTEN, [*ARRIVED, an_arrival(2, "t2")]), "twice"),
        (BridgeRun(WRITTEN, [ARRIVED[2], *ARRIVED[:2]]), "out of order"),
        (BridgeRun(WRITTEN, ARRIVED, [Freeze(checkpoint=3, arrived=2)]), "checkpoint ahead"),
    ],
)
def test_each_kind_of_damage_to_a_bridge_is_found(run: BridgeRun, promise: str) -> None:
    assert [finding.promise for finding in bridge_findings(run)] == [promise]


def test_a_bridge_that_is_behind_its_checkpoint_in_nothing_has_no_findings() -> None:
    freezes = [Freeze(checkpoint=-1, arrived=0), Freeze(checkpoint=2, arrived=2), Freeze(checkpoint=3, arrived=3)]
    assert bridge_findings(BridgeRun(WRITTEN, ARRIVED, freezes)) == []


@pytest.mark.parametrize("scale", [SHORT, LONG])
def test_a_seed_names_a_run(scale: Scale) -> None:
    strikes = schedule(scale.consumer_blows, random.Random(7))
    assert strikes == schedule(scale.consumer_blows, random.Random(7))
    assert strikes != schedule(scale.consumer_blows, random.Random(8))
    assert [strike.at for strike in strikes] == sorted(strike.at for strike in strikes)


def test_the_long_form_ends_at_least_fifty_tasks_a_seed_and_kills_most_of_them() -> None:
    strikes = [
        *schedule(LONG.consumer_blows, random.Random(1)),
        *schedule(LONG.bridge_blows, random.Random(1)),
    ]
    killed = sum(strike.blow is Blow.KILL for strike in strikes)
    stopped = sum(strike.blow is Blow.STOP for strike in strikes)
    assert killed + stopped >= 50
    assert killed >= stopped
    assert LONG.messages >= 5_000
    assert LONG.tickets >= 1_000


def test_the_environment_chooses_the_form_and_the_seeds() -> None:
    assert scale_of({}) is SHORT
    assert scale_of({"CHAOS_SCALE": "long"}) is LONG
    assert len(seeds_of({"CHAOS_SCALE": "long"})) == 3
    assert seeds_of({"CHAOS_SEED": "7,8"}) == (7, 8)


def test_traffic_numbers_each_lane_and_doubles_no_poison() -> None:
    traffic = Traffic("g", 5, random.Random(3))
    bodies = [body for _ in range(100) for body in traffic.more(10)]
    assert len(traffic.ids()) == len(traffic.sent) == 1000
    assert len(bodies) > 1000
    assert traffic.poison()
    for poison in traffic.poison():
        assert [body["id"] for body in bodies].count(poison) == 1
