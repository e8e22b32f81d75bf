"""What a proposal looks like among the categories and the other proposals: part of one, near another, or new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.feedback_tagger.discovery.clustering import Point, nearest, unit


@dataclass(frozen=True, slots=True)
class Likeness:
    extends: str = ""
    near: int | None = None


def likeness(
    proposal_id: int,
    centroid: Sequence[float],
    categories: Mapping[str, Sequence[Sequence[float]]],
    others: Mapping[int, Sequence[float]],
    *,
    within: float,
) -> Likeness:
    """``categories``: the vectors of each one's name and of some texts that have it."""
    middles = {name: _middle(vectors) for name, vectors in categories.items() if vectors}
    middles |= {f"{name}\n": vectors[0] for name, vectors in categories.items() if vectors}
    found = _nearest(centroid, middles, within)
    rest = {number: vector for number, vector in others.items() if number != proposal_id}
    near = _nearest(centroid, {str(number): vector for number, vector in rest.items()}, within)
    return Likeness((found or "").strip(), int(near) if near is not None else None)


def _nearest(centroid: Sequence[float], places: Mapping[str, Sequence[float]], within: float) -> str | None:
    names = sorted(places)
    (found,) = nearest([Point("", centroid)], [places[name] for name in names], within=within)
    return None if found is None else names[found[0]]


def _middle(vectors: Sequence[Sequence[float]]) -> Sequence[float]:
    return [float(number) for number in unit([unit(vectors).mean(axis=0)])[0]]
