import os
import sys
from pathlib import Path

import pytest

from local.provisioning import Provisioned
from tests.chaos.bridge_run import run_bridge
from tests.chaos.scale import scale_of, seeds_of


@pytest.mark.parametrize("seed", seeds_of(os.environ))
async def test_every_change_of_a_ticket_reaches_its_queue_once_and_in_order(
    seed: int, resources: Provisioned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What does it do: bridges the stream of a table to a FIFO queue while its tasks are killed, stopped, paused past
    their lease and woken, and while connections break, calls are throttled and batches fail in part. In the middle
    everything is killed at once.

    How does it do it: two to four real task processes against the emulator through a faulty proxy, on a schedule made
    from the seed. It then compares the stream as the emulator has it with what came out of the queue: each change
    once, in order per ticket, and no checkpoint beyond what had arrived while nothing ran. Tasks that got SIGTERM must
    have exited with status 0 inside their drain limit.
    """
    found, about = await run_bridge(resources, tmp_path, scale=scale_of(os.environ), seed=seed)
    with capsys.disabled():
        sys.stdout.write(f"\nbridge chaos, CHAOS_SEED={seed}: {about}\n")
    assert found == []
