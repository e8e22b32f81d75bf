"""`deskhand feedback evaluate` as a user runs it: real asking against the local endpoint, and what it refuses."""

import html
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REVIEWS = ROOT / "local" / "sample" / "reviews.csv"
LIMIT_SECONDS = 120.0


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    own = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "FEEDBACK_", "DESKHAND_"))}
    command = [sys.executable, "-m", "cli", "feedback", "evaluate", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=own, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )


def test_a_labelled_file_becomes_figures_and_a_page(tmp_path: Path) -> None:
    page = tmp_path / "deep" / "report.html"

    ended = run(str(REVIEWS), "--task", "sentiment", "--label-column", "by_hand", "--json", "--html", str(page))

    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    (model,) = document["models"]
    assert model["rows"] == model["fields"]["overall"]["rows"] == 14
    assert model["fields"]["delivery"]["majority"] == {"answer": "none", "accuracy": 0.7143}
    assert sum(cell["rows"] for cell in model["fields"]["delivery"]["confusion"]) == 14
    assert model["calls"] == 1 + sum(size["checked"] for size in model["agreement"])
    assert model["input_tokens"] > 0 < model["usd"]
    assert "say nothing about the quality of any model" in document["stand_in"]
    assert "say nothing about the quality of any model" in ended.stderr
    assert document["stand_in"] in html.unescape(page.read_text(encoding="utf-8"))


def test_two_models_stand_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("feedback,kind\nmy card was charged twice,Payment\nthe parcel is late,Delivery\n", encoding="utf-8")
    models = ("amazon.nova-micro-v1:0", "amazon.nova-pro-v1:0")

    ended = run(str(file), "--label-column", "kind", "--json", "--model", models[0], "--model", models[1])

    assert ended.returncode == 0, ended.stderr
    found = {model["model"]: model for model in json.loads(ended.stdout)["models"]}
    assert tuple(found) == models
    assert found[models[0]]["fields"] == found[models[1]]["fields"], "one stand-in answers for both"
    assert found[models[0]]["usd"] < found[models[1]]["usd"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--label-column", "nope", "--task", "sentiment"), "nothing in a column 'nope'"),
        (("--label-column", "by_hand", "--task", "moods"), "there is no task 'moods'"),
        (("--label-column", "feedback"), "which is no label"),
        (("--label-column", "by_hand", "--task", "sentiment", "--cloud", "aws"), "no model is named"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_two_lines(arguments: tuple[str, ...], said: str) -> None:
    ended = run(str(REVIEWS), *arguments)

    assert ended.returncode == 1
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
