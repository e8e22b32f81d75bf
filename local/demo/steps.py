"""What an agent did about a ticket, as its ledger has it: pure reading of entries."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CALL_PREFIX, GRANT_PREFIX = "call#", "grant#"
LONGEST_ANSWER = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One tool call: what the tool was asked and what it said. ``policies`` permitted it, where it changed access."""

    tool: str
    arguments: str
    answer: str
    failed: bool
    policies: Sequence[str] = ()


def steps_of(entries: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The tool calls in their order; a grant's policies stand at the call that made it."""
    grants = [entry for entry in entries if str(entry["entry"]).startswith(GRANT_PREFIX)]
    policies = {str(grant.get("tool", "")): tuple(map(str, grant.get("policies", ()))) for grant in grants}
    calls = [entry for entry in entries if str(entry["entry"]).startswith(CALL_PREFIX)]
    return [
        Step(
            tool=str(call["tool"]),
            arguments=_arguments(str(call.get("arguments", ""))),
            answer=_answer(str(call.get("result", ""))),
            failed=bool(call.get("failed")),
            policies=() if call.get("failed") else policies.get(str(call["tool"]), ()),
        )
        for call in sorted(calls, key=lambda call: str(call["entry"]))
    ]


def _arguments(written: str) -> str:
    found = _read(written)
    return _cut(", ".join(f"{name}: {value}" for name, value in found.items()) if isinstance(found, dict) else written)


def _answer(written: str) -> str:
    found = _read(written)
    return _cut(str(found.get("message", written)) if isinstance(found, dict) else written)


def _read(written: str) -> Any:
    try:
        return json.loads(written)
    except ValueError:
        return None


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_ANSWER else text[: LONGEST_ANSWER - 1] + "\N{HORIZONTAL ELLIPSIS}"
