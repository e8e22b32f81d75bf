"""What the documents tell people to type: command lines in blocks and between backticks; and headings to link to."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A page for each choice says what was so when it was made; everything else is to be followed today.
DOCUMENTS = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "infra" / "terraform" / "README.md",
)

_SPAN = re.compile(r"`([^`\n]+)`")
_END = frozenset({"|", "||", "&&", ";", ")", "))", "&", ">"})


@dataclass(frozen=True, slots=True)
class Line:
    """``whole``: a line to run as it stands; else a mention, which may leave out what the command needs."""

    place: str
    text: str
    whole: bool


def lines_of(path: Path) -> Iterator[Line]:
    """Code lines, continued ones as one, and code spans. Comments that shells would skip stay in."""
    fenced, begun = False, ""
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        place = f"{path.relative_to(ROOT)}:{number}"
        if text.startswith("```"):
            fenced = not fenced
            continue
        if not fenced and not begun and not text.startswith("    "):
            yield from (Line(place, span, whole=False) for span in _SPAN.findall(text))
            continue
        if text.endswith("\\"):
            begun += text[:-1] + " "
            continue
        yield Line(place, (begun + text).strip(), whole=True)
        begun = ""


def commands(line: Line, *names: str) -> Iterator[list[str]]:
    """The words after each of ``names`` that stands where a command stands, up to the command's end."""
    for found in re.finditer(r"(?:^|\$\(|[|;&(]\s*|\bthen\s+)(?:[A-Z][A-Z_]*=\S*\s+)*(\S+)\s", line.text + " "):
        if found[1] in names:
            yield list(_words(line.text[found.end(1) :]))


def _words(text: str) -> Iterator[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.commenters = ""
    lexer.whitespace_split = True
    depth = 0
    for word in lexer:
        if word.startswith("#") and depth == 0:
            return
        if set(word) <= set("()$") and word:
            depth += word.count("(") - word.count(")")
            if depth < 0:
                return
            continue
        if depth == 0:
            if word in _END:
                return
            yield word


def anchors_of(path: Path) -> set[str]:
    """What a link may name behind ``#``, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ +(.+?) *$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {slug(heading) for heading in headings}


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
