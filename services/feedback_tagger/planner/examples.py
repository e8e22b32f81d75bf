"""Which corrected rows stand in the prompt as examples, and how they are written there.

The same corrections give the same examples in the same order: the prompt's prefix changes only when they do.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from services.feedback_tagger.domain.category_name import folded
from services.feedback_tagger.domain.taxonomy import UNKNOWN, Taxonomy
from services.feedback_tagger.planner.agreement import position
from services.feedback_tagger.planner.injection import trips
from services.feedback_tagger.planner.prompt import as_one_line
from shared.model.prices import ModelPrice
from shared.model.tokens import estimated_tokens

PER_CATEGORY = 2
TOKENS = 600
"""Of all examples, by estimate: with twenty rows a prompt, thirty tokens a row."""
MOST_PER_CATEGORY = 10
"""However cheap a cached prefix is: what ten examples of a category have not shown, an eleventh hardly will."""
SHORTEST, LONGEST = 12, 300
"""Characters. "Great!" shows nothing; a long text costs as much as several and mentions more than one thing."""
# "3|" and the line end.
MARK_TOKENS = 3
SURELY_CACHED = Decimal("1.25")
"""Tokens are estimates that err upwards: a prefix is as long as the model's minimum only if it seems longer by this."""
READ_SHARE = Decimal("0.9")
"""Of prompts, those that find their prefix in the cache. The others write it: the first ones, and after pauses."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A corrected row: ``said`` is the label that it had, ``label`` a person's."""

    row_id: int
    identity: str
    said: str
    label: str
    text: str = field(repr=False)

    @property
    def tokens(self) -> int:
        return estimated_tokens(_line(self.text)) + MARK_TOKENS


def chosen(
    candidates: Iterable[Candidate],
    categories: Sequence[str],
    *,
    per_category: int = PER_CATEGORY,
    tokens: int = TOKENS,
    prefix_tokens: int = 0,
    price: ModelPrice | None = None,
) -> list[Candidate]:
    """At most ``per_category`` a category (and of unknown) and ``tokens`` in all; no category has two more than another
    that has some left.

    Where the model caches prefixes, it are more if that is cheaper: ``prefix_tokens`` and the examples then reach the
    length from which on they are cached, and reading them back costs less than reading fewer afresh.
    """
    if per_category <= 0 or tokens <= 0:
        return []
    by_label = _usable(candidates, (*categories, UNKNOWN))
    few = _in_rounds(by_label, per_category, tokens)
    if not few or price is None or price.cache_minimum is None or price.cache_read is None or price.input <= 0:
        return few
    wanted = int(price.cache_minimum * SURELY_CACHED)
    plain = prefix_tokens + sum(each.tokens for each in few)
    if plain >= wanted:
        return few
    many = _in_rounds(by_label, max(per_category, MOST_PER_CATEGORY), 2 * wanted, enough=wanted - prefix_tokens)
    cached = prefix_tokens + sum(each.tokens for each in many)
    reading, writing = price.cache_read / price.input, (price.cache_write or price.input) / price.input
    cost = cached * (READ_SHARE * reading + (1 - READ_SHARE) * writing)
    return many if cached >= wanted and cost < plain else few


def _usable(candidates: Iterable[Candidate], labels: Sequence[str]) -> dict[str, list[Candidate]]:
    """By label, in the labels' order, the most telling first: what the model got wrong, then by hash, so that a new
    correction displaces few."""
    names = [folded(label) for label in labels]
    by_text: defaultdict[str, list[Candidate]] = defaultdict(list)
    for each in candidates:
        if folded(each.label) in names and SHORTEST <= len(each.text) <= LONGEST and not trips(each.text):
            by_text[folded(_line(each.text))].append(each)
    by_label: dict[str, list[Candidate]] = {name: [] for name in names}
    for same in by_text.values():
        # One text with two labels shows that people differ, and nothing else.
        if len({folded(each.label) for each in same}) == 1:
            by_label[folded(same[0].label)].append(min(same, key=_place))
    return {name: sorted(found, key=_place) for name, found in by_label.items()}


def _place(each: Candidate) -> tuple[bool, float, int]:
    return folded(each.said) == folded(each.label), position(each.identity or f"row {each.row_id}"), each.row_id


def _in_rounds(
    by_label: dict[str, list[Candidate]], per_category: int, tokens: int, *, enough: int | None = None
) -> list[Candidate]:
    """One of each label, then a second of each, until one does not fit, or ``enough`` tokens are there."""
    found: list[Candidate] = []
    used = 0
    for place in range(per_category):
        round_ = [of_label[place] for of_label in by_label.values() if len(of_label) > place]
        if place == 0:
            # If not even one of each fits, those categories come first where the model errs most.
            wrong = Counter(
                {name: sum(folded(c.said) != name for c in of_label) for name, of_label in by_label.items()}
            )
            if sum(each.tokens for each in round_) > tokens:
                round_.sort(key=lambda each: -wrong[folded(each.label)])
        for each in round_:
            if used + each.tokens > tokens:
                return found
            found.append(each)
            used += each.tokens
        if not round_ or (enough is not None and used >= enough):
            break
    return found


def written(taxonomy: Taxonomy) -> str:
    """The examples as lines of the prompt, number|text; those whose category is not there any more are left out."""
    numbers = {folded(name): number for number, name in enumerate(taxonomy.names, start=1)} | {UNKNOWN: 0}
    return "\n".join(
        f"{numbers[folded(each.label)]}|{_line(each.text)}"
        for each in taxonomy.examples
        if folded(each.label) in numbers
    )


def _line(text: str) -> str:
    """Customers' words without what could end the block they stand in."""
    return as_one_line(text).replace("<", "\u2039").replace(">", "\u203a")
