"""What a chaos run of the tagger broke: pure comparison of its files with tables, results, reject lists and queues."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.feedback_files import Content, File, expected
from tests.chaos.findings import Finding


@dataclass(frozen=True, slots=True)
class Told:
    """One result as it arrived, with the id that tells a repeat."""

    id: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRun:
    """All after the tasks have stopped. ``runs`` and ``files`` go together by place.

    ``labels`` are those in the label column, ``rejects`` the lines in each run's list of rejects, ``left`` messages by
    queue.
    """

    files: Sequence[File]
    runs: Sequence[str]
    stored: Counter[Content]
    labels: frozenset[str]
    categories: frozenset[str]
    told: Sequence[Told]
    documents: Mapping[str, Mapping[str, Any]]
    rejects: Mapping[str, Sequence[int]]
    left: Mapping[str, int] = field(default_factory=dict)


def tagger_findings(run: FeedbackRun) -> list[Finding]:
    """Every row is stored once or rejected once, totals are right, each run is told once."""
    found = list(_row_findings(run))
    results: list[Mapping[str, Any]] = []
    for file, run_id in zip(run.files, run.runs, strict=True):
        told = [each for each in run.told if each.result["run_id"] == run_id]
        if not told:
            found.append(Finding("lost", f"nobody was told of {file.name}"))
            continue
        if len({each.id for each in told}) != 1:
            found.append(Finding("twice", f"{file.name} was told as {sorted({each.id for each in told})}"))
        results.append(told[-1].result)
        found += _total_findings(file, told[-1].result, run.documents.get(run_id))
        lines = Counter(run.rejects.get(run_id, ()))
        if lines != Counter(file.rejected):
            found.append(Finding("rejects", f"{file.name}: the list of rejects has other lines than it should"))
    stored, told_stored = run.stored.total(), sum(int(result["stored"]) for result in results)
    if len(results) == len(run.files) and stored != told_stored:
        found.append(Finding("totals", f"{stored} rows are stored, and the runs say {told_stored}"))
    if strange := run.labels - run.categories:
        found.append(Finding("label", f"{len(strange)} labels are no categories"))
    found += [Finding("left over", f"{count} messages in {queue}") for queue, count in run.left.items() if count]
    return found


def _row_findings(run: FeedbackRun) -> Iterable[Finding]:
    wanted = expected(run.files)
    if missing := wanted - run.stored:
        yield Finding("lost", f"{missing.total()} rows are not stored, {next(iter(missing))[0]} for one")
    if more := run.stored - wanted:
        yield Finding("twice", f"{more.total()} rows are stored too often, {next(iter(more))[0]} for one")


def _total_findings(file: File, result: Mapping[str, Any], document: Mapping[str, Any] | None) -> Iterable[Finding]:
    said = (result["rows"], result["stored"] + result["duplicates"], result["rejected"], result["failed"])
    right = (file.rows, file.good.total(), len(file.rejected), 0)
    if said != right:
        yield Finding("totals", f"{file.name}: rows, in the store, rejected, failed are {right}, and it says {said}")
    status = "partial" if file.rejected else "complete"
    if result["status"] != status:
        yield Finding("totals", f"{file.name} ended {result['status']!r} and should be {status!r}")
    if sum(result["by_label"].values()) != result["stored"]:
        yield Finding("totals", f"{file.name}: its labels do not add up to the rows it stored")
    if result["chunks"]["done"] != result["chunks"]["total"]:
        yield Finding("totals", f"{file.name}: was told before its chunks were done: {result['chunks']}")
    if document != result:
        yield Finding("totals", f"{file.name}: the bucket says something else than the notification")
