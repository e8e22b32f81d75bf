"""A prompt about rows taken apart: what there is to choose from, and the rows behind their random boundary."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_CHOICES = re.compile(r"<(?P<kind>categories|aspects|departments|facts)>(?P<lines>.*?)</(?P=kind)>", re.DOTALL)
_EXAMPLES = re.compile(r"<examples>\n(?P<lines>.*?)\n</examples>", re.DOTALL)
_ROWS = re.compile(r"^<(?P<mark>rows-[0-9A-Za-z]+)>[ \t]*\n", re.MULTILINE)
_CATEGORY = re.compile(r"(?P<number>\d{1,4})[.):|]?\s+(?P<text>\S.*)")
_ROW = re.compile(r"(?P<number>\d{1,6})\|(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class TaggingPrompt:
    """``categories`` (or whatever the block of this ``kind`` numbers) and ``rows`` by number, in the prompt's order.

    ``examples`` are texts with the number of their category; 0 is none.
    """

    categories: Mapping[int, str]
    rows: Mapping[int, str]
    kind: str = "categories"
    examples: Sequence[tuple[int, str]] = ()


def read(request: Mapping[str, Any]) -> TaggingPrompt | None:
    system = "\n".join(block["text"] for block in request.get("system") or () if "text" in block)
    # The last user message asks; earlier ones are examples or history.
    user = "\n".join(block["text"] for block in request["messages"][-1]["content"] if "text" in block)
    choices = _CHOICES.search(system) or _CHOICES.search(user)
    rows = _rows_in(user)
    if choices is None or rows is None:
        return None
    numbered = _numbered(choices["lines"], _CATEGORY)
    shown = _EXAMPLES.search(system)
    return TaggingPrompt(
        categories=numbered,
        rows=_numbered(rows, _ROW),
        kind=choices["kind"],
        examples=() if shown is None else _examples(shown["lines"]),
    )


def rows_of(request: Mapping[str, Any]) -> Mapping[int, str]:
    """The rows of the last message by number; empty if it has none."""
    user = "\n".join(block["text"] for block in request["messages"][-1]["content"] if "text" in block)
    return _numbered(_rows_in(user) or "", _ROW)


def _rows_in(text: str) -> str | None:
    """What stands between the first boundary and its like: a row that writes another boundary closes nothing."""
    opening = _ROWS.search(text)
    if opening is None:
        return None
    end = text.find(f"\n</{opening['mark']}>", opening.end() - 1)
    return None if end < 0 else text[opening.end() : end]


def _numbered(lines: str, pattern: re.Pattern[str]) -> dict[int, str]:
    matches = (pattern.fullmatch(line.strip()) for line in lines.split("\n"))
    return {int(match["number"]): match["text"] for match in matches if match}


def _examples(lines: str) -> tuple[tuple[int, str], ...]:
    matches = (_ROW.fullmatch(line.strip()) for line in lines.split("\n"))
    return tuple((int(match["number"]), match["text"]) for match in matches if match)


def written(answers: Mapping[int, int] | Mapping[int, str] | Sequence[tuple[int, str]]) -> str:
    lines = answers.items() if isinstance(answers, Mapping) else answers
    return "\n".join(f"{number}:{answer}" for number, answer in lines)
