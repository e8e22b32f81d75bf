"""Where new texts belong: to a group that is known, to a new one, or nowhere yet. A decision, and nothing is written.

Known groups come first and their middles never move, so a text that is placed stays: what comes later joins it, and
never draws it elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.feedback_tagger.discovery.clustering import Group, Point, grouped, joining_distance, nearest, reach

MOST_GROUPED = 3_000
"""Pairs of texts grow with the square: of more texts so many are grouped, and the others join what comes out."""


@dataclass(frozen=True, slots=True)
class Rules:
    """``distance``: where groups are cut; ``least``: the fewest texts that make a proposal."""

    distance: float
    least: int


RULES = Rules(distance=0.75, least=10)


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """A proposal that is not accepted; a rejected one goes on taking its like, so that it is not proposed again."""

    proposal_id: int
    centroid: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Joined:
    digest: str
    proposal_id: int
    distance: float


@dataclass(frozen=True, slots=True)
class Placement:
    joined: Sequence[Joined] = ()
    new: Sequence[Group] = ()
    left: Sequence[str] = field(default=(), repr=False)


def placed(texts: Sequence[Point], known: Sequence[KnownGroup], rules: Rules) -> Placement:
    """``texts`` are all that have no group: new ones and those that were left over before."""
    texts = sorted(texts, key=lambda text: text.digest)
    known = sorted(known, key=lambda group: group.proposal_id)
    within = joining_distance(rules.distance)
    joined, rest = [], []
    for text, found in zip(texts, nearest(texts, [group.centroid for group in known], within=within), strict=True):
        if found is None:
            rest.append(text)
        else:
            joined.append(Joined(text.digest, known[found[0]].proposal_id, found[1]))
    some = rest[:MOST_GROUPED]
    # Digests are as good as drawn by lot: a group of the whole has the same share of those that are looked at.
    least = max(2, rules.least * len(some) // max(1, len(rest)))
    found_groups = grouped(some, distance=rules.distance, least=least)
    taken = {digest for group in found_groups for digest, _ in group.members}
    new = _with_others(found_groups, [text for text in rest if text.digest not in taken], reach(rules.distance))
    new = [group for group in new if len(group.members) >= rules.least]
    placed_now = {digest for group in new for digest, _ in group.members}
    left = [text.digest for text in rest if text.digest not in placed_now]
    return Placement(joined, new, left)


def _with_others(groups: Sequence[Group], others: Sequence[Point], within: float) -> list[Group]:
    more: dict[int, list[tuple[str, float]]] = {}
    for text, found in zip(others, nearest(others, [group.centroid for group in groups], within=within), strict=True):
        if found is not None:
            more.setdefault(found[0], []).append((text.digest, found[1]))
    return [
        Group(
            sorted([*group.members, *more.get(place, [])], key=lambda member: (member[1], member[0])),
            group.centroid,
        )
        for place, group in enumerate(groups)
    ]
