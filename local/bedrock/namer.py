"""The stand-in for a model that names a group of texts: by the words that most of them have.

It is no language model: it finds no word that is not in the texts, and its names are lists of words. The sentence that
it gives says so, because a person decides by it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from local.bedrock import prompt, vocabulary

_EXISTING = re.compile(r"<existing>\n(?P<names>.*?)\n</existing>", re.DOTALL)
_WORD = re.compile(r"[a-z]{4,}")
# What stands in every text of customers, and tells no subject from another.
_EVERYWHERE = """
about after again already also another anything around asked because been before better bought buying came cannot
come comes could customer days does dont down even ever every everything exist exists first from get getting give gone
good great have having hello here just know like long love made make many maybe might month months more most much must
need needs never nice once only other over part people please really said same second seem seems should show since some
something still such suit sure take tell than thank thanks that their them then there these they thing things think
this those though time times today tried trying until used using very want wanted week weeks well were what when where
which while will with within without work works worth would year years your
"""
MOST_WORDS = 2
BY = "Named by a stand-in that counts words."


def is_asked(request: Mapping[str, Any]) -> bool:
    return _EXISTING.search(_system(request)) is not None


def named(request: Mapping[str, Any]) -> str:
    """``name | sentence``."""
    texts = [vocabulary.in_english(text).lower() for text in prompt.rows_of(request).values()]
    counted = _counted(texts)
    often = sorted((word for word in counted if counted[word] * 4 >= len(texts)), key=lambda w: (-counted[w], w))
    words = often[:MOST_WORDS]
    if not words:
        return f"No common word | These texts have no word in common. {BY}"
    # A word in fewer than half as many texts as the first is no part of what they share.
    shared = [word for word in words if counted[word] * 2 >= counted[words[0]]]
    name = f"About {' and '.join(shared)}"
    match = _EXISTING.search(_system(request))
    taken = {line.strip().lower() for line in match["names"].splitlines()} if match else set()
    if name.lower() in taken:
        name = f"More {name[0].lower()}{name[1:]}"
    return (
        f"{name} | Texts with the words {', '.join(words)}. {BY}"
        if len(words) > 1
        else (f"{name} | Texts with the word {words[0]}. {BY}")
    )


def _counted(texts: Sequence[str]) -> Mapping[str, int]:
    """In how many texts each word stands, under its commonest form: a colour and colours are one."""
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    holding: Counter[str] = Counter()
    for text in texts:
        words = set(_WORD.findall(text)) - set(_EVERYWHERE.split())
        for word in words:
            forms[_singular(word)][word] += 1
        holding.update({_singular(word) for word in words})
    return {min(forms[one], key=lambda form: (-forms[one][form], form)): holding[one] for one in holding}


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _system(request: Mapping[str, Any]) -> str:
    return "\n".join(block["text"] for block in request.get("system") or () if "text" in block)
