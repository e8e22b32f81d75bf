"""The embedded cloud of this checkout as other processes find it: a state file, and a lock that says it is alive.

A lock and no process id: the kernel drops it with its holder, so a `deskhand up` that was killed never looks alive.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STATE_FOLDER = ROOT / "build" / "local"


class AlreadyRunning(Exception):
    """Another process holds the embedded cloud of this checkout."""


@contextmanager
def sole_holder(folder: Path) -> Iterator[None]:
    """Hold the embedded cloud of ``folder`` while inside. Raises AlreadyRunning."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(str(folder)) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            yield
        finally:
            _state_file(folder).unlink(missing_ok=True)


def write_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Let other commands find what runs; whole or not at all."""
    draft = _state_file(folder).with_suffix(".draft")
    draft.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, _state_file(folder))


def is_held(folder: Path) -> bool:
    """Whether a process holds the embedded cloud of ``folder`` at this moment."""
    try:
        with (folder / "up.lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def holder_pid(folder: Path) -> int | None:
    """The process that holds the embedded cloud of ``folder``; None if none does."""
    if not is_held(folder):
        return None
    text = (folder / "up.lock").read_text(encoding="utf-8").strip()
    return int(text) if text else None


def read_state(folder: Path) -> dict[str, Any] | None:
    """What the holder wrote; None while it is still starting."""
    try:
        state: dict[str, Any] = json.loads(_state_file(folder).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return state


def _state_file(folder: Path) -> Path:
    return folder / "up.json"
