"""A new category, from proposal to relabelled rows: discovery proposes, a person accepts, its rows alone change."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.commanding import order
from cli.documents import bucket_document
from local.demo.flows import POLL_SECONDS, Flows, FlowsTimedOut
from local.demo.sample import THEME_CATEGORY, UNKNOWN, read_theme
from services.feedback_tagger.discovery.documents import PROPOSALS_DOCUMENT_KEY

BY = "support lead"
ANSWER_SECONDS = 60
LEAST_OF_THEME, MOST_OF_OTHERS = 0.8, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCategory:
    """``planted`` rows of the theme had no category; ``changed`` rows have this one now, ``changed_planted`` of them
    are of the theme. ``before`` and ``after`` count the rows by label."""

    proposed: str
    accepted: str
    planted: int
    changed: int
    changed_planted: int
    changed_with_a_label: int
    before: Mapping[str, int]
    after: Mapping[str, int]

    @property
    def problems(self) -> list[str]:
        found = []
        if self.changed_planted < LEAST_OF_THEME * self.planted:
            found.append(f"of {self.planted} rows of the theme only {self.changed_planted} got the new category")
        if self.changed - self.changed_planted > MOST_OF_OTHERS * self.changed:
            found.append(f"{self.changed - self.changed_planted} of {self.changed} rows got it that are of no theme")
        if self.changed_with_a_label:
            found.append(f"{self.changed_with_a_label} rows got it that had a category")
        return found


def accept_the_theme(flows: Flows, *, limit_seconds: float, sleep: Callable[[float], None] = time.sleep) -> NewCategory:
    """Wait for the proposal, accept it under a name of ours, wait for its rows. Raises FlowsTimedOut."""
    until = time.monotonic() + limit_seconds
    theme = {row["id"] for row in read_theme()}
    rows_before = flows.database.rows()
    before = _by_id(rows_before)
    counted_before = _counted(rows_before)

    def awaited(what: str, look: Callable[[], Any]) -> Any:
        flows.ticker.phase(f"waiting for {what}")
        while not (found := look()):
            if time.monotonic() > until:
                raise FlowsTimedOut(f"after {limit_seconds:.0f} s this is still missing: {what}")
            sleep(POLL_SECONDS)
        return found

    def proposed() -> Any:
        document = bucket_document(flows.cloud, PROPOSALS_DOCUMENT_KEY)
        return None if document is None else proposal_about(theme, document, unknown=counted_before.get(UNKNOWN, 0))

    proposal = awaited("a proposal about the planted theme", proposed)
    flows.ticker.line(f"proposed: {proposal['name']!r}, {proposal['rows']} rows without a category")
    fields = {"proposal": proposal["proposal"], "name": THEME_CATEGORY, "reason": "customers ask for it"}
    order(flows.cloud, "categories.accept", BY, fields, wait=ANSWER_SECONDS, as_json=False)
    rows = awaited("the new category's rows", lambda: _with_category(flows, at_least=proposal["rows"]))
    flows.ticker.line(f"accepted as {THEME_CATEGORY!r}: its rows have it now, and no other row changed")
    after = _by_id(rows)
    changed = {row for row, label in after.items() if label != before.get(row)}
    return NewCategory(
        proposed=str(proposal["name"]),
        accepted=THEME_CATEGORY,
        planted=sum(before[row] == UNKNOWN for row in theme),
        changed=len(changed),
        changed_planted=len(changed & theme),
        changed_with_a_label=sum(before.get(row) != UNKNOWN for row in changed),
        before=counted_before,
        after=_counted(rows),
    )


def proposal_about(theme: set[str], document: Mapping[str, Any], *, unknown: int) -> Mapping[str, Any] | None:
    """The named proposal with most examples of the theme, once all ``unknown`` rows have been looked at."""
    summary = document["discovery"]
    if int(summary["row_count"]) < unknown or int(summary["waiting"]):
        return None
    named = [each for each in document["proposals"] if each["name"]]
    about = [(sum(example["id"] in theme for example in each["examples"]), each) for each in named]
    most = max(about, key=lambda found: found[0], default=(0, None))
    return most[1] if most[0] else None


def _by_id(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {str(row["ref_id"]): str(row["label"]) for row in rows}


def _counted(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    return dict(sorted(Counter(str(row["label"]) for row in rows).items()))


def _with_category(flows: Flows, *, at_least: int) -> list[dict[str, Any]] | None:
    rows = flows.database.rows()
    return rows if sum(row["label"] == THEME_CATEGORY for row in rows) >= at_least else None
