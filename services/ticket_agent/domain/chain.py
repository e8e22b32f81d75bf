"""The ledger's hash chain: every entry carries a digest of itself and of the entry before it. Pure.

The digest covers all of an entry except its texts (what people and models wrote, and who they are). These have a
digest of their own, salted, which the chain covers in their place: a person's texts can be erased with their salt, and
the chain still closes. What this shows is tampering with single entries. Whoever may write the whole table can write a
whole new chain: that shows only against a digest kept elsewhere, as the service's log keeps the head of every run.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

NUMBER, PREVIOUS, DIGEST = "chainNumber", "chainPrevious", "chainDigest"
TEXTS, TEXT_DIGEST, SALT = "texts", "textDigest", "textSalt"
HEAD_ENTRY = "head"

MARKERS = frozenset({HEAD_ENTRY, "notified"})
"""Items beside the entries that move on; all others are links of the chain."""

ERASABLE = frozenset(
    {
        *("text", "arguments", "result", "communication", "headline", "nextStep", "reason", "comment", "instructions"),
        *("employeeId", "senderId", "messageId", "owner", "assignee", "assignStatus", "decider", "to"),
        "digest",  # Of a ticket's text at intake: not salted, so it would confirm a guess at what was erased.
    }
)
"""Attributes of an entry that may hold something of a person's. Each entry lists the ones it has, so that this may grow
without changing what older entries mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last link. ``attempt`` is the run that may append: an earlier one that wakes up may not."""

    number: int = 0
    digest: str = ""
    attempt: int = 0


class Tampering(StrEnum):
    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the chain does not close. ``entry`` is a name, or the numbers of what is missing."""

    kind: Tampering
    number: int
    entry: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``faults`` come in the chain's order: everything before the first one is as it was written."""

    links: int
    faults: tuple[Fault, ...]
    erased: tuple[str, ...]

    @property
    def intact(self) -> bool:
        return not self.faults


def linked(head: Head, content: Mapping[str, Any], *, salt: str) -> dict[str, Any]:
    """``content`` (an entry with its keys) as the next link after ``head``; ``salt`` is random and used once."""
    texts = sorted(ERASABLE & content.keys())
    entry = {**content, NUMBER: head.number + 1, PREVIOUS: head.digest}
    if texts:
        entry |= {TEXTS: texts, SALT: salt, TEXT_DIGEST: _text_digest(salt, content, texts)}
    return {**entry, DIGEST: _link_digest(entry)}


def head_after(entry: Mapping[str, Any], *, attempt: int) -> Head:
    return Head(number=int(entry[NUMBER]), digest=str(entry[DIGEST]), attempt=attempt)


