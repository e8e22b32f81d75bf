"""How well discovery finds one subject among others: messages of one intent planted in 5% of public sentences.

python -m bench.quality.themes

What is measured is the grouping, with the local endpoint's word vectors in the place of the real model's. The way of
grouping was chosen on the intents that are marked as such; the others were looked at afterwards.
"""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence

from bench.quality.packages import member, opened
from bench.quality.sets import SENTIMENT
from bench.tagger import dataset
from local.bedrock.titan import reply
from services.feedback_tagger.discovery.clustering import Point
from services.feedback_tagger.discovery.placing import RULES, placed

LEFT_ALONE = (
    "cancel service or account",
    "activate device",
    "request refund",
    "ask about billing",
    "ask about shipping or pick up",
)
LEAST_MESSAGES = 18
OTHERS_FOR_EACH = 19
"""So the subject is one text in twenty."""
SEED = 1


def main() -> None:
    subjects, others = planted(), sentences()
    points = {text: point_of(text) for text in {*others, *(text for texts in subjects.values() for text in texts)}}
    print(f"{'subject':36} {'texts':>5} {'found':>6} {'others':>6}")
    for subject, texts in subjects.items():
        chance = random.Random(f"{subject}{SEED}")  # noqa: S311  repeatable, not secret
        around = chance.sample(others, min(len(others), OTHERS_FOR_EACH * len(texts)))
        found, strangers = judged({points[text].digest for text in texts}, [points[text] for text in (*texts, *around)])
        chosen_on = "" if subject in LEFT_ALONE else "  (chosen on)"
        print(f"{subject:36} {len(texts):5} {found:6.0%} {strangers:6.0%}{chosen_on}")


def planted() -> Mapping[str, Sequence[str]]:
    """Each intent's different messages, where there are enough of them."""
    found: dict[str, dict[str, None]] = {}
    for message in dataset.messages():
        found.setdefault(message.intent, {})[message.text] = None
    return {intent: list(texts) for intent, texts in found.items() if len(texts) >= LEAST_MESSAGES}


def sentences() -> list[str]:
    with opened(SENTIMENT) as archive:
        entries = [
            entry
            for shop in ("amazon", "yelp", "imdb")
            for entry in json.loads(member(archive, f"package/test/fixtures/{shop}.json"))
        ]
    return list(dict.fromkeys(entry["text"] for entry in entries if entry.get("text")))


def judged(subject: set[str], points: Sequence[Point]) -> tuple[float, float]:
    """The share of the subject in the proposal that has most of it, and the share of others in that."""
    groups = [{digest for digest, _ in group.members} for group in placed(points, [], RULES).new]
    best = max(groups, key=lambda group: len(group & subject), default=set())
    return len(best & subject) / len(subject), len(best - subject) / max(1, len(best))


def point_of(text: str) -> Point:
    return Point(hashlib.sha256(text.encode()).hexdigest(), reply({"inputText": text, "dimensions": 256})["embedding"])


if __name__ == "__main__":
    main()
