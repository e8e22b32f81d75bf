"""The stand-in for a model that tags: the nearest category by word vectors and cue words, or 0 where none is near.

It sees the categories and rows of the prompt and nothing else. It is no language model: it does not understand
negation, irony or context, and its thresholds were set on sentences written for that purpose.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from local.bedrock import vocabulary
from local.bedrock.embeddings import Vectors, embed
from local.bedrock.vocabulary import Theme

UNKNOWN = 0
# Below this score (cosine plus what the cue words add) nothing is near enough.
LEAST_SCORE = 0.30
PER_CUE_WORD = 0.16
MOST_CUE_WORDS = 3
_CLAUSES = re.compile(r"[.!?;:\n]+|,| but | aber | and | und ")
LEAST_CLAUSE = 12


@dataclass(frozen=True, slots=True)
class _Category:
    number: int
    themes: tuple[Theme, ...]
    words: tuple[str, ...]
    vectors: Vectors


def tag(categories: Mapping[int, str], rows: Mapping[int, str]) -> dict[int, int]:
    """The category number of every row."""
    known = _known(tuple(categories.items()))
    texts = [vocabulary.in_english(text) for text in rows.values()]
    parts = [_parts(text) for text in texts]
    vectors = embed([part for group in parts for part in group])
    answers, start = {}, 0
    for number, text, group in zip(rows, texts, parts, strict=True):
        answers[number] = _nearest(known, text, vectors[start : start + len(group)])
        start += len(group)
    return answers


def _nearest(known: Sequence[_Category], text: str, vectors: Vectors) -> int:
    background = _similarity(vectors, _background())
    best, best_score = UNKNOWN, LEAST_SCORE
    for category in known:
        cues = min(MOST_CUE_WORDS, vocabulary.count_of(category.words, text))
        score = _similarity(vectors, category.vectors) + PER_CUE_WORD * cues
        if score > best_score and score > background:
            best, best_score = category.number, score
    return best


def _similarity(rows: Vectors, anchors: Vectors) -> float:
    """The best cosine of any clause with any anchor."""
    return float(np.max(rows @ anchors.T))


def _parts(text: str) -> list[str]:
    clauses = [part.strip() for part in _CLAUSES.split(text)]
    return [text, *(part for part in clauses if len(part) >= LEAST_CLAUSE and part != text)]


@lru_cache(maxsize=64)
def _known(categories: tuple[tuple[int, str], ...]) -> tuple[_Category, ...]:
    return tuple(_category(number, text) for number, text in categories)


def _category(number: int, text: str) -> _Category:
    english = vocabulary.in_english(text)
    themes = tuple(vocabulary.themes_of(text))
    anchors = [english, *_parts(english)[1:], *(phrase for theme in themes for phrase in theme.phrases)]
    words = tuple(dict.fromkeys(word for theme in themes for word in theme.words))
    return _Category(number, themes, words, embed(anchors))


@lru_cache(maxsize=1)
def _background() -> Vectors:
    return embed(vocabulary.NOTHING_IN_PARTICULAR)
