"""The stand-in for a model that names a group of texts: by the words that most of them have.

It is no language model: it finds no word that is not in the texts, and its names are lists of words.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from local.bedrock import prompt, vocabulary

_EXISTING = re.compile(r"<existing>\n(?P<names>.*?)\n</existing>", re.DOTALL)
_WORD = re.compile(r"[a-z]{4,}")
# What stands in every text of customers.
_EVERYWHERE = """
this that with from have been were after before when then than they them their there would could your very
just only even some more most much also because about which while into over again already really never days
weeks months year years time times first second week month like what where still same made make does
"""
MOST_WORDS = 3


def is_asked(request: Mapping[str, Any]) -> bool:
    return _EXISTING.search(_system(request)) is not None


def named(request: Mapping[str, Any]) -> str:
    """``name | sentence``."""
    texts = [vocabulary.in_english(text).lower() for text in prompt.rows_of(request).values()]
    counted = Counter(word for text in texts for word in sorted(set(_WORD.findall(text)) - set(_EVERYWHERE.split())))
    often = [word for word, texts_with in counted.items() if texts_with * 4 >= len(texts)]
    words = sorted(often, key=lambda word: (-counted[word], word))[:MOST_WORDS]
    if not words:
        return "No common word | These texts have no word in common."
    match = _EXISTING.search(_system(request))
    taken = {line.strip().lower() for line in match["names"].splitlines()} if match else set()
    name = " ".join(words).capitalize()
    if name.lower() in taken:
        name = f"{name} and more"
    return f"{name} | Texts that mostly say: {', '.join(words)}."


def _system(request: Mapping[str, Any]) -> str:
    return "\n".join(block["text"] for block in request.get("system") or () if "text" in block)
