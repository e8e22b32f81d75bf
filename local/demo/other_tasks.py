"""What came of the samples of the other three tasks: read from their tables, compared with a reader's judgements."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.demo.flows import Run
from local.demo.readings import Database
from local.demo.sample import read_by_hand

QUERIES: Mapping[str, str] = {
    "sentiment": "select ref_id, aspect, polarity from feedback_sentiment order by row_identity, part",
    "email_routing": "select message_id, department, priority, language from feedback_email order by line_no",
    "product_facts": "select url, name, value, source from product_fact order by row_identity, part",
}
WHAT: Mapping[str, str] = {
    "sentiment": "aspects and their polarity",
    "email_routing": "department, priority, language",
    "product_facts": "facts of a page",
}
_SIGNS = {"+": "positive", "-": "negative", "~": "mixed"}

Facts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReading:
    """``right`` of ``by_hand`` single judgements are as by hand; ``known`` rows were answered without any model."""

    task: str
    file: str
    what: str
    status: str
    rows: int
    stored: int
    rejected: int
    known: int
    by_label: Mapping[str, int]
    by_hand: int
    right: int
    examples: Sequence[str]


def read_task(database: Database, run: Run) -> TaskReading:
    document = run.document
    found = as_facts(run.task, database.read(QUERIES[run.task]))
    wanted = expected(run.task)
    pairs = [(row, name, value) for row, facts in wanted.items() for name, value in facts.items()]
    return TaskReading(
        task=run.task,
        file=run.file,
        what=WHAT[run.task],
        status=run.status,
        rows=int(document.get("rows", 0)),
        stored=int(document.get("stored", 0)),
        rejected=int(document.get("rejected", 0)),
        known=int(document.get("answers", {}).get("known", 0)),
        by_label=dict(document.get("by_label", {})),
        by_hand=len(pairs),
        right=sum(found.get(row, {}).get(name) == value for row, name, value in pairs),
        examples=[f"{row}: {_said(facts)}" for row, facts in list(found.items())[:3]],
    )


def as_facts(task: str, records: Sequence[Mapping[str, Any]]) -> Facts:
    """What the table says of each row, as names and values."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for record in records:
        match task:
            case "sentiment":
                found[record["ref_id"]][record["aspect"] or "all"] = record["polarity"]
            case "email_routing":
                found[record["message_id"]] = {name: record[name] for name in ("department", "priority", "language")}
            case _:
                facts = found[record["url"]]
                if record["name"] is not None:
                    facts[record["name"]] = record["value"]
    return found


def expected(task: str) -> Facts:
    given = read_by_hand(task)
    match task:
        case "sentiment":
            return {row: _aspects(label) for row, label in given.items()}
        case "email_routing":
            names = ("department", "priority", "language")
            return {row: dict(zip(names, route.split("/"), strict=True)) for row, route in given.items()}
        case _:
            return given


def _aspects(label: str) -> dict[str, str]:
    if label == "none":
        return {"all": "none"}
    return {part[:-1]: _SIGNS[part[-1]] for part in label.split(",")}


def _said(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items()) or "nothing"
