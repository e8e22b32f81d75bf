import os
import sys
from pathlib import Path

import pytest

from local.bedrock_endpoint import BedrockEndpoint
from local.provisioning import Provisioned
from tests.chaos.scale import scale_of, seeds_of
from tests.chaos.ticket_run import run_tickets
from tests.support.cloud import AwsClients


@pytest.mark.skipif(scale_of(os.environ).name == "short", reason="its short form is in test_ticket_kills.py")
@pytest.mark.parametrize("seed", seeds_of(os.environ))
async def test_every_ticket_ends_once_is_granted_once_and_is_told_in_order(
    seed: int,
    resources: Provisioned,
    aws: AwsClients,
    bedrock: BedrockEndpoint,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What does it do: two tasks of the service work on 1,000 tickets of many employees, types and durations while
    more than 50 of them are killed or stopped, and some paused for longer than what they hold is theirs and woken.
    People decline every other ticket that is assigned to them.

    How does it do it: the tickets are put as others end, and the strikes come from the seed, by the number of tickets
    that have ended. It then reads tables, ledger, mailbox and queues: every ticket was ended once by the agent, as the
    policy, stated again in tests/chaos/ticket_rules.py, allows; a ticket has at most one grant, in the table and in the
    ledger; each ledger's chain closes; each status was told, first in the order of the versions and always under the
    same id with the same text; no message is left and none is a dead letter. Access that one ticket brought may or may
    not be there when another one asks, so both endings of that other one are right.
    """
    found, about = await run_tickets(resources, aws, bedrock, tmp_path, scale=scale_of(os.environ), seed=seed)
    with capsys.disabled():
        sys.stdout.write(f"\nticket chaos, CHAOS_SEED={seed}: {about}\n")
    assert found == []
