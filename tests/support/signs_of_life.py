"""A sign of life from tests that take longer than two seconds: which one it is, and for how long.

Chaos and system tests run real processes for half a minute; without a word in between, a run that works looks like one
that hangs.
"""

import os
import threading
import time

import pytest

EVERY_SECONDS = 2.0
# A log gets a line now and then; only a terminal can take one back.
EVERY_SECONDS_IN_A_LOG = 10.0


class SignsOfLife:
    """Writes to the terminal that pytest was started on, past the capturing of what tests print."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._is_screen = os.isatty(terminal)
        self._running = {"collecting tests": time.monotonic()}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._turn, name="signs of life", daemon=True)
        self._thread.start()

    # With pytest-xdist the process that owns the terminal runs no test itself, but hears these of each.
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running.pop("collecting tests", None)
        self._running[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._running.pop(nodeid, None)

    def pytest_unconfigure(self) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._terminal)

    def _turn(self) -> None:
        every = EVERY_SECONDS if self._is_screen else EVERY_SECONDS_IN_A_LOG
        told_at = time.monotonic()
        while not self._ended.wait(0.5):
            now = time.monotonic()
            if now - told_at < every:
                continue
            long = [(what, now - since) for what, since in list(self._running.items()) if now - since >= every]
            if long:
                told_at = now
                text = "  ... " + "; ".join(f"{what}: {seconds:.0f} s" for what, seconds in long)
                # On a screen the next thing that pytest prints goes over it.
                os.write(self._terminal, (f"{text}\x1b[K\r" if self._is_screen else f"\n{text}\n").encode())


def pytest_configure(config: pytest.Config) -> None:
    # Only in the process that owns the terminal, and taken before capturing redirects it.
    if config.option.capture != "no" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SignsOfLife(os.dup(1)), "signs of life")
