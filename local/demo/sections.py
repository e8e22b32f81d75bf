"""Parts of the report that tell what happened: how rows add up, what an agent did, what a new category changed."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from local.demo.charts import COLOURS, LABELS
from local.demo.sample import UNKNOWN

OTHER_COLOUR = "#8d96a3"


def stories(tickets: Sequence[Mapping[str, Any]]) -> str:
    """One ticket after the other, to be opened; the one with most steps is open, to show what there is to see."""
    told = [ticket for ticket in tickets if ticket.get("steps")]
    longest = max(told, key=lambda ticket: len(ticket["steps"]), default=None)
    return "\n".join(_story(ticket, is_open=ticket is longest) for ticket in told)


def _story(ticket: Mapping[str, Any], *, is_open: bool) -> str:
    steps = "".join(_step(step) for step in ticket["steps"])
    head = (
        f'<b>Case {_text(ticket["case"])}</b> <span class="said">{_text(ticket["asked"])}</span>'
        f'<span class="badge {"ok" if ticket["as_expected"] else "off"}">{_text(ticket["outcome"])}</span>'
    )
    return (
        f"<details{' open' if is_open else ''}><summary>{head}</summary>"
        f'<ol class="steps">{steps}</ol>'
        f'<p class="told"><b>What employee {_text(ticket["employee"])} is told:</b> {_text(ticket["told"])}</p>'
        f'<p class="small">{_text(ticket["entries"])} entries in the ledger, each with the digest of the one before</p>'
        "</details>"
    )


def _step(step: Mapping[str, Any]) -> str:
    policies = "".join(f'<span class="badge policy">permitted by {_text(name)}</span>' for name in step["policies"])
    failed = '<span class="badge off">refused</span>' if step["failed"] else ""
    arguments = f'<span class="small"> {_text(step["arguments"])}</span>' if step["arguments"] else ""
    return f"<li><code>{_text(step['tool'])}</code>{arguments}{failed}{policies}<div>{_text(step['answer'])}</div></li>"


def sum_of_rows(feedback: Mapping[str, Any]) -> str:
    """Every row that went in, as one bar of what came of it."""
    parts = (
        ("stored", feedback["stored"], "#27a7a0"),
        ("rejected, with a reason", feedback["rejected"], "#e2685a"),
        ("duplicates", feedback["duplicates"], "#b07cd8"),
    )
    return _bar(f"{feedback['rows']} rows in", parts)


def change(category: Mapping[str, Any] | None) -> str:
    """What discovery proposed and what accepting it did to the labels."""
    if category is None:
        return '<p class="lead">None was accepted in this run.</p>'
    said = (
        "Discovery looked at the rows without a category, grouped those that mean alike and proposed "
        f"{_quoted(category['proposed'])}, a name by the stand-in, which counts words. A person accepted it as "
        f"{_quoted(category['accepted'])}. That changed {category['changed']} rows: {category['changed_planted']} of "
        f"the {category['planted']} that were planted, and {category['changed_with_a_label']} that had a category."
    )
    bars = "".join(
        _bar(name, [(label, category[when].get(label, 0), _colour(label)) for label in _labels(category)])
        for name, when in (("before", "before"), ("after", "after"))
    )
    return f'<p class="lead">{html.escape(said)}</p>{bars}'


def _labels(category: Mapping[str, Any]) -> list[str]:
    """The label that rows left and the one that they got stand side by side, at the end."""
    moved = (category["accepted"], UNKNOWN)
    return [*(label for label in category["after"] if label not in moved), *moved]


def _bar(name: str, parts: Sequence[tuple[str, int, str]]) -> str:
    shown = [(label, rows, colour) for label, rows, colour in parts if rows]
    pieces = "".join(
        f'<i style="flex:{rows};background:{colour}" title="{_text(label)}: {rows}"></i>'
        for label, rows, colour in shown
    )
    key = "".join(
        f'<span><em style="background:{colour}"></em>{_text(label)} <b>{rows}</b></span>'
        for label, rows, colour in shown
    )
    return f'<div class="bar"><b>{_text(name)}</b><div class="pieces">{pieces}</div><div class="key">{key}</div></div>'


def examples(tasks: Sequence[Mapping[str, Any]]) -> str:
    """What a task found in its first rows: one card a task."""
    return "".join(
        f'<div class="tile"><h3>{_text(task["task"])}</h3>{"".join(map(_example, task["examples"]))}</div>'
        for task in tasks
    )


def _example(example: str) -> str:
    row, _, found = example.partition(": ")
    return f'<p class="example"><code>{_text(row)}</code><br>{_text(found)}</p>'


def _colour(label: str) -> str:
    return dict(zip(LABELS, COLOURS, strict=True)).get(label, OTHER_COLOUR)


def _quoted(name: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{name}\N{RIGHT DOUBLE QUOTATION MARK}"


def _text(value: object) -> str:
    return html.escape(str(value))
