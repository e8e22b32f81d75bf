"""Groups of texts that mean alike: the same for the same texts, in whatever order they come. Pure arithmetic.

Average linkage on cosine distance, by fastcluster, which is small and exact. A group is cut where its parts are further
apart on average than ``distance``. From there each text goes to the nearest middle, some times over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import fastcluster
import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]

# Sums of products come out differently in their last digits on other processors; no cut may hang on those.
DIGITS = 6
AT_ONCE = 256
# Linkage never takes back what it joined early; after so many rounds texts hardly change their group any more.
ROUNDS = 3
# Half of a group's texts are further from its middle than the mean: a group may reach so much further for its own.
REACH = 0.85


@dataclass(frozen=True, slots=True)
class Point:
    """A text by its digest, with its vector."""

    digest: str
    vector: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Group:
    """``members`` with their distance to the middle, the nearest first. ``centroid`` has length 1."""

    members: Sequence[tuple[str, float]] = field(repr=False)
    centroid: tuple[float, ...] = field(repr=False)


def joining_distance(distance: float) -> float:
    """How far from a group's middle a text may be to belong: where a group is cut at ``distance``, its texts are about
    so far from it, because the middle of texts with a mean cosine of c has a cosine of the root of c with each."""
    return float(1.0 - np.sqrt(max(0.0, 1.0 - distance)))


def reach(distance: float) -> float:
    """How far from its middle a group that is being made looks for its texts. One that is made already takes only what
    is within the joining distance: further out a subject of its own may lie, which is to be proposed by itself."""
    return 1.0 - REACH * (1.0 - joining_distance(distance))


def grouped(points: Sequence[Point], *, distance: float, least: int) -> list[Group]:
    """Groups of at least ``least`` texts, the largest first; texts in none of them are left out.

    Memory is eight bytes for each pair of texts: 3,000 of them take 36 MB, and below a second.
    """
    points = sorted(points, key=lambda point: point.digest)
    if len(points) < max(2, least):
        return []
    vectors = unit([point.vector for point in points])
    # A subject that is spoken of in many ways begins with half a group.
    few = max(2, least // 2)
    parts = [places for places in _cut(merged(vectors), len(points), distance) if len(places) >= few]
    parts = _united(parts, vectors, distance)
    for _ in range(ROUNDS):
        parts = [places for places in gathered(parts, vectors, within=reach(distance)) if len(places) >= few]
        parts = _united(parts, vectors, distance)
    groups = [group_of([points[place] for place in places]) for places in parts if len(places) >= least]
    return sorted(groups, key=lambda group: (-len(group.members), min(digest for digest, _ in group.members)))


def gathered(parts: Sequence[list[int]], vectors: Matrix, *, within: float) -> list[list[int]]:
    """The places of all vectors by the nearest of the parts' middles, as far as it is ``within`` reach."""
    if not parts:
        return []
    away = np.round(1.0 - vectors @ unit([vectors[part].mean(axis=0) for part in parts]).T, DIGITS)
    near, far = away.argmin(axis=1), away.min(axis=1)
    return [np.flatnonzero((near == part) & (far <= within)).tolist() for part in range(len(parts))]


def group_of(points: Sequence[Point]) -> Group:
    vectors = unit([point.vector for point in points])
    centroid = unit([vectors.mean(axis=0)])[0]
    away = np.round(1.0 - vectors @ centroid, DIGITS)
    members = sorted(
        ((point.digest, float(far)) for point, far in zip(points, away, strict=True)),
        key=lambda member: (member[1], member[0]),
    )
    # As it will be stored: what is decided by it now is decided alike later.
    return Group(members, tuple(centroid.astype(np.float32).tolist()))


def nearest(
    points: Sequence[Point], centroids: Sequence[Sequence[float]], *, within: float
) -> list[tuple[int, float] | None]:
    """For each text the place of the nearest centroid and the distance to it; None if none is within reach."""
    if not points or not centroids:
        return [None] * len(points)
    away = np.round(1.0 - unit([point.vector for point in points]) @ unit(centroids).T, DIGITS)
    found: list[tuple[int, float] | None] = []
    for row in away:
        place = int(row.argmin())
        found.append((place, float(row[place])) if row[place] <= within else None)
    return found


def unit(vectors: Sequence[Sequence[float]] | Sequence[Matrix]) -> Matrix:
    """One row each, of length 1; a vector of zeros stays one and is near nothing."""
    matrix = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    lengths[lengths == 0] = 1.0
    unit_vectors: Matrix = matrix / lengths
    return unit_vectors


def merged(vectors: Matrix) -> Matrix:
    """What joins what, as average linkage does it, one row a merge: two numbers, the height, the size."""
    merges: Matrix = fastcluster.linkage(_distances(vectors), method="average", preserve_input=False)
    return merges


def _distances(vectors: Matrix) -> Matrix:
    """Of each pair, the first one's first; piece by piece, as the square of them would take four times the memory."""
    count, start = len(vectors), 0
    distances = np.empty(count * (count - 1) // 2)
    for first in range(0, count, AT_ONCE):
        away = np.maximum(np.round(1.0 - vectors[first : first + AT_ONCE] @ vectors[first:].T, DIGITS), 0.0)
        for row, others in enumerate(away, start=1):
            distances[start : start + count - first - row] = others[row:]
            start += count - first - row
    return distances


def _cut(merges: Matrix, texts: int, distance: float) -> list[list[int]]:
    """The groups that are left if merges above ``distance`` are undone: heights of average linkage never fall."""
    groups: dict[int, list[int]] = {place: [place] for place in range(texts)}
    for number, (one, other, height, _) in enumerate(merges.tolist(), start=texts):
        if height > distance:
            break
        groups[number] = groups.pop(int(one)) + groups.pop(int(other))
    return [sorted(places) for places in groups.values()]


def _united(parts: Sequence[list[int]], vectors: Matrix, distance: float) -> list[list[int]]:
    """Parts whose middles are within reach of each other are one: a subject that is spoken of in two ways."""
    if len(parts) < 2:
        return list(parts)
    centroids = unit([vectors[part].mean(axis=0) for part in parts])
    return [
        sorted(place for part in places for place in parts[part])
        for places in _cut(merged(centroids), len(parts), joining_distance(distance))
    ]
