"""Which rows share a message and which texts share a prompt."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from services.feedback_tagger.planner.injection import trips
from services.feedback_tagger.planner.prompt import as_one_line

R = TypeVar("R")


def chunked(
    rows: Iterable[R], *, at_most_rows: int, at_most_bytes: int, size_of: Callable[[R], int]
) -> Iterator[list[R]]:
    """Consecutive rows in lists within both limits; a row over the byte limit travels alone.

    ``size_of`` gives the bytes that a row takes in a message. The same rows and limits give the same chunks.
    """
    chunk: list[R] = []
    used = 0
    for row in rows:
        size = size_of(row)
        if chunk and (len(chunk) == at_most_rows or used + size > at_most_bytes):
            yield chunk
            chunk, used = [], 0
        chunk.append(row)
        used += size
    if chunk:
        yield chunk


def questions(texts: Sequence[str], *, at_most: int) -> list[list[int]]:
    """Groups of indices into ``texts``, one prompt each, at most ``at_most`` texts in one.

    Of texts that read the same only the first is asked. A text that trips the injection check has a prompt to itself.
    """
    together: list[int] = []
    alone: list[list[int]] = []
    seen: set[str] = set()
    for index, text in enumerate(texts):
        line = as_one_line(text)
        if line in seen:
            continue
        seen.add(line)
        if trips(text):
            alone.append([index])
        else:
            together.append(index)
    return [together[start : start + at_most] for start in range(0, len(together), at_most)] + alone
