"""The knowledge base port over the policy documents that ship with the service: sections ranked by BM25."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from services.ticket_agent.knowledge.port import PASSAGES_WANTED, Passage

# The usual constants of BM25 (Robertson and Zaragoza, 2009): how fast repeats saturate, how much length counts.
SATURATION = 1.5
LENGTH_WEIGHT = 0.75
_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class _Section:
    passage: Passage
    words: Counter[str] = field(repr=False)

    @property
    def length(self) -> int:
        return self.words.total()


class DocumentKnowledgeBase:
    """``documents`` are (name, Markdown text); each section under a heading is one passage."""

    def __init__(self, documents: Iterable[tuple[str, str]]) -> None:
        self._sections = [
            _Section(passage, Counter(_words(passage.text)))
            for name, text in documents
            for passage in split_sections(name, text)
        ]
        self._in_sections = Counter(word for section in self._sections for word in section.words)
        self._mean_length = sum(section.length for section in self._sections) / max(1, len(self._sections))

    @classmethod
    def from_package(cls) -> "DocumentKnowledgeBase":
        here = files("services.ticket_agent.policy")
        names = sorted(entry.name for entry in here.iterdir() if entry.name.endswith(".md"))
        return cls((name, here.joinpath(name).read_text(encoding="utf-8")) for name in names)

    async def search(self, query: str) -> tuple[Passage, ...]:
        asked = set(_words(query))
        scored = [(self._score(section, asked), section.passage) for section in self._sections]
        best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: -pair[0])
        return tuple(passage for _, passage in best[:PASSAGES_WANTED])

    def _score(self, section: _Section, asked: set[str]) -> float:
        relative_length = section.length / self._mean_length
        damping = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * relative_length)
        return sum(
            self._rarity(word) * count * (SATURATION + 1) / (count + damping)
            for word in asked
            if (count := section.words[word])
        )

    def _rarity(self, word: str) -> float:
        having = self._in_sections[word]
        return math.log(1 + (len(self._sections) - having + 0.5) / (having + 0.5))


def split_sections(name: str, markdown: str) -> Sequence[Passage]:
    """One passage a second-level heading; its source is the file and the heading."""
    passages = []
    for part in re.split(r"^(?=## )", markdown, flags=re.MULTILINE):
        heading, _, body = part.partition("\n")
        if heading.startswith("## ") and body.strip():
            title = heading.removeprefix("## ").strip()
            passages.append(Passage(text=f"{title}\n{body.strip()}", source=f"{name}#{title}"))
    return passages


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
