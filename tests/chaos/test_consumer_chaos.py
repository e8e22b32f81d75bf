import os
import sys
from pathlib import Path

import pytest

from local.provisioning import Provisioned
from tests.chaos.consumer_run import run_consumer
from tests.chaos.scale import scale_of, seeds_of


@pytest.mark.parametrize("seed", seeds_of(os.environ))
async def test_every_message_takes_effect_once_or_lies_in_the_dead_letter_queue_with_its_reason(
    seed: int, resources: Provisioned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What does it do: sends messages through a FIFO and a standard queue, some of them poison, some again long after
    they were handled, some redriven from the dead-letter queue, while tasks are killed, stopped, paused past their
    visibility timeout and woken, connections break, calls are throttled and batches fail in part.

    How does it do it: two to four real task processes against the emulator through a faulty proxy, on a schedule made
    from the seed; visibility timeouts of seconds, so that take-overs happen. It then reads the queues, the dead-letter
    queues and the table of effects: everything sent has its effect exactly once, in order per group, or is poison and
    a dead letter with all that a person needs; nothing waits or is in flight. Tasks that got SIGTERM must have exited
    with status 0 inside their drain limit.
    """
    found, about = await run_consumer(resources, tmp_path, scale=scale_of(os.environ), seed=seed)
    with capsys.disabled():
        sys.stdout.write(f"\nconsumer chaos, CHAOS_SEED={seed}: {about}\n")
    assert found == []
