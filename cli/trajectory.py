"""A ticket's ledger as a story: runs, their turns, the calls and effects of each, what people did, and what it cost."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.ticket_agent.domain.chain import SALT, TEXTS, Head, in_order

Entry = Mapping[str, Any]

LONGEST = 110
FIGURES = ("modelCalls", "toolCalls", "inputTokens", "outputTokens", "modelMs", "runMs")


@dataclass(slots=True)
class Node:
    """One line of the story, the entry it tells of, and what happened within it."""

    entry: str
    line: str
    children: list["Node"] = field(default_factory=list)


def story(entries: Iterable[Entry], *, full: bool = False) -> list[Node]:
    """In the order of the chain. ``full`` leaves texts as long as they are."""
    top: list[Node] = []
    run: Node | None = None
    turn: Node | None = None
    for entry in in_order(entries):
        name = str(entry["entry"])
        node = Node(name, _line(entry, full=full))
        match name.partition("#")[0]:
            case "attempt":
                run, turn = node, None
                top.append(node)
            case "turn" if run is not None:
                turn = node
                run.children.append(node)
            case "call" if turn is not None:
                turn.children.append(node)
                if (decision := _decision(entry.get("decision"))) is not None:
                    node.children.append(Node(name, decision))
            # The agent's own endings carry the figures of their run; what people decide later does not.
            case "grant" | "status" if run is not None and (name.startswith("grant") or "runMs" in entry):
                (turn or run).children.append(node)
            case _:
                top.append(node)
    return top


def cost(entries: Iterable[Entry]) -> dict[str, int]:
    """What all runs of the ticket used; counted from their turns and calls, so runs that were cut off count as well."""
    total = dict.fromkeys(("runs", "turns", "calls", "inputTokens", "outputTokens", "modelMs"), 0)
    for entry in entries:
        match str(entry["entry"]).partition("#")[0]:
            case "attempt":
                total["runs"] += 1
            case "call":
                total["calls"] += 1
            case "turn":
                total["turns"] += 1
                for name in ("inputTokens", "outputTokens", "modelMs"):
                    total[name] += int(entry.get(name, 0))
    return total


def trajectory(entries: Iterable[Entry]) -> list[str]:
    return [str(entry["tool"]) for entry in in_order(entries) if str(entry["entry"]).startswith("call#")]


def policy_versions(entries: Iterable[Entry]) -> list[str]:
    """Every version of the policy that decided something, in the order of its first decision."""
    decided = (entry.get("decision") or {} for entry in in_order(entries))
    return list(dict.fromkeys(str(decision["policyVersion"]) for decision in decided if decision.get("policyVersion")))


def last_status(entries: Iterable[Entry]) -> Entry | None:
    found = [entry for entry in in_order(entries) if str(entry["entry"]).startswith("status#")]
    return found[-1] if found else None


def head_in(rows: Iterable[Entry]) -> Head | None:
    """The head that the table holds, None if it has none."""
    row = next((row for row in rows if row["entry"] == "head"), None)
    if row is None:
        return None
    return Head(number=int(row["number"]), digest=str(row["digest"]), attempt=int(row["attempt"]))


def contradiction(row: Entry | None, entries: Sequence[Entry]) -> str | None:
    """How the ticket's row differs from the last status of its ledger, though both are written together; or None."""
    last = last_status(entries)
    if row is None:
        # Erased for a person: the row goes, whose key is who they are, and with it every text of the ledger.
        with_texts = [entry for entry in entries if entry.get(TEXTS)]
        erased = bool(with_texts) and not any(entry.keys() & {SALT, *entry[TEXTS]} for entry in with_texts)
        return "the ticket itself is gone from its table" if entries and not erased else None
    told = int(last["version"]) if last else 0
    if int(row.get("statusVersion", 0)) != told:
        return f"the ticket's row has status version {row.get('statusVersion', 0)}, its ledger {told}"
    if last is not None and "assignStatus" in last and row.get("assignStatus") != last["assignStatus"]:
        return f"the ticket's row says {row.get('assignStatus')!r}, its ledger {last['assignStatus']!r}"
    return None


def _line(entry: Entry, *, full: bool) -> str:
    number, at = str(entry.get("chainNumber", "-")), str(entry.get("at", ""))
    return f"{number:>2}  {at}  {_told(str(entry['entry']), entry, full=full)}"


