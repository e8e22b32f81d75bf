"""Texts of subjects that no default category covers, made of parts, and of everything else."""

import csv
import random
from collections.abc import Sequence
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "local" / "sample" / "feedback.csv"

STRAP = (
    ("The", "My", "This"),
    ("strap", "wrist strap", "watch strap", "rubber strap", "leather strap"),
    ("broke", "tore", "snapped", "came apart", "split in two"),
    ("after", "within", "in less than"),
    ("two weeks", "ten days", "three months", "one month", "a few days"),
    ("", ", I am disappointed", ", please send another one", ", not worth it"),
)
SMELL = (
    ("There is a", "It has a", "I notice a"),
    ("strong", "bad", "chemical", "burnt", "terrible"),
    ("smell", "odour"),
    ("of plastic", "of rubber", "of chemicals", "of paint"),
    ("in the whole room", "that does not go away", "even after airing it", "and it gave me a headache"),
)
WISH = (
    ("Please add", "I would love", "Could you add", "We want", "It needs"),
    ("a dark green colour", "a purple colour", "a pink colour", "a red colour", "a colour like copper"),
    ("as well", "next year", "for my mother", "in the range", "to choose from", "in the smaller size"),
)


def texts_about(theme: Sequence[Sequence[str]], count: int, *, seed: int = 1) -> list[str]:
    """``count`` different texts, the same for the same seed."""
    chance, found = random.Random(seed), dict[str, None]()
    while len(found) < count:
        found[" ".join(part for part in (chance.choice(parts) for parts in theme) if part).replace(" ,", ",")] = None
    return list(found)


def other_texts() -> list[str]:
    """The texts of the sample file, without repetitions."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(row["feedback"] for row in csv.DictReader(file) if row["feedback"].strip()))
