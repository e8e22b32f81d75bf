"""A sign of life while modules load: on a busy machine that takes seconds, before anything else could speak."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

QUIET_SECONDS = 1.5

_loaded = threading.Event()


def loaded() -> None:
    """Whoever has a progress display of its own takes over from here."""
    _loaded.set()


@contextmanager
def loading(command: str) -> Iterator[None]:
    """Say that ``command`` is loading, at once and again, until ``loaded`` is called or the block ends."""
    print(f"deskhand {command}: loading", flush=True)
    thread = threading.Thread(target=_keep_telling, name="loading", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loaded()


def _keep_telling() -> None:
    while not _loaded.wait(QUIET_SECONDS):
        print("  loading", flush=True)