def _told(name: str, entry: Entry, *, full: bool) -> str:
    match name.partition("#")[0]:
        case "intake":
            return f"taken in from sender {_text(entry, 'senderId')} for employee {_text(entry, 'employeeId')}"
        case "attempt":
            return f"run {entry.get('attempt', '?')}"
        case "turn":
            return _turn(entry, full=full)
        case "call":
            return _call(entry, full=full)
        case "grant":
            return (
                f"GRANTED {entry.get('accessType')} access to environment {entry.get('environmentId')} "
                f"for employee {_text(entry, 'employeeId')}{_warrant(entry)}"
            )
        case "decision":
            return _decided_by_a_person(entry, full=full)
        case "refused":
            return f"decision of {_text(entry, 'decider')} refused: {_short(_text(entry, 'reason'), full=full)}"
        case "status":
            return _status(entry, full=full)
        case _:
            return (
                f"{name} {_json({k: v for k, v in entry.items() if k not in ('ticketId', 'entry', 'at')}, full=full)}"
            )


def _turn(entry: Entry, *, full: bool) -> str:
    used = f"{entry.get('inputTokens', 0)} + {entry.get('outputTokens', 0)} tokens, {entry.get('modelMs', 0)} ms"
    ended = f", stopped: {entry['stopReason']}" if "stopReason" in entry else ""
    said = _text(entry, "text")
    return f"turn {entry.get('turn', '?')} ({used}{ended}){f': {_short(said, full=full)}' if said else ''}"


def _call(entry: Entry, *, full: bool) -> str:
    arguments, result = _read(entry, "arguments"), _read(entry, "result")
    message = result.get("message", result) if isinstance(result, Mapping) else result
    sources = _sources(result)
    return "".join(
        (
            f"{entry.get('tool')}({_arguments(arguments, full=full)}) ",
            "refused: " if entry.get("failed") else "-> ",
            _short(message if isinstance(message, str) else _json(message, full=full), full=full),
            f" [{', '.join(sources)}]" if sources else "",
            f" ({entry.get('ms', 0)} ms)",
        )
    )


def _arguments(arguments: Any, *, full: bool) -> str:
    if not isinstance(arguments, Mapping):
        return _short(str(arguments), full=full)
    return ", ".join(f"{name}={_short(str(value), full=full)}" for name, value in arguments.items())


def _decided_by_a_person(entry: Entry, *, full: bool) -> str:
    more = [f"{name} {entry[name]}" for name in ("days", "to") if name in entry]
    said = _short(_text(entry, "comment"), full=full)
    return (
        f"decision {entry.get('kind')} by {_text(entry, 'decider')}, sent by {_text(entry, 'senderId')}"
        f"{', '.join(['', *more])}{f': {said}' if said else ''}"
    )


def _status(entry: Entry, *, full: bool) -> str:
    what = _text(entry, "headline") or _text(entry, "assignStatus") or entry.get("state", "")
    by = f" ({_text(entry, 'decider')})" if "decisionId" in entry else ""
    told = _short(_text(entry, "communication"), full=full)
    granted = f", GRANTED {entry.get('accessType')} access to environment {entry.get('environmentId')}"
    effect = granted if "accessType" in entry else ""
    return f"STATUS {entry.get('version')}: {what}{by}{effect}{_warrant(entry)}{f': {told}' if told else ''}"


def _decision(decision: Any) -> str | None:
    if not isinstance(decision, Mapping):
        return None
    verdict = "ALLOWED" if decision.get("allowed") else "DENIED"
    by = ", ".join(map(str, decision.get("policies", ()))) or "no policy permits it"
    errors = f", errors: {'; '.join(map(str, decision['errors']))}" if decision.get("errors") else ""
    return f"{verdict} by {by}{errors} (policy {decision.get('policyVersion')})"


def _warrant(entry: Entry) -> str:
    policies = ", ".join(map(str, entry.get("policies", ())))
    by = f", {policies} (policy {entry.get('policyVersion')})" if policies else ""
    return f" by {entry['tool']}{by}" if entry.get("tool") else by


def _text(entry: Entry, name: str) -> str:
    """An attribute that may have been erased for a person."""
    if name in entry:
        return str(entry[name])
    return "(erased)" if name in entry.get("texts", ()) else ""


def _read(entry: Entry, name: str) -> Any:
    """JSON text as the value it stands for; as text where it was cut or erased."""
    try:
        return json.loads(str(entry[name]))
    except (KeyError, ValueError):
        return _text(entry, name)


def _sources(result: Any) -> list[str]:
    passages = result.get("passages") if isinstance(result, Mapping) else None
    return [str(passage.get("source")) for passage in passages or () if isinstance(passage, Mapping)]


def _json(value: Any, *, full: bool) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return _short(text, full=full)


def _short(text: str, *, full: bool) -> str:
    flat = " ".join(text.split())
    return flat if full or len(flat) <= LONGEST else flat[: LONGEST - 3] + "..."
