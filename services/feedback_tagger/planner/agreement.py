"""Whether many rows in one prompt get the labels that they get alone, and how many rows a prompt may have then.

A sample of the rows that were answered together is asked again, each alone: without neighbours, without a position,
in the order of their hashes. What is compared is one model with itself, so a low figure has two possible reasons: rows
that disturb each other, or rows that have no certain answer. Only the first gets better with smaller prompts.
"""

import hashlib
from collections.abc import Sequence
from math import sqrt

from services.feedback_tagger.domain.spent import Agreement

SHARE = 0.02
"""Of the rows, where nothing else is set. A row alone costs what four or five together do: a bill grows by a tenth."""
LEAST = 0.9
# Of a normal distribution, 1% lies beyond: the figures are looked at after every prompt, so one in twenty would shrink
# prompts for nothing in nearly every run.
Z = 2.33
ENOUGH = 30
"""Rows to be checked before anything is concluded. 21 agreeing of 30 are below 90% by more than chance, 24 are not."""
EARLY_LINES, EARLY_SHARE = 300, 0.1
"""Of the rows on a file's first lines this share is checked, about ``ENOUGH``: a short file is judged too. By the line
and not by what was checked so far: tasks learn of each other's checks only after a while, and would check far more."""
PASSED_FOR_ANOTHER_TRY = 300
"""Checked rows after which a smaller size that holds gives the one above it ``ENOUGH`` rows to show itself again."""


def position(identity: str) -> float:
    """Where a row stands in the order of its hash, from 0 to 1: the same in every task and at every delivery."""
    return int.from_bytes(hashlib.blake2b(identity.encode("utf-8", "replace"), digest_size=8).digest(), "big") / 2**64


def share_to_check(share: float, line: int) -> float:
    """``share`` as it is set, and more on the first lines of a file; 0 switches the check off."""
    return max(share, EARLY_SHARE) if share > 0 and line <= EARLY_LINES else share


def bounds(agreed: int, checked: int) -> tuple[float, float]:
    """Between which shares the true one lies, by Wilson's score interval; it holds for few and for all or none."""
    if checked <= 0:
        return 0.0, 1.0
    share, z2 = agreed / checked, Z * Z / checked
    middle = (share + z2 / 2) / (1 + z2)
    half = Z * sqrt(share * (1 - share) / checked + z2 / (4 * checked)) / (1 + z2)
    return max(0.0, middle - half), min(1.0, middle + half)


def sizes(configured: int) -> list[int]:
    """The sizes a prompt may have: ``configured`` and its halves down to 1."""
    found = [configured]
    while found[-1] > 1:
        found.append(found[-1] // 2)
    return found


def rows_per_prompt(configured: int, seen: Sequence[Agreement], *, least: float) -> int:
    """How many rows the next prompt may have, given what was ``seen`` of a run; the same counts give the same number.

    A size is too large once its share of agreement lies below ``least`` by more than chance. Prompts then have half as
    many rows. When the smaller size has passed ``PASSED_FOR_ANOTHER_TRY`` checks, the larger one is tried on ``ENOUGH``
    more, and so again: it comes back when its figures, old ones included, do.
    """
    ladder = sizes(configured)
    for place, size in enumerate(ladder[:-1]):
        agreed, checked = _at(size, seen)
        if checked < ENOUGH or bounds(agreed, checked)[1] >= least:
            return size
        below_agreed, below_checked = _at(ladder[place + 1], seen)
        tries = below_checked // PASSED_FOR_ANOTHER_TRY if _holds(below_agreed, below_checked, least) else 0
        if checked < ENOUGH * (1 + tries):
            return size
    return 1


def _at(size: int, seen: Sequence[Agreement]) -> tuple[int, int]:
    own = [each for each in seen if each.rows_per_prompt == size]
    return sum(each.agreed for each in own), sum(each.checked for each in own)


def _holds(agreed: int, checked: int, least: float) -> bool:
    return bounds(agreed, checked)[1] >= least
