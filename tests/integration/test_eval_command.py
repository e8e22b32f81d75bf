"""`deskhand eval` as a user runs it: starts what it needs, judges, reports, and leaves nothing behind."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.embedded import ROOT, sole_holder

LIMIT_SECONDS = 180


def evaluate(out: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: it sets this process's AWS variables and logs."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(
        [sys.executable, "-m", "cli", "eval", "--out", str(out), *arguments],
        cwd=ROOT,
        env={**ours, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def figures(result: subprocess.CompletedProcess[str]) -> Mapping[str, object]:
    """The one line on stdout."""
    (line,) = result.stdout.splitlines()
    value: dict[str, object] = json.loads(line)
    return value


@pytest.mark.parametrize("backend", ["converse", "bedrock_agent", "agentcore_harness"])
def test_cases_pass_on_every_back_end(tmp_path: Path, backend: str) -> None:
    result = evaluate(tmp_path, "--backend", backend, "--case", "reference-*", "--json")

    assert result.returncode == 0, result.stderr
    assert figures(result) == {
        "backend": backend,
        "cases": 6,
        "passed": 6,
        "violations": 0,
        "strict": 6,
        "unordered": 6,
    }
    assert "no language model" in result.stderr


def test_a_hosted_agent_s_recording_is_replayed_without_a_model_and_says_where_it_diverges(tmp_path: Path) -> None:
    recording, again = tmp_path / "recording", tmp_path / "again"
    chosen = ("--backend", "bedrock_agent", "--case", "reference-[36]")
    recorded = evaluate(tmp_path / "first", *chosen, "--record", str(recording), "--json")
    assert (recorded.returncode, figures(recorded)["passed"]) == (0, 2), recorded.stderr
    file = recording / "reference-3.jsonl"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")

    result = evaluate(again, *chosen, "--replay", str(recording))

    assert result.returncode == 1
    assert "1 of 2 cases passed" in result.stdout
    assert "reference-3: the replay diverged: turn 5: the recording ends after turn 4" in result.stderr
    assert "turn 5" in (again / "report.html").read_text(encoding="utf-8")
    verdicts = json.loads((again / "report.json").read_text(encoding="utf-8"))["verdicts"]
    assert [(verdict["passed"], verdict["outcome"]) for verdict in verdicts] == [
        (False, "unassigned"),
        (True, "assigned to @sam"),
    ]
    assert not (again / "bedrock.log").exists(), "a replay starts no model"


@pytest.mark.parametrize(
    ("arguments", "environment", "problem"),
    [
        (("--cloud", "local", "--case", "nothing-*"), {}, "no case is called nothing-*"),
        (("--replay", "/no/such/folder"), {}, "there is no folder /no/such/folder"),
        (("--replay", ".", "--record", "x"), {}, "records or replays"),
        ((), {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}, "no model is named"),
    ],
)
def test_what_a_user_gets_wrong_is_said_with_its_remedy(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], problem: str
) -> None:
    result = CliRunner().invoke(app, ["eval", "--out", str(tmp_path), *arguments], env=environment)

    assert result.exit_code == 1
    assert problem in result.stderr
    assert len(result.stderr.splitlines()) == 2
    assert result.stdout == ""


def test_a_back_end_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["eval", "--out", str(tmp_path), "--backend", "crystal_ball"])

    assert result.exit_code == 2
    assert "agentcore_harness" in result.stderr


def test_one_evaluation_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    with sole_holder(tmp_path):
        result = CliRunner().invoke(app, ["eval", "--out", str(tmp_path), "--case", "reference-1"])

    assert result.exit_code == 1
    assert "already running" in result.stderr


def test_with_aws_credentials_the_model_is_asked_there_and_the_tables_stay_here(tmp_path: Path) -> None:
    """An address where nothing listens stands for Bedrock: no ticket ends, yet the tables work."""
    result = evaluate(
        tmp_path,
        *("--case", "reference-3", "--model", "some.model"),
        AWS_ACCESS_KEY_ID="AKIAEXAMPLE",
        AWS_SECRET_ACCESS_KEY="x",
        AWS_REGION="eu-west-1",
        AWS_ENDPOINT_URL_BEDROCK_RUNTIME="http://127.0.0.1:9",
        TICKET_RUN_SECONDS="1",
    )

    assert result.returncode == 1
    (verdict,) = json.loads((tmp_path / "report.json").read_text())["verdicts"]
    assert verdict["outcome"] == "unassigned"
    assert "TransientError" in verdict["problems"][0]
    assert "Bedrock on AWS answers; the tables are an emulator's." in result.stderr
