"""The comparison behind the tagger's chaos sees what it is there to see: each fault, planted alone, is found."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.feedback_files import File, content_of, expected, files_of
from tests.chaos.tagger_findings import FeedbackRun, Told, tagger_findings

ONE, TWO = ("r-1", "late"), ("r-2", "late")
FILE = File("a.csv", b"", 4, Counter({ONE: 2, TWO: 1}), frozenset({3}))
RESULT: dict[str, Any] = {
    "run_id": "run-1",
    "rows": 4,
    "stored": 3,
    "duplicates": 0,
    "rejected": 1,
    "failed": 0,
    "status": "partial",
    "by_label": {"Payment": 2, "unknown": 1},
    "chunks": {"total": 1, "done": 1, "dead": 0, "lost": 0},
}
SOUND = FeedbackRun(
    files=[FILE],
    runs=["run-1"],
    stored=Counter({ONE: 2, TWO: 1}),
    labels=frozenset({"Payment", "unknown"}),
    categories=frozenset({"Payment", "Hardware", "unknown"}),
    # A repeat under the same id is allowed.
    told=[Told("run-1:1", RESULT), Told("run-1:1", RESULT)],
    documents={"run-1": RESULT},
    rejects={"run-1": [3]},
    left={"feedback-chunks": 0},
)


def told(**changes: Any) -> dict[str, Any]:
    result = {**RESULT, **changes}
    return {"told": [Told("run-1:1", result)], "documents": {"run-1": result}}


def test_a_sound_run_has_no_findings() -> None:
    assert tagger_findings(SOUND) == []


@pytest.mark.parametrize(
    ("promise", "changes"),
    [
        ("lost", {"stored": Counter({ONE: 1, TWO: 1})}),
        ("lost", {"told": []}),
        ("twice", {"stored": Counter({ONE: 2, TWO: 2})}),
        ("twice", {"told": [*SOUND.told, Told("run-1:2", RESULT)]}),
        ("totals", told(stored=2)),
        ("totals", told(rows=5)),
        ("totals", told(status="complete")),
        ("totals", told(failed=1)),
        ("totals", told(by_label={"Payment": 1})),
        ("totals", told(chunks={"total": 2, "done": 1, "dead": 1, "lost": 0})),
        ("totals", {"documents": {}}),
        ("rejects", {"rejects": {"run-1": []}}),
        ("rejects", {"rejects": {"run-1": [3, 3]}}),
        ("label", {"labels": frozenset({"Payment", "Hacked"})}),
        ("left over", {"left": {"feedback-chunks-dead": 1}}),
    ],
)
def test_a_planted_fault_is_found(promise: str, changes: dict[str, Any]) -> None:
    assert promise in {finding.promise for finding in tagger_findings(replace(SOUND, **changes))}


def test_the_files_overlap_and_have_twins_rejects_and_rows_that_speak_to_the_model() -> None:
    files = files_of(800, random.Random(1))
    stored = expected(files)
    assert 0 < stored.total() < sum(file.good.total() for file in files)
    assert any(count == 2 for count in stored.values())
    assert all(file.rejected for file in files)
    assert any("Ignore all" in text for _, text in stored)
    assert content_of({"id": "r-1", "feedback": " late "}) == ONE
