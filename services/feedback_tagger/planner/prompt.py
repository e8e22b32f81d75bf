"""One prompt for many rows: a prefix that stays the same, then the rows behind a boundary nobody can guess."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.model.prices import ModelPrice
from shared.model.tokens import estimated_tokens, most_tokens, prefix_tokens

Hex: TypeAlias = Callable[[int], str]
"""``secrets.token_hex``: twice as many hexadecimal digits as bytes asked for."""

# "20:5" and its line end are about five tokens in every tokenizer. The quota reserves what a reply may have, so more
# room would only keep others waiting; a model that says a sentence first still finds it.
ANSWER_TOKENS_PER_ROW = 8
ANSWER_TOKENS_FIRST = 24
PROMPT_TOKENS = 8000
"""Of one prompt, by estimate, where nothing else is set: twenty rows of 1,500 characters. In a longer one a model mixes
rows up sooner, and one slow reply holds up more of them."""
# "20|" and the line end.
MARK_TOKENS_PER_ROW = 3
# The two boundaries and what a message has around it.
FRAME_TOKENS = 24

# Control characters, halves of pairs, private letters, separators of lines and paragraphs, marks that turn the
# direction of writing, and the tag letters and selectors that can carry hidden words.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\uf8ff\u2028-\u202e\u2066-\u2069"
    "\U000e0000-\U000e01ef\U000f0000-\U000ffffd\U00100000-\U0010fffd]"
)


@dataclass(frozen=True, slots=True)
class Prompt:
    """``system`` is the same for every prompt of one category set, so that a prompt cache can hold it."""

    system: str
    user: str = field(repr=False)
    rows: int
    max_tokens: int


def as_one_line(text: str) -> str:
    """``text`` without line breaks, control characters and the invisible letters that can carry hidden words."""
    if text.isprintable():
        # Of all blanks only the plain one is printable: most texts are one line as they are.
        if "  " not in text and text[:1] != " " and text[-1:] != " ":
            return text
    else:
        text = _INVISIBLE.sub(" ", text)
    return " ".join(text.split())


def row_tokens(text: str) -> int:
    """What a row adds to a prompt, in tokens, by estimate."""
    return estimated_tokens(text) + MARK_TOKENS_PER_ROW


def most_row_tokens(text: str) -> int:
    """At least ``row_tokens``, at a tenth of its cost."""
    return most_tokens(text) + MARK_TOKENS_PER_ROW


def answer_tokens(rows: int, per_row: int = ANSWER_TOKENS_PER_ROW) -> int:
    """The longest reply that a prompt of so many rows is given room for."""
    return ANSWER_TOKENS_FIRST + per_row * rows


def packed(
    system: str, texts: Sequence[str], *, token_hex: Hex, answer_tokens_per_row: int = ANSWER_TOKENS_PER_ROW
) -> Prompt:
    """The prompt that asks about ``texts``, numbered from 1."""
    lines = [f"{number}|{as_one_line(text)}" for number, text in enumerate(texts, start=1)]
    body = "\n".join(lines)
    mark = token_hex(4)
    while mark in body:
        mark = token_hex(4)
    return Prompt(
        system=system,
        user=f"<rows-{mark}>\n{body}\n</rows-{mark}>",
        rows=len(lines),
        max_tokens=answer_tokens(len(lines), answer_tokens_per_row),
    )


def may_cache(price: ModelPrice | None, system: str) -> bool:
    """Whether the model keeps a prefix of this length: shorter ones are not kept, whatever a request asks for.

    Only where reading it back is cheaper, too: writing it costs at least what reading it afresh does.
    """
    if price is None or price.cache_minimum is None or price.cache_read is None:
        return False
    return price.cache_read < price.input and prefix_tokens(system) >= price.cache_minimum