def without_texts(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as it may be kept after the texts of its people were erased; the chain still closes over it."""
    gone = {SALT, *_texts(entry)}
    return {name: value for name, value in entry.items() if name not in gone}


def in_order(entries: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All but the markers, as the chain numbers them; what has no number comes last."""
    links = [entry for entry in entries if entry.get("entry") not in MARKERS]
    return sorted(links, key=lambda entry: (_number(entry) == 0, _number(entry), str(entry.get("entry"))))


def verify(entries: Iterable[Mapping[str, Any]], head: Head | None) -> Verdict:
    """Whether ``entries``, all of one ticket, are what was written; ``head`` is the table's last link, if any."""
    links = in_order(entries)
    by_number: dict[int, list[Mapping[str, Any]]] = {}
    for entry in links:
        by_number.setdefault(_number(entry), []).append(entry)
    faults = [
        Fault(Tampering.INSERTED, 0, _name(stray), "it has no place in the chain") for stray in by_number.pop(0, [])
    ]
    if head is None and links:
        faults.append(Fault(Tampering.REMOVED, 0, HEAD_ENTRY, "the chain has no head, so its end cannot be checked"))
    last = head.number if head else max(by_number, default=0)
    before = 0
    for number in sorted(by_number):
        if number > last:
            faults += [_beyond(number, entry) for entry in by_number[number]]
            continue
        faults += _gap(before, number)
        faults += _faults_at(number, by_number, _witness(number, by_number, head))
        before = number
    faults += _gap(before, last + 1)
    return Verdict(
        links=len(links),
        faults=tuple(sorted(faults, key=lambda fault: (fault.number == 0, fault.number))),
        erased=tuple(_name(entry) for entry in links if _is_erased(entry)),
    )


def _faults_at(number: int, by_number: Mapping[int, Sequence[Mapping[str, Any]]], known: str | None) -> list[Fault]:
    """What is wrong with the one or several entries that claim ``number``; ``known`` is the digest expected here."""
    here = by_number[number]
    kept = next((entry for entry in here if entry[DIGEST] == known), here[0]) if known else here[0]
    faults = [
        Fault(Tampering.INSERTED, number, _name(entry), f"the chain has {_name(kept)} in this place")
        for entry in here
        if entry is not kept
    ]
    if (why := _own_fault(kept)) is not None:
        return [Fault(Tampering.CHANGED, number, _name(kept), why), *faults]
    if known is not None and kept[DIGEST] != known:
        why = "what comes after it knows another digest of it"
        return [Fault(Tampering.CHANGED, number, _name(kept), why), *faults]
    if number == 1 and kept.get(PREVIOUS) != "":
        return [
            Fault(Tampering.REMOVED, 0, "what came before the first", "the first link names one before it"),
            *faults,
        ]
    return faults


def _own_fault(entry: Mapping[str, Any]) -> str | None:
    """Why an entry does not fit its own digests; None if it does."""
    if _link_digest(entry) != entry.get(DIGEST):
        return "it does not fit its digest"
    texts = _texts(entry)
    if texts and not _is_erased(entry) and _text_digest(str(entry.get(SALT)), entry, texts) != entry.get(TEXT_DIGEST):
        return "its texts do not fit their digest"
    return None


def _is_erased(entry: Mapping[str, Any]) -> bool:
    return bool(texts := _texts(entry)) and SALT not in entry and not entry.keys() & set(texts)


def _witness(number: int, by_number: Mapping[int, Sequence[Mapping[str, Any]]], head: Head | None) -> str | None:
    """The digest that the next link, or the head, has of the link at ``number``; None if nothing sound tells."""
    if head is not None and number == head.number:
        return head.digest
    told = {str(entry.get(PREVIOUS)) for entry in by_number.get(number + 1, ()) if _own_fault(entry) is None}
    return told.pop() if len(told) == 1 else None


def _gap(before: int, number: int) -> list[Fault]:
    if number <= before + 1:
        return []
    missing = f"number {before + 1}" if number == before + 2 else f"numbers {before + 1} to {number - 1}"
    return [Fault(Tampering.REMOVED, before + 1, missing, "the chain has a link here, the table has none")]


def _beyond(number: int, entry: Mapping[str, Any]) -> Fault:
    return Fault(Tampering.INSERTED, number, _name(entry), "the head does not know it")


def _number(entry: Mapping[str, Any]) -> int:
    """Its place in the chain; 0 if it has none that makes sense."""
    value = entry.get(NUMBER)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value != int(value):
        return 0
    return max(0, int(value)) if DIGEST in entry else 0


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("entry", ""))


def _texts(entry: Mapping[str, Any]) -> list[str]:
    named = entry.get(TEXTS)
    return [str(name) for name in named] if isinstance(named, list) else []


def _link_digest(entry: Mapping[str, Any]) -> str:
    left_out = {DIGEST, SALT, *_texts(entry)}
    return _sha256({name: value for name, value in entry.items() if name not in left_out})


def _text_digest(salt: str, entry: Mapping[str, Any], names: Iterable[str]) -> str:
    return _sha256({"salt": salt, "texts": {name: entry.get(name) for name in names}})


def _sha256(value: Mapping[str, Any]) -> str:
    """Of one text for one meaning: a table gives numbers back as decimals, and attributes in any order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else str(value.normalize())
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else repr(value)
