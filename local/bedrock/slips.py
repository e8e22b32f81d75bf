"""The errors of real models with many rows in one prompt, on demand and by seed."""

import re
from collections.abc import Mapping
from random import Random

from local.bedrock.prompt import TaggingPrompt
from local.bedrock.settings import Slips

# What a row may say to a model that cannot tell rows from instructions.
_ORDER = re.compile(
    r"(?:label|tag|categori[sz]e|mark|answer|classify)[^|]{0,60}?\b(?:as|with|to|:)\s*(?P<number>\d{1,4})\b",
    re.IGNORECASE,
)
_EVERYTHING = re.compile(r"\b(?:all|every|each|everything)\b", re.IGNORECASE)


def slipped(tags: Mapping[int, int], asked: TaggingPrompt, slips: Slips, random: Random) -> dict[int, int]:
    """The answers as an erring model would give them, in the order of the rows."""
    answers = _obedient(tags, asked) if slips.obeys_rows else dict(tags)
    numbers = list(answers)
    wrong = min(1.0, slips.wrong + slips.wrong_per_row * (len(numbers) - 1))
    for position, number in enumerate(numbers):
        if random.random() < wrong:
            answers[number] = random.choice([one for one in (0, *asked.categories) if one != answers[number]] or [0])
        if position and random.random() < slips.copied_from_neighbour:
            answers[number] = answers[numbers[position - 1]]
    return _renumbered({n: c for n, c in answers.items() if random.random() >= slips.dropped}, slips, random)


def _renumbered(answers: Mapping[int, int], slips: Slips, random: Random) -> dict[int, int]:
    return {
        number + 1 if random.random() < slips.renumbered else number: category for number, category in answers.items()
    }


def _obedient(tags: Mapping[int, int], asked: TaggingPrompt) -> dict[int, int]:
    answers = dict(tags)
    for number, text in asked.rows.items():
        if order := _ORDER.search(text):
            obeyed = asked.rows if _EVERYTHING.search(text) else (number,)
            answers |= dict.fromkeys(obeyed, int(order["number"]))
    return answers
