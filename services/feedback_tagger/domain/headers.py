"""Which column a header names: ours under the names we know and those an installation adds, else the sender's own."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from services.feedback_tagger.domain.feedback import COLUMN_OF_HEADER, COLUMNS

KNOWN_HEADERS = ", ".join(column.headers[0] for column in COLUMNS)


def plain(header: str) -> str:
    """What is left of a header when case, blanks, underscores and dashes do not count: Product-Name is product_name."""
    folded = unicodedata.normalize("NFKC", header).casefold()
    return "".join(folded.split()).replace("_", "").replace("-", "")


_OURS = {plain(header): column for header, column in COLUMN_OF_HEADER.items()}


@dataclass(frozen=True, slots=True)
class Headers:
    """``aliases`` map headers as ``plain`` leaves them to our column names; they win over the names we know."""

    aliases: Mapping[str, str] = field(default_factory=dict)

    def column(self, header: str) -> str | None:
        """Our column that ``header`` names, or None."""
        name = plain(header)
        return self.aliases.get(name) or _OURS.get(name)


def read_aliases(text: str) -> Headers:
    """``{"Review text": "feedback"}`` or ``Review text=feedback, Shop=store``. Raises ValueError naming the entry."""
    aliases: dict[str, str] = {}
    for header, column in _pairs(text):
        name, target = plain(header), _OURS.get(plain(column))
        if not name:
            raise ValueError(f"an alias of {column!r} is blank")
        if target is None:
            raise ValueError(f"{header!r} is to be {column!r}, which is no column of ours ({KNOWN_HEADERS})")
        if aliases.setdefault(name, target) != target:
            raise ValueError(f"{header!r} is to be two columns, {aliases[name]!r} and {target!r}")
    return Headers(aliases)


def _pairs(text: str) -> Sequence[tuple[str, str]]:
    if not text.lstrip().startswith("{"):
        pairs = [entry.partition("=") for entry in text.split(",") if entry.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise ValueError("is neither a JSON object nor entries like Review text=feedback, separated by commas")
        return [(header.strip(), column.strip()) for header, _, column in pairs]
    try:
        # As pairs: of two entries with one name, a dictionary would keep the last and say nothing.
        pairs_of_json: list[tuple[str, object]] = json.loads(text, object_pairs_hook=list)
    except ValueError as error:
        raise ValueError(f"begins as a JSON object and is none ({error})") from None
    found = [(header, column) for header, column in pairs_of_json if isinstance(column, str)]
    if len(found) < len(pairs_of_json):
        raise ValueError("gives a header something else than the name of a column")
    return found
