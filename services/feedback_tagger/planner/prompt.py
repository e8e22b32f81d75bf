"""One prompt for many rows: a prefix that stays the same, then the rows behind a boundary nobody can guess."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Hex: TypeAlias = Callable[[int], str]
"""``secrets.token_hex``: twice as many hexadecimal digits as bytes asked for."""

# "20:5" and its line end are about five tokens in every tokenizer; three times that leaves room for a chatty model.
ANSWER_TOKENS_PER_ROW = 16

_INVISIBLE = ("Cc", "Cs", "Co", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class Prompt:
    """``system`` is the same for every prompt of one category set, so that a prompt cache can hold it."""

    system: str
    user: str = field(repr=False)
    rows: int
    max_tokens: int


def as_one_line(text: str) -> str:
    """``text`` without line breaks, control characters and the invisible tag letters that can carry hidden words."""
    if text.isprintable():  # Nearly every row, and thirty times faster than looking at each character.
        return " ".join(text.split())
    kept = "".join(
        " " if unicodedata.category(character) in _INVISIBLE or 0xE0000 <= ord(character) <= 0xE007F else character
        for character in text
    )
    return " ".join(kept.split())


def packed(system: str, texts: Sequence[str], *, token_hex: Hex) -> Prompt:
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
        max_tokens=ANSWER_TOKENS_PER_ROW * (len(lines) + 1),
    )
