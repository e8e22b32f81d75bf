"""Taggers that break one promise each: the checks of the chaos must find every one of them."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from local.bedrock_endpoint import BedrockEndpoint
from local.emulator import Emulator
from local.postgres import Postgres
from local.provisioning import provision
from tests.chaos import broken_tagger
from tests.chaos.broken import SOUND
from tests.chaos.findings import Finding
from tests.chaos.scale import SHORT, Blows
from tests.chaos.tagger_run import run_feedback

# Two kills while chunks are at work, and small files: what is asked is whether the fault shows, not how often.
SMALL = replace(SHORT, feedback_rows=240, feedback_blows=Blows(seconds=0.5, ends=2, pauses=0, cuts=0))
QUIET_SECONDS = 15.0
PATIENCE_SECONDS = 90.0
REFUSES = {"CHAOS_MODEL": "refuses"}
"""A model that takes some prompts never, so that their chunks die."""


async def promises_broken(
    build: str,
    emulator: Emulator,
    postgres: Postgres,
    bedrock: BedrockEndpoint,
    folder: Path,
    *,
    more: Mapping[str, str] | None = None,
) -> list[Finding]:
    home = folder / build
    home.mkdir()
    found, _ = await run_feedback(
        provision(emulator.environment(), f"test-{secrets.token_hex(4)}"),
        postgres.create_database(f"test_{secrets.token_hex(4)}"),
        bedrock,
        home,
        scale=SMALL,
        seed=1,
        build=build,
        faults=(),
        more=more or {},
        tasks=1,
        # A sound build ends by itself, however slow the machine; of a broken one this is how long nobody hears.
        quiet_seconds=PATIENCE_SECONDS if build == SOUND else QUIET_SECONDS,
    )
    return found


async def test_taggers_that_lose_rows_store_them_twice_or_close_too_early_are_found_out(
    emulator: Emulator, postgres: Postgres, bedrock: BedrockEndpoint, tmp_path: Path
) -> None:
    """What does it do: puts a port that breaks one promise into the composition of a task, and runs the chaos with it.

    How does it do it: three builds side by side, each with queues, a bucket and a database of its own. The first
    deletes a chunk before its rows are stored, and is killed; the second names rows at random, so that those of
    overlapping files are new each time; the third closes a run without looking whether its chunks have ended.
    """
    builds = {
        broken_tagger.DELETE_BEFORE_STORE: "lost",
        broken_tagger.NEW_IDENTITY: "twice",
        broken_tagger.CLOSE_WITHOUT_LOOKING: "totals",
    }
    found = await asyncio.gather(*(promises_broken(build, emulator, postgres, bedrock, tmp_path) for build in builds))
    for (build, promise), findings in zip(builds.items(), found, strict=True):
        assert promise in {finding.promise for finding in findings}, build


async def test_a_tagger_that_forgets_its_dead_chunks_never_ends_their_runs(
    emulator: Emulator, postgres: Postgres, bedrock: BedrockEndpoint, tmp_path: Path
) -> None:
    """What does it do: lets chunks die, in a build that counts them and in one that only says so.

    How does it do it: the model refuses some prompts, and a harmless one too, so that their chunks are dead letters.
    The sound build tells every run, with failed rows; of the broken one nobody hears the end.
    """
    sound, broke = await asyncio.gather(
        *(
            promises_broken(build, emulator, postgres, bedrock, tmp_path, more=REFUSES)
            for build in (SOUND, broken_tagger.BURY_WITHOUT_COUNTING)
        )
    )
    assert not any("nobody was told" in finding.what for finding in sound)
    assert any("feedback-chunks-dead" in finding.what for finding in sound), "no chunk died: this proved nothing"
    assert any("nobody was told" in finding.what for finding in broke)
