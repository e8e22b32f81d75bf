"""The stand-in for a model that finds sentiment by aspect: cue words say which aspect a clause is about, a lexicon how.

It sees the aspects and rows of the prompt and nothing else. It is no language model: it counts words, with VADER's
rules for negation and emphasis and some words of support added, and understands neither irony nor what goes without
saying.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from local.bedrock import vocabulary

NOTHING = "0"
# VADER's own bounds of what is neutral.
LEAST_COMPOUND = 0.05

_CLAUSES = re.compile(
    r"[.!?;:\n]+|,| but | although | though | however | while | yet | and (?=the |it |they |my |i |we )"
)


@dataclass(frozen=True, slots=True)
class AspectWords:
    """``cues`` tie an aspect of the prompt to ``words`` (beginnings of words, or phrases) that speak of it."""

    cues: tuple[str, ...]
    words: tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


ASPECT_WORDS = (
    AspectWords(
        _split("price, cost, value, money"),
        _split(
            "price, priced, pricey, pricing, cost, money, expensive, overpriced, cheap, cheaper, worth, value, afford, "
            "affordable, bargain, dollar, euro, pound, charg, fee, fees, refund, paid, pay, discount, "
            "deal, billed, bucks"
        ),
    ),
    AspectWords(
        _split("quality, material, durability, build, product"),
        _split(
            "quality, broke, broken, break, sturdy, durable, flimsy, well made, poorly made, material, defect, faulty, "
            "crack, scratch, last, lasted, cheaply made, build, solid, stopped working, dead, died, screen, battery, "
            "sound, picture, camera, hinge, overheat, works, worked, working, fell apart, tore, leak, burn, product"
        ),
    ),
    AspectWords(
        _split("delivery, shipping, shipment, logistics"),
        _split(
            "deliver, ship, shipped, shipping, shipment, arriv, parcel, package, packaging, courier, tracking, "
            "transit, carrier, came on time, came late, came early, on its way, driver, box, dispatch"
        ),
    ),
    AspectWords(
        _split("service, support, staff, help"),
        _split(
            "service, support, staff, customer care, representative, agent, helpline, hotline, replied, reply, "
            "answered, responded, response, rude, polite, friendly, helpful, unhelpful, call center, "
            "phone call, email, waiter, waitress, manager, seller"
        ),
    ),
    AspectWords(
        _split("usability, ease, interface, app, design"),
        _split(
            "easy, easier, simple, intuitive, complicated, confusing, difficult, hard to, setup, set up, install, "
            "menu, interface, settings, instructions, manual, app, button, user friendly, use, using, navigate, login, "
            "log in, crash, freez, update"
        ),
    ),
)
# How strongly a word speaks for or against, on VADER's scale of -4 to 4; its own lexicon is made of social media.
SUPPORT_WORDS: Mapping[str, float] = {
    "late": -1.8, "later": -1.0, "slow": -1.7, "slowly": -1.4, "delayed": -1.9, "delay": -1.7, "waiting": -1.2,
    "expensive": -1.7, "overpriced": -2.3, "pricey": -1.4, "affordable": 1.7, "bargain": 1.9, "flimsy": -2.0,
    "broke": -2.2, "broken": -2.2, "breaks": -1.9, "crushed": -1.9, "torn": -1.6, "defective": -2.2, "faulty": -2.1,
    "sturdy": 1.9, "durable": 1.9, "crashes": -2.0, "crashed": -2.0, "crash": -2.0, "freezes": -1.8, "freeze": -1.5,
    "confusing": -1.8, "complicated": -1.6, "intuitive": 1.9, "unhelpful": -2.0, "rude": -2.2, "polite": 1.8,
    "quick": 1.6, "quickly": 1.6, "fast": 1.6, "prompt": 1.6, "promptly": 1.6, "refused": -1.6, "ignored": -1.8,
    "cracked": -1.9, "scratched": -1.5, "scratch": -1.3, "died": -2.0, "dead": -2.0, "junk": -2.4, "twice": -0.6,
    "worthless": -2.6, "never": -1.3, "stopped": -1.3, "unusable": -2.3, "overheats": -1.9, "overheating": -1.9,
    "lost": -1.5, "missing": -1.5, "damaged": -2.0, "leaks": -1.7, "waste": -2.2, "useless": -2.3, "unresponsive": -1.9,
}  # fmt: skip

NO_JUDGEMENT = ("support", "value", "help", "please", "like")


def judge(aspects: Mapping[int, str], rows: Mapping[int, str]) -> dict[int, str]:
    """The answer for every row: numbers of aspects with their signs, or 0."""
    words = _words(tuple(aspects.items()))
    return {number: _answer(words, vocabulary.in_english(text)) for number, text in rows.items()}


def _answer(words: Sequence[tuple[int, tuple[str, ...]]], text: str) -> str:
    signs: dict[int, set[str]] = {}
    for clause in _CLAUSES.split(f" {text} "):
        about = [number for number, cues in words if vocabulary.count_of(cues, clause)]
        if not about:
            continue
        compound = _lexicon().polarity_scores(clause)["compound"]
        if abs(compound) >= LEAST_COMPOUND:
            for number in about:
                signs.setdefault(number, set()).add("+" if compound > 0 else "-")
    judged = (f"{number}{'~' if len(found) > 1 else found.pop()}" for number, found in sorted(signs.items()))
    return ",".join(judged) or NOTHING


@lru_cache(maxsize=64)
def _words(aspects: tuple[tuple[int, str], ...]) -> list[tuple[int, tuple[str, ...]]]:
    found = []
    for number, name in aspects:
        english = vocabulary.in_english(name)
        known = [each.words for each in ASPECT_WORDS if vocabulary.count_of(each.cues, english)]
        # An aspect that nothing is known about is found where a text names it.
        found.append((number, tuple(dict.fromkeys((english, *(word for words in known for word in words))))))
    return found


@cache
def _lexicon() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415  brings an HTTP client with it

    analyzer = SentimentIntensityAnalyzer()
    analyzer.lexicon.update(SUPPORT_WORDS)
    for topic in NO_JUDGEMENT:
        analyzer.lexicon.pop(topic, None)
    return analyzer
