"""What readers without a database see of proposals and of the categories' history, as documents in the bucket."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.feedback_tagger.domain.run import RUNS_PREFIX
from services.feedback_tagger.store.taxonomy import ShownProposal

PROPOSALS_DOCUMENT_KEY = f"{RUNS_PREFIX}proposals.json"
HISTORY_DOCUMENT_KEY = f"{RUNS_PREFIX}taxonomy_history.json"
SHOWN_EXAMPLES = 5
SHOWN_CHARACTERS = 160
SHOWN_EVENTS = 200


def proposals_document(shown: Sequence[ShownProposal], summary: Mapping[str, Any]) -> dict[str, Any]:
    """``share`` is of all rows without a label that discovery has seen."""
    rows = max(1, int(summary["row_count"]))
    return {
        "version": 1,
        "proposals": [
            {
                "proposal": each.proposal.proposal_id,
                "name": each.proposal.name,
                "description": each.proposal.description,
                "rows": each.rows,
                "texts": each.texts,
                "share": round(each.rows / rows, 4),
                "extends": each.proposal.extends,
                "near": each.proposal.near,
                "part_of": each.proposal.part_of,
                "parts": list(each.proposal.parts),
                "examples": [
                    {"id": example.ref_id or f"row {example.row_id}", "text": _short(example.text)}
                    for example in each.examples
                ],
            }
            for each in shown
        ],
        "discovery": dict(summary),
    }


def history_document(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"version": 1, "events": [dict(event) for event in events]}


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN_CHARACTERS else plain[: SHOWN_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
