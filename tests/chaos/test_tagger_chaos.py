import os
import sys
from pathlib import Path

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from local.provisioning import Provisioned
from tests.chaos.scale import scale_of, seeds_of
from tests.chaos.tagger_run import run_feedback


@pytest.mark.parametrize("seed", seeds_of(os.environ))
async def test_every_row_is_stored_or_rejected_once_and_each_run_is_told_with_right_totals(
    seed: int,
    resources: Provisioned,
    database: str,
    bedrock: BedrockEndpoint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What does it do: two tasks of the service work on four files that overlap, with twins, rows that cannot be taken
    and rows that speak to the model, while tasks are killed and stopped, the database crashes and recovers, and the
    model throttles, fails, and garbles or drops its answers.

    How does it do it: the strikes come from the seed, each when such a share of the rows is stored; a killed task is
    replaced at once. It then reads the database, the mailbox, the bucket and the queues: of each content as many rows
    are stored as tests/chaos/feedback_files.py says, under no label but the categories and unknown; each list of
    rejects has exactly the lines that were planted; each run was told under one id, however often, with totals that are
    right and that the bucket repeats; no message is left and none is a dead letter.
    """
    scale = scale_of(os.environ)
    found, about = await run_feedback(resources, database, bedrock, tmp_path, scale=scale, seed=seed)
    with capsys.disabled():
        sys.stdout.write(f"\ntagger chaos, CHAOS_SEED={seed}: {about}\n")
    assert found == []
