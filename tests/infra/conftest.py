"""The whole of our Terraform, applied against mocks once for all tests here."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support import terraform
from tests.support.terraform import TerraformFailed, Whole

OTHER_TREE = "DESKHAND_TERRAFORM_TREE"
"""A tree to look at instead of ours: one that was broken on purpose, by mutations.py."""
# Every option on: what is optional must agree as well.
EVERYTHING = """\
  name                 = "deskhand"
  alert_email          = "alerts@example.com"
  ticket_back_end      = "agentcore_harness"
  knowledge_base       = true
  feedback_batch       = true
  cost_anomaly_usd     = 50
  dashboards_owner_arn = "arn:aws:quicksight:eu-central-1:123456789012:user/default/owner"
"""


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of our Terraform to work in; its tests are left out where there is no terraform or no provider."""
    if not terraform.is_there():
        _leave_out(terraform.ABSENT)
    source = Path(os.environ.get(OTHER_TREE, terraform.TREE))
    tree = terraform.copy_of(source, tmp_path_factory.mktemp("terraform") / "tree")
    try:
        terraform.init(tree / "stack")
    except TerraformFailed as failure:
        _leave_out(f"{terraform.NO_PROVIDER} {' '.join(str(failure).rpartition('Error: ')[2].split())[:160]}")
    return tree


@pytest.fixture(scope="session")
def whole(request: pytest.FixtureRequest) -> Whole:
    """The stack with every option on."""

    def applied() -> Whole:
        tree: Path = request.getfixturevalue("tree")
        return terraform.whole_of(tree, EVERYTHING)

    source = Path(os.environ.get(OTHER_TREE, terraform.TREE))
    return terraform.whole_kept(source, EVERYTHING, applied)


def _leave_out(reason: str) -> NoReturn:
    if os.environ.get(terraform.REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)
