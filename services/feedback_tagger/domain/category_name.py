"""What may be the name of a category, and when two names are one."""

import unicodedata

from services.feedback_tagger.domain.taxonomy import UNKNOWN
from shared.errors import BadInput

LONGEST_NAME = 80
# Words that say that a row has no category: as a category they would hide what is unknown.
RESERVED = frozenset({UNKNOWN, "none", "other", "others", "n/a", "null", "miscellaneous", "uncategorised"})
_MARKUP = frozenset('<>{}[]`*_#|\\^~="')
_LINKS = ("http", "www.", "://", "@")


def folded(name: str) -> str:
    """Names that fold to the same are one: case, width and blanks tell nobody apart."""
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def fault_of(name: str) -> str:
    """Why ``name`` cannot name a category, empty if it can."""
    plain = " ".join(name.split())
    if not plain:
        return "is blank"
    if len(plain) > LONGEST_NAME:
        return f"has {len(plain)} characters, more than {LONGEST_NAME}"
    if "\n" in name.strip() or "\r" in name.strip() or not plain.isprintable():
        return "is not one line of printable text"
    if not any(letter.isalpha() for letter in plain):
        return "has no letter"
    if holds_markup(plain):
        return "holds markup or an address"
    if folded(plain) in RESERVED:
        return "is the word for rows without a category"
    return ""


def holds_markup(text: str) -> bool:
    """Whether it holds signs of a markup language, or an address."""
    return bool(_MARKUP & set(text)) or any(part in folded(text) for part in _LINKS)


def checked_name(name: str, *, field: str = "name") -> str:
    """The name with single blanks. Raises BadInput."""
    if fault := fault_of(name):
        raise BadInput(field=field, problem=fault, remedy=f"give a name of at most {LONGEST_NAME} plain characters")
    return " ".join(name.split())
