"""A tagging prompt taken apart: the categories, and the rows behind their random boundary."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CATEGORIES = re.compile(r"<categories>\s*\n(?P<lines>.*?)\n\s*</categories>", re.DOTALL)
# The closing boundary must be the opening one: a row that writes another one closes nothing.
_ROWS = re.compile(r"^<(?P<mark>rows-[0-9A-Za-z]+)>[ \t]*\n(?P<lines>.*?)^</(?P=mark)>", re.DOTALL | re.MULTILINE)
_CATEGORY = re.compile(r"^\s*(?P<number>\d{1,4})[.):|]?\s+(?P<text>\S.*?)\s*$")
_ROW = re.compile(r"^(?P<number>\d{1,6})\|(?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class TaggingPrompt:
    """``categories`` and ``rows`` by number, in the prompt's order."""

    categories: Mapping[int, str]
    rows: Mapping[int, str]


def read(request: Mapping[str, Any]) -> TaggingPrompt | None:
    system = "\n".join(block["text"] for block in request.get("system") or () if "text" in block)
    # The last user message asks; earlier ones are examples or history.
    user = "\n".join(block["text"] for block in request["messages"][-1]["content"] if "text" in block)
    categories = _CATEGORIES.search(system) or _CATEGORIES.search(user)
    rows = _ROWS.search(user)
    if categories is None or rows is None:
        return None
    return TaggingPrompt(categories=_numbered(categories["lines"], _CATEGORY), rows=_numbered(rows["lines"], _ROW))


def _numbered(lines: str, pattern: re.Pattern[str]) -> dict[int, str]:
    matches = (pattern.match(line) for line in lines.split("\n"))
    return {int(match["number"]): match["text"] for match in matches if match}


def written(answers: Mapping[int, int]) -> str:
    return "\n".join(f"{number}:{category}" for number, category in answers.items())
