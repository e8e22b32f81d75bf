"""Which texts share a prompt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.feedback_tagger.planner.injection import trips
from services.feedback_tagger.planner.prompt import FRAME_TOKENS, as_one_line, most_row_tokens, row_tokens
from shared.model.tokens import prefix_tokens


@dataclass(frozen=True, slots=True)
class Plan:
    """``groups`` are places in the texts that were given, one prompt each; ``lines`` are those texts as one line each.

    ``asked_at`` has for every text the place of the first that reads the same: only that one is in a group.
    ``suspicious`` are the places that tripped the injection check, each a group of its own.
    """

    lines: Sequence[str]
    asked_at: Sequence[int]
    groups: Sequence[Sequence[int]]
    suspicious: frozenset[int]


def planned(texts: Sequence[str], *, at_most: int, at_most_tokens: int = 0) -> Plan:
    """Prompts of at most ``at_most`` texts and, if it is not 0, of ``at_most_tokens`` by estimate; a longer text is
    alone. Of texts that read the same only the first is asked. One that trips the injection check is alone."""
    lines = [as_one_line(text) for text in texts]
    first: dict[str, int] = {}
    asked_at = [first.setdefault(line, place) for place, line in enumerate(lines)]
    asked = list(first.values())
    suspicious = frozenset(place for place in asked if trips(texts[place]))
    together = [place for place in asked if place not in suspicious]
    groups = _packed(together, lines, at_most, at_most_tokens)
    return Plan(lines, asked_at, [*groups, *([place] for place in asked if place in suspicious)], suspicious)


def room_for_rows(prompt_tokens: int, system: str) -> int:
    """What a prompt of ``prompt_tokens`` leaves for its rows, by estimate; 0, no limit, stays 0."""
    if not prompt_tokens:
        return 0
    # A system prompt that fills the budget alone leaves one row a prompt: 1 is less than any row.
    return max(1, prompt_tokens - prefix_tokens(system) - FRAME_TOKENS)


def regrouped(places: Iterable[int], plan: Plan, *, at_most: int, at_most_tokens: int = 0) -> list[list[int]]:
    """Some of a plan's places in prompts of their own, by the same rules."""
    chosen = list(places)
    together = [place for place in chosen if place not in plan.suspicious]
    alone = [[place] for place in chosen if place in plan.suspicious]
    return [*_packed(together, plan.lines, at_most, at_most_tokens), *alone]


def _packed(places: Sequence[int], lines: Sequence[str], at_most: int, at_most_tokens: int) -> list[list[int]]:
    groups: list[list[int]] = []
    if at_most_tokens and sum([most_row_tokens(lines[place]) for place in places]) <= at_most_tokens:
        at_most_tokens = 0  # However the estimate comes out, all of them fit.
    used = 0
    for place in places:
        tokens = row_tokens(lines[place]) if at_most_tokens else 0
        full = not groups or len(groups[-1]) == at_most or (at_most_tokens and used + tokens > at_most_tokens)
        if full:
            groups.append([])
            used = 0
        groups[-1].append(place)
        used += tokens
    return groups
