"""Whether a proposal holds two subjects, and which of its texts are of which. Pure arithmetic."""

from collections.abc import Sequence

import numpy as np

from services.feedback_tagger.discovery.clustering import (
    ROUNDS,
    Group,
    Matrix,
    Point,
    gathered,
    group_of,
    joining_distance,
    merged,
    nearest,
    unit,
)
from services.feedback_tagger.discovery.placing import MOST_GROUPED, Rules
from services.feedback_tagger.store.discovery import Member, NewProposal, Vector

FURTHEST = 2.0
"""No two directions are further apart: each text belongs to one of the parts."""


def parts_of(texts: Sequence[Vector], rules: Rules) -> list[NewProposal]:
    """The two subjects of a proposal with these texts, the larger one first; nothing if it holds one."""
    groups = in_two([Point(text.digest, text.numbers) for text in texts], rules)
    return [NewProposal(group.centroid, [Member(*member) for member in group.members]) for group in groups]


def in_two(texts: Sequence[Point], rules: Rules) -> list[Group]:
    """Two groups that hold all ``texts``; none if either would be no proposal by itself, or if their middles are so
    near to each other that two such groups of new texts would be made one.

    Two subjects that are no two groups for the rules are one here too, or the next look would unite what is split.
    """
    texts = sorted(texts, key=lambda text: text.digest)
    some = texts[:MOST_GROUPED]
    least = max(2, rules.least * len(some) // max(1, len(texts)))
    if len(some) < 2 * least:
        return []
    vectors = unit([text.vector for text in some])
    parts = _last_join(merged(vectors), len(some), least)
    for _ in range(ROUNDS if parts else 0):
        parts = gathered(parts, vectors, within=FURTHEST)
        if not all(parts):
            return []
    if not parts:
        return []
    middles = unit([vectors[part].mean(axis=0) for part in parts])
    places = [found[0] for found in nearest(texts, middles.tolist(), within=FURTHEST) if found is not None]
    members = [[text for text, place in zip(texts, places, strict=True) if place == part] for part in (0, 1)]
    if min(map(len, members)) < rules.least:
        return []
    groups = sorted(map(group_of, members), key=lambda group: (-len(group.members), group.members[0]))
    apart = 1.0 - float(np.dot(groups[0].centroid, groups[1].centroid))
    return groups if apart > joining_distance(rules.distance) else []


def _last_join(merges: Matrix, texts: int, least: int) -> list[list[int]]:
    """The two sides of the last merge of two groups of at least ``least``: what joins later are single texts that are
    far from all others."""
    groups: dict[int, list[int]] = {place: [place] for place in range(texts)}
    found: list[list[int]] = []
    for number, (one, other, _, _) in enumerate(merges.tolist(), start=texts):
        sides = [groups.pop(int(one)), groups.pop(int(other))]
        if min(map(len, sides)) >= least:
            found = sides
        groups[number] = sides[0] + sides[1]
    return found
