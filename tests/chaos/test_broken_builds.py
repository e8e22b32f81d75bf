"""Builds that break one promise each: the checks must find every one of them, and nothing in the sound build."""

import asyncio
import secrets
from pathlib import Path

import pytest

from local.emulator import Emulator
from local.provisioning import Provisioned, provision
from tests.chaos import broken, scenarios
from tests.chaos.scenarios import Scenario

CASES = (
    (broken.DELETE_FIRST, scenarios.killed_at_work, "lost"),
    (broken.NO_FENCING, scenarios.write_that_arrives_late, "twice"),
    (broken.SAME_DEDUPLICATION_ID, scenarios.redriven_and_still_poison, "no letter"),
    (broken.NO_HEARTBEAT, scenarios.work_that_outlasts_visibility, "begun twice"),
    (broken.NO_GIVE_BACK, scenarios.stopped_with_messages_in_hand, "left over"),
    (broken.CHECKPOINT_FIRST, scenarios.killed_after_its_checkpoint, "checkpoint ahead"),
)


def fresh(emulator: Emulator) -> Provisioned:
    return provision(emulator.environment(), f"test-{secrets.token_hex(4)}")


@pytest.mark.parametrize(("build", "scenario", "promise"), CASES, ids=[build for build, _, _ in CASES])
async def test_a_broken_build_is_found_out_where_the_sound_one_keeps_its_promise(
    build: str, scenario: Scenario, promise: str, emulator: Emulator, tmp_path: Path
) -> None:
    """What does it do: puts a component that breaks one promise into the composition of a task and deals the
    misfortune that this promise is about; and deals the same to the sound build.

    How does it do it: real task processes against the emulator, each build with queues and tables of its own, side by
    side. The checks of the chaos runs read the stores: they must report that promise for the broken build, and nothing
    at all for the sound one.
    """
    (tmp_path / "sound").mkdir()
    (tmp_path / "broken").mkdir()
    sound, broke = await asyncio.gather(
        scenario(fresh(emulator), tmp_path / "sound", broken.SOUND),
        scenario(fresh(emulator), tmp_path / "broken", build),
    )
    assert sound == []
    assert promise in {finding.promise for finding in broke}
