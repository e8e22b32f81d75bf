"""The stand-in for a model that tags: the nearest category by word vectors and cue words, or 0 where none is near.

It sees the categories and rows of the prompt and nothing else. It is no language model: it does not understand
negation, irony or context, and its thresholds were set on sentences written for that purpose.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np

from local.bedrock import vocabulary
from local.bedrock.embeddings import Vectors, embed

UNKNOWN = 0
# Below this score (cosine plus what the cue words add) nothing is near enough.
LEAST_SCORE = 0.30
PER_CUE_WORD = 0.16
MOST_CUE_WORDS = 3
# A text that is like an example may be like it in anything.
OF_AN_EXAMPLE = 0.8
_CLAUSES = re.compile(r"[.!?;:\n]+|,| but | aber | and | und ")
LEAST_CLAUSE = 12


@dataclass(frozen=True, slots=True)
class _Known:
    """The categories of one prompt. ``starts``: where each one's vectors begin; the last ones are the background's."""

    numbers: tuple[int, ...]
    words: tuple[tuple[str, ...], ...]
    vectors: Vectors
    starts: tuple[int, ...]


def tag(
    categories: Mapping[int, str], rows: Mapping[int, str], examples: tuple[tuple[int, str], ...] = ()
) -> dict[int, int]:
    """The category number of every row. ``examples`` are texts that stand for a category's name too, or for none's."""
    if not rows:
        return {}
    known = _known(tuple(categories.items()), examples)
    texts = [vocabulary.in_english(text) for text in rows.values()]
    parts = [_parts(text) for text in texts]
    vectors = embed([part for group in parts for part in group])
    # Not "@": for matrices this small BLAS wakes a thread on every core, at a hundred times the cost.
    cosines = np.einsum("ij,kj->ik", vectors, known.vectors)
    # The best of any clause with any anchor: first over each category's anchors, then over each row's clauses.
    by_category = np.maximum.reduceat(cosines, known.starts, axis=1)
    by_row = np.maximum.reduceat(by_category, _starts(parts), axis=0)
    return {
        number: _nearest(known, text, near) for number, text, near in zip(rows, texts, by_row.tolist(), strict=True)
    }


def _nearest(known: _Known, text: str, near: Sequence[float]) -> int:
    *cosines, background = near
    best, best_score = UNKNOWN, max(LEAST_SCORE, background)
    for number, words, cosine in zip(known.numbers, known.words, cosines, strict=True):
        score = cosine + PER_CUE_WORD * min(MOST_CUE_WORDS, vocabulary.count_of(words, text))
        if score > best_score:
            best, best_score = number, score
    return best


def _parts(text: str) -> list[str]:
    clauses = [part.strip() for part in _CLAUSES.split(text)]
    return [text, *(part for part in clauses if len(part) >= LEAST_CLAUSE and part != text)]


@lru_cache(maxsize=64)
def _known(categories: tuple[tuple[int, str], ...], examples: tuple[tuple[int, str], ...] = ()) -> _Known:
    themes = [vocabulary.themes_of(text) for _, text in categories]
    anchors = [
        [*_parts(vocabulary.in_english(text)), *(phrase for theme in own for phrase in theme.phrases)]
        for (_, text), own in zip(categories, themes, strict=True)
    ]
    anchors.append(list(vocabulary.NOTHING_IN_PARTICULAR))
    of_number = {number: group for (number, _), group in zip(categories, anchors, strict=False)} | {
        UNKNOWN: anchors[-1]
    }
    weights = [[1.0] * len(group) for group in anchors]
    weight_of = {number: group for (number, _), group in zip(categories, weights, strict=False)} | {
        UNKNOWN: weights[-1]
    }
    for number, text in examples:
        if number in of_number:
            # As a whole: a clause of it may be about anything.
            of_number[number].append(vocabulary.in_english(text))
            weight_of[number].append(OF_AN_EXAMPLE)
    vectors = embed([anchor for group in anchors for anchor in group])
    return _Known(
        numbers=tuple(number for number, _ in categories),
        words=tuple(tuple(dict.fromkeys(word for theme in own for word in theme.words)) for own in themes),
        vectors=vectors * np.array([weight for group in weights for weight in group], dtype=np.float32)[:, None],
        starts=tuple(_starts(anchors)),
    )


def _starts(groups: Sequence[Sequence[str]]) -> list[int]:
    return [0, *accumulate(len(group) for group in groups[:-1])]
