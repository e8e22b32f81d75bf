"""The whole set of categories as a JSON file: read strictly, each fault by its entry, compared with what is there.

Either a list of names or an object with the list under ``categories``, as runs/taxonomy.json has it: what was
downloaded can be changed and sent back.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.feedback_tagger.domain.category_name import fault_of, folded
from shared.errors import BadInput

MOST_CATEGORIES = 500
"""All of them stand in every prompt."""
REMEDY = 'send a JSON list of names, or {"categories": [...]}'


def read_set(text: str) -> tuple[str, ...]:
    """The names with single blanks, in the file's order. Raises BadInput naming the entry; the first is entry 0."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(field="body", problem="is not JSON", remedy=REMEDY) from None
    if isinstance(value, Mapping):
        if unknown := sorted(set(value) - {"version", "categories"}):
            raise BadInput(field=unknown[0], problem="is not a field of a set of categories", remedy="leave it out")
        value = value.get("categories")
    if not isinstance(value, list):
        raise BadInput(field="categories", problem="is no list", remedy=REMEDY)
    return checked_set(value)


def checked_set(value: Sequence[Any]) -> tuple[str, ...]:
    """The names of a list of names, or of objects with one each. Raises BadInput as ``read_set`` does."""
    if not value:
        raise BadInput(field="categories", problem="is empty: no row could be labelled", remedy="name at least one")
    if len(value) > MOST_CATEGORIES:
        raise BadInput(
            field="categories", problem=f"has {len(value)} entries", remedy=f"name at most {MOST_CATEGORIES}"
        )
    seen: dict[str, int] = {}
    names = []
    for index, entry in enumerate(value):
        name = _checked(index, entry)
        first = seen.setdefault(folded(name), index)
        if first != index:
            raise BadInput(
                field=f"categories[{index}]",
                problem=f"is the name of entry {first} again (case and blanks do not count)",
                remedy="keep one",
            )
        names.append(name)
    return tuple(names)


def _checked(index: int, entry: Any) -> str:
    field = f"categories[{index}]"
    if isinstance(entry, Mapping):
        if unknown := sorted(set(entry) - {"id", "name"}):
            raise BadInput(field=f"{field}.{unknown[0]}", problem="is not a field of a category", remedy="leave it out")
        entry = entry.get("name")
    if not isinstance(entry, str):
        raise BadInput(field=field, problem="is no name", remedy="write a text")
    # As sent: single blanks in place of a tab would hide it.
    hidden = any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") for letter in entry.strip())
    fault = fault_of(entry) or ("holds control characters" if hidden else "")
    if fault:
        raise BadInput(field=field, problem=fault, remedy="write one line of plain text, or leave it out")
    return " ".join(entry.split())


@dataclass(frozen=True, slots=True)
class Difference:
    """``missing`` are wanted and not there, ``surplus`` there and not wanted; ``other_spelling`` are wanted and there
    under a name that differs in case or blanks alone, which stays as it is."""

    missing: Sequence[str]
    surplus: Sequence[str]
    unchanged: Sequence[str]
    other_spelling: Sequence[str]


def difference(there: Sequence[str], wanted: Sequence[str]) -> Difference:
    known = {folded(name): name for name in there}
    asked = {folded(name) for name in wanted}
    return Difference(
        missing=[name for name in wanted if folded(name) not in known],
        surplus=[name for name in there if folded(name) not in asked],
        unchanged=[name for name in there if folded(name) in asked],
        other_spelling=[name for name in wanted if folded(name) in known and known[folded(name)] != name],
    )
