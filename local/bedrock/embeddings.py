"""Static word vectors from a wheel: 256 numbers a text, no download, no network."""

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
DIMENSIONS = 256


@cache
def _words() -> Any:
    # The package calls logging.basicConfig on import, which would turn our own log lines on.
    handlers = list(logging.root.handlers)
    level = logging.root.level
    import wordllama  # noqa: PLC0415  1.5 s of imports, which a constant answer never needs

    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)


def warm_up() -> None:
    embed(["ready"])


def embed(texts: Sequence[str]) -> Vectors:
    """One row a text, of length 1; a text without a known word is all zeros."""
    if not texts:
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    # Lone surrogates are valid JSON, but no text to the tokenizer.
    clean = [text.encode(errors="replace").decode() or " " for text in texts]
    raw: Vectors = _words().embed(clean)
    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    vectors: Vectors = raw / lengths
    return vectors
