"""Telling whoever waits what has just happened."""

from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

Progress: TypeAlias = Callable[[str], None]
"""Called with one line about what has just happened."""


def silent(_line: str) -> None:
    """Tell nobody."""


def one_at_a_time(progress: Progress) -> Progress:
    """``progress`` for several threads: a printed line is never cut by another."""
    lock = Lock()

    def tell(line: str) -> None:
        with lock:
            progress(line)

    return tell
