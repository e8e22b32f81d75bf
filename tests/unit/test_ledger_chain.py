"""The ledger's chain: whatever is done to one entry shows, erasing a person's texts breaks nothing."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import pytest

from services.ticket_agent.domain.chain import (
    DIGEST,
    NUMBER,
    PREVIOUS,
    SALT,
    TEXTS,
    Head,
    Tampering,
    head_after,
    linked,
    verify,
    without_texts,
)
from shared.aws.items import from_item, to_item

Entry: TypeAlias = dict[str, Any]

NAMES = ("intake", "attempt#0001", "turn#0001#0001", "call#0001#0001#01", "status#0001")


def a_chain(length: int = 5) -> tuple[list[Entry], Head]:
    head, entries = Head(), []
    for name in NAMES[:length]:
        content = {"ticketId": "T-1", "entry": name, "text": f"text of {name}", "ms": 12, "tools": ["a"], "ok": True}
        entry = linked(head, content, salt=f"salt of {name}")
        head = head_after(entry, attempt=1)
        entries.append(entry)
    return entries, head


def first_fault(entries: list[Entry], head: Head | None) -> tuple[Tampering, str]:
    fault = verify(entries, head).faults[0]
    return fault.kind, fault.entry


def test_what_was_written_verifies_in_any_order_and_as_a_table_gives_it_back() -> None:
    entries, head = a_chain()
    read = [from_item(to_item(entry)) for entry in reversed(entries)]
    assert isinstance(read[0]["ms"], Decimal)
    verdict = verify([*read, {"ticketId": "T-1", "entry": "notified", "version": Decimal(1)}], head)
    assert verdict.intact
    assert (verdict.links, verdict.erased) == (5, ())


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize(
    "change",
    [
        {"text": "something else"},
        {"ms": 13},
        {"ok": 1.5},
        {"ticketId": "T-2"},
        {"at": "later"},
        {"tools": ["a", "b"]},
        {SALT: "another"},
        {PREVIOUS: "0" * 64},
        {DIGEST: "0" * 64},
        {TEXTS: []},
        {TEXTS: 7},
        {"comment": "a text that the entry does not list"},
    ],
)
def test_a_change_of_any_attribute_of_any_entry_is_found_at_that_entry(index: int, change: Entry) -> None:
    entries, head = a_chain()
    entries[index] |= change
    assert first_fault(entries, head) == (Tampering.CHANGED, NAMES[index])


@pytest.mark.parametrize("index", range(5))
def test_an_entry_that_was_written_anew_with_a_digest_that_fits_is_found(index: int) -> None:
    entries, head = a_chain()
    before = head_after(entries[index - 1], attempt=1) if index else Head()
    entries[index] = linked(before, {"ticketId": "T-1", "entry": NAMES[index], "text": "forged"}, salt="s")
    assert first_fault(entries, head) == (Tampering.CHANGED, NAMES[index])


@pytest.mark.parametrize("index", range(5))
def test_an_entry_that_is_gone_is_missed_by_its_number(index: int) -> None:
    entries, head = a_chain()
    del entries[index]
    verdict = verify(entries, head)
    assert [(fault.kind, fault.number) for fault in verdict.faults] == [(Tampering.REMOVED, index + 1)]


def test_a_run_of_entries_that_is_gone_is_one_fault() -> None:
    entries, head = a_chain()
    assert first_fault([entries[0], entries[4]], head) == (Tampering.REMOVED, "numbers 2 to 4")
    assert first_fault([], head) == (Tampering.REMOVED, "numbers 1 to 5")


@pytest.mark.parametrize("number", [None, 0, -1, 3, 6, 99, Decimal("2.5"), "3", True])
def test_an_entry_that_was_put_in_is_found_whatever_number_it_claims(number: Any) -> None:
    entries, head = a_chain()
    forged = linked(head, {"ticketId": "T-1", "entry": "call#0001#0001#02", "text": "fine"}, salt="s")
    forged |= {NUMBER: number} if number is not None else {}
    if number is None:
        del forged[DIGEST]
    verdict = verify([*entries, forged], head)
    assert [(fault.kind, fault.entry) for fault in verdict.faults] == [(Tampering.INSERTED, "call#0001#0001#02")]


def test_a_missing_head_is_a_fault_and_a_head_that_was_set_back_shows_what_lies_beyond() -> None:
    entries, _ = a_chain()
    assert first_fault(entries, None) == (Tampering.REMOVED, "head")
    assert first_fault(entries, head_after(entries[3], attempt=1)) == (Tampering.INSERTED, "status#0001")


def test_a_chain_that_does_not_begin_at_the_beginning_is_found() -> None:
    first = linked(Head(number=0, digest="f" * 64), {"ticketId": "T-1", "entry": "intake"}, salt="s")
    assert first_fault([first], head_after(first, attempt=1))[0] is Tampering.REMOVED


def test_the_first_fault_is_the_earliest() -> None:
    entries, head = a_chain()
    entries[3] |= {"ms": 0}
    entries[1] |= {"ms": 0}
    assert [fault.entry for fault in verify(entries, head).faults] == [NAMES[1], NAMES[3]]


def test_a_persons_texts_can_be_erased_and_the_chain_still_closes() -> None:
    entries, head = a_chain()
    kept = [without_texts(entry) for entry in entries]
    assert not any("text of" in str(value) for entry in kept for value in entry.values())
    verdict = verify(kept, head)
    assert verdict.intact
    assert verdict.erased == NAMES


def erase_and_say_something_else(entry: Entry) -> Entry:
    return without_texts(entry) | {"text": "never said"}


def drop_the_salt_alone(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name != SALT}


def drop_the_text_alone(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name != "text"}


@pytest.mark.parametrize("forge", [erase_and_say_something_else, drop_the_salt_alone, drop_the_text_alone])
def test_nothing_else_passes_for_an_erasure(forge: Callable[[Entry], Entry]) -> None:
    entries, head = a_chain()
    entries[2] = forge(entries[2])
    assert first_fault(entries, head) == (Tampering.CHANGED, NAMES[2])


def test_without_its_salt_a_digest_confirms_no_guess_at_a_text() -> None:
    content = {"ticketId": "T-1", "entry": "intake", "text": "yes"}
    assert linked(Head(), content, salt="a")[DIGEST] != linked(Head(), content, salt="b")[DIGEST]


def test_no_entry_is_an_intact_chain_of_none() -> None:
    assert verify([], None).intact
