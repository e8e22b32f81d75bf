"""InvokeModel for Titan Text Embeddings V2: one text a call, in the model's own JSON.

The vectors are static word vectors of 256 numbers, repeated to the length asked for, which keeps every cosine. Frequent
German words are put into English first, because the real model is multilingual.
"""

import json
from typing import Any

from local.bedrock import tokens, vocabulary
from local.bedrock.embeddings import DIMENSIONS, embed
from local.bedrock.errors import invalid

DEFAULT_DIMENSIONS = 1024
ALLOWED_DIMENSIONS = (256, 512, 1024)
LONGEST_TEXT = 50_000
KEYS = ("inputText", "dimensions", "normalize", "embeddingTypes")
BY = "deskhand-stand-in/word-vectors"


def read(body: bytes) -> dict[str, Any]:
    """The request, valid by the model's schema. Raises ValidationException."""
    try:
        asked = json.loads(body)
    except ValueError:
        raise invalid("Malformed input request: the body is not valid JSON.") from None
    if not isinstance(asked, dict):
        raise invalid("Malformed input request: expected type: JSONObject, found another.")
    if unknown := sorted(asked.keys() - set(KEYS)):
        raise invalid(f"Malformed input request: extraneous key [{unknown[0]}] is not permitted.")
    text = asked.get("inputText")
    if not isinstance(text, str) or not text:
        raise invalid("Malformed input request: #/inputText: expected a text of at least one character.")
    if len(text) > LONGEST_TEXT:
        raise invalid(f"Malformed input request: #/inputText: expected maxLength: {LONGEST_TEXT}, actual: {len(text)}.")
    dimensions = asked.get("dimensions", DEFAULT_DIMENSIONS)
    if isinstance(dimensions, bool) or dimensions not in ALLOWED_DIMENSIONS:
        raise invalid(f"Malformed input request: #/dimensions: expected one of {ALLOWED_DIMENSIONS}.")
    if not isinstance(asked.get("normalize", True), bool):
        raise invalid("Malformed input request: #/normalize: expected type: Boolean.")
    kinds = asked.get("embeddingTypes", ["float"])
    if not isinstance(kinds, list) or not kinds or not set(map(str, kinds)) <= {"float", "binary"}:
        raise invalid('Malformed input request: #/embeddingTypes: expected a list of "float" and "binary".')
    return asked


def reply(asked: dict[str, Any]) -> dict[str, Any]:
    text = asked["inputText"]
    dimensions = asked.get("dimensions", DEFAULT_DIMENSIONS)
    vector = embed([vocabulary.in_english(text)])[0]
    if not vector.any():
        vector[0] = 1.0  # a text of no known word; nobody can take a cosine with zeros
    numbers = [float(number) for number in vector] * (dimensions // DIMENSIONS)
    # Repeating a vector of length 1 makes it longer; unnormalised ones are given out that long.
    length = (dimensions // DIMENSIONS) ** 0.5 if asked.get("normalize", True) else 1.0
    floats = [number / length for number in numbers]
    kinds = asked.get("embeddingTypes", ["float"])
    by_type: dict[str, Any] = {}
    if "float" in kinds:
        by_type["float"] = floats
    if "binary" in kinds:
        by_type["binary"] = [1 if number > 0 else 0 for number in floats]
    first = {"embedding": floats} if "float" in kinds else {}
    return {**first, "embeddingsByType": by_type, "inputTextTokenCount": tokens.of_text(text)}
