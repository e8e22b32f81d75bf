"""`deskhand runs show` and `deskhand cost` on run documents and a ledger as the services write them."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from local.provisioning import Provisioned
from services.feedback_tagger.domain.run import Terms
from services.feedback_tagger.domain.spent import Spent
from shared.aws.items import to_item
from shared.clock import as_utc_text
from tests.support import run_documents

Deskhand: TypeAlias = Callable[..., Result]


@pytest.fixture
def deskhand(resources: Provisioned) -> Deskhand:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--cloud", "aws", "--name", resources.name])

    return run


def put_run(resources: Provisioned, run_id: str, **changes: Any) -> None:
    """One that a model was asked for, and that was quoted."""
    asked: dict[str, Any] = {
        "by_label": {"Payment": 2},
        "spent": Spent(calls=1, throttles=4, input_tokens=100, output_tokens=10, nano_usd=2_000_000),
        "quote": json.dumps({"nano_usd": 1_000_000}),
    }
    terms = Terms("2026-11-22", 20, "amazon.nova-lite-v1:0")
    run_documents.put_run(resources, run_id, terms=terms, **{**asked, **changes})


def test_runs_are_listed_and_one_is_shown_in_full(deskhand: Deskhand, resources: Provisioned) -> None:
    put_run(resources, "run-1")
    put_run(resources, "run-2", status="failed", problem="has no column named 'feedback'")

    listed = json.loads(deskhand("runs", "show", "--status", "failed", "--json").stdout)
    shown = deskhand("runs", "show", "run-1")

    assert [run["run_id"] for run in listed] == ["run-2"]
    assert "run-1" in deskhand("runs", "show").stdout
    for word in (
        "3 = 2 stored + 0 duplicates + 1 rejected",
        f"s3://{resources.bucket}/rejects/run-1/rows.csv",
        "amazon.nova-lite-v1:0",
        "+100%",
        "4 calls",
        "Payment",
    ):
        assert word in shown.stdout, word


def test_a_run_that_nobody_wrote_about_is_said(deskhand: Deskhand) -> None:
    result = deskhand("runs", "show", "run-0")

    assert result.exit_code == 1
    assert "deskhand runs show" in result.stderr


def test_cost_adds_up_runs_and_tickets(deskhand: Deskhand, resources: Provisioned) -> None:
    put_run(resources, "run-1")
    put_run(resources, "run-2")
    now = time.time()
    for at, entry in ((now, "turn#0001#0001"), (now, "call#0001#0001#01"), (now - 40 * 86_400, "turn#0001#0002")):
        row = {"ticketId": "T-1", "entry": entry, "at": as_utc_text(at), "inputTokens": 1000, "outputTokens": 10}
        resources.client("dynamodb").put_item(TableName=resources.tables["Ledger"], Item=to_item(row))

    found = json.loads(deskhand("cost", "--json").stdout)
    feedback, tickets = found["spent"]

    assert feedback["model"] == "amazon.nova-lite-v1:0"
    assert (feedback["jobs"], feedback["rows"], feedback["usd"], feedback["quoted_usd"]) == (2, 4, 0.004, 0.002)
    # The services of this cloud are not deployed, so nobody knows the model of the tickets: no price, and said so.
    assert (tickets["jobs"], tickets["input_tokens"], tickets["unpriced"]) == (1, 1000, 1)
    assert [budget["account"] for budget in found["budgets"]] == ["tickets", "feedback"]
    assert datetime.now(UTC).date().isoformat() in deskhand("cost", "--of", "feedback").stdout
